from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.model import NETWORK, account_subject
from bitsage.schemas.commands import (
    AbandonJob,
    AdjustReputation,
    AdmitJob,
    AssignJob,
    CancelJob,
    EnqueueJob,
    RefundEscrow,
    ReleaseEscrow,
    SettleAttempt,
    SlashStake,
    StartJob,
    TimeoutElapsed,
    WithdrawJob,
)
from bitsage.schemas.events import (
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobReassigned,
    JobStarted,
    JobSubmitted,
    ProofGenerated,
)
from bitsage.schemas.parameters import DAY_MS, SAGE
from tests.processors.dsl import (
    ACCOUNT,
    CHECKS,
    CLIENT,
    HASH,
    HOUR,
    JOB,
    JOB_SUBJECT,
    NOW,
    OTHER_WORKER,
    OUTPUT,
    VALIDATORS,
    WORKER,
    Scene,
    given,
    spec,
)

PURSE = account_subject(CLIENT)
DEADLINE = NOW + DAY_MS
SUBMITTED = JobSubmitted(job_id=JOB, client=CLIENT, spec=spec())


def assigned(attempt: int = 1, worker: bytes = WORKER, expires_at: int = NOW + HOUR) -> JobAssigned:
    return JobAssigned(job_id=JOB, attempt=attempt, worker=worker, cost=10 * SAGE, expires_at=expires_at)


def reassigned(reason: str, next_attempt: int = 2, worker: bytes = WORKER) -> JobReassigned:
    return JobReassigned(job_id=JOB, worker=worker, next_attempt=next_attempt, reason=reason)


def failed(reason: str, worker: bytes | None = WORKER) -> JobFailed:
    return JobFailed(job_id=JOB, reason=reason, worker=worker)


def proof(attempt: int = 1, worker: bytes = WORKER) -> ProofGenerated:
    return ProofGenerated(
        job_id=JOB,
        attempt=attempt,
        worker=worker,
        output_hash=OUTPUT,
        public_inputs="{}",
        proof=b"",
        proof_hash=HASH,
        proof_system="stwo",
        security_bits=96,
        backend="numpy",
        run_ms=1,
        prove_ms=1,
    )


def queue(attempt: int = 1, excluded: tuple[bytes, ...] = ()) -> tuple[str, EnqueueJob]:
    body = EnqueueJob(
        job_id=JOB,
        attempt=attempt,
        job_type="matmul",
        tier="",
        tee=False,
        priority=0,
        submitted_at=NOW,
        excluded=list(excluded),
        client=CLIENT,
        max_cost=10 * SAGE,
        ramp_start=NOW,
    )
    return NETWORK, body


def withdraw(attempt: int = 1) -> tuple[str, WithdrawJob]:
    return NETWORK, WithdrawJob(job_id=JOB, attempt=attempt)


def refund(reason: str) -> tuple[str, RefundEscrow]:
    return PURSE, RefundEscrow(job_id=JOB, reason=reason)


def penalty(reason: str, attempt: int = 1, reporter: bytes | None = None) -> list[tuple[str, Any]]:
    return [
        (ACCOUNT, SlashStake(reason=reason, job_id=JOB, attempt=attempt, reporter=reporter)),
        (ACCOUNT, AdjustReputation(reason="slash", job_id=JOB, attempt=attempt)),
    ]


def settle(outcome: str, attempt: int = 1, **changes: Any) -> SettleAttempt:
    fields = {"worker": WORKER, "proof_hash": HASH, "output_hash": OUTPUT, "reporter": None} | changes
    return SettleAttempt(attempt=attempt, outcome=outcome, **fields)


def job(*events: Any) -> Scene:
    return given(SUBMITTED, *events, subject=JOB_SUBJECT)


STARTED = JobStarted(job_id=JOB, attempt=1, worker=WORKER)
HELD = (assigned(), STARTED)
JUDGED = (*HELD, proof())
LAST = (reassigned("abandoned"), reassigned("abandoned", 3), assigned(3))


def test_an_admitted_job_goes_to_the_market() -> None:
    scene = given(subject=JOB_SUBJECT).when(AdmitJob(client=CLIENT, spec=spec())).then(SUBMITTED).entails(queue())
    scene.when(AdmitJob(client=CLIENT, spec=spec())).then_rejected("job_exists").entails()


def test_a_job_admitted_again_after_its_end_is_refunded() -> None:
    job(failed("deadline_passed")).when(AdmitJob(client=CLIENT, spec=spec())).then_rejected("job_exists").entails(
        refund("job_exists")
    )


def test_an_assignment_ends_after_the_attempt_time() -> None:
    job().when(AssignJob(attempt=1, worker=WORKER)).then(assigned()).entails()


def test_an_assignment_ends_at_the_deadline_at_the_latest() -> None:
    scene = job().when(AssignJob(attempt=1, worker=WORKER), at=DEADLINE - 5)
    scene.then(assigned(expires_at=DEADLINE))


def test_no_worker_gets_a_job_whose_deadline_is_over() -> None:
    scene = job().when(AssignJob(attempt=1, worker=WORKER), at=DEADLINE)
    scene.then(failed("deadline_passed", None)).entails(withdraw(), refund("deadline_passed"))


@pytest.mark.parametrize(
    ("events", "attempt", "reason"),
    [
        ((assigned(),), 1, "wrong_attempt"),
        ((), 2, "wrong_attempt"),
        ((reassigned("abandoned"),), 1, "wrong_attempt"),
        ((JobCancelled(job_id=JOB, attempt=1),), 1, "job_over"),
    ],
)
def test_an_assignment_that_comes_at_a_wrong_time_frees_its_slot(events: Any, attempt: int, reason: str) -> None:
    scene = job(*events).when(AssignJob(attempt=attempt, worker=OTHER_WORKER))
    scene.then_rejected(reason).entails(withdraw(attempt))


def test_an_assignment_told_twice_changes_nothing() -> None:
    job(assigned()).when(AssignJob(attempt=1, worker=WORKER)).then_rejected("wrong_attempt").entails()


def test_the_assigned_worker_starts_once() -> None:
    scene = job(assigned()).when(StartJob(attempt=1), by=WORKER).then(STARTED)
    scene.when(StartJob(attempt=1), by=WORKER).then_rejected("already_started")


@pytest.mark.parametrize("command", [StartJob(attempt=1), AbandonJob(attempt=1, reason="tired")])
def test_only_the_assigned_worker_acts_on_this_attempt(command: Any) -> None:
    job(assigned()).when(command, by=OTHER_WORKER).then_rejected("not_assigned")
    job().when(command, by=WORKER).then_rejected("not_assigned")
    job(assigned()).when(replace(command, attempt=2), by=WORKER).then_rejected("wrong_attempt")
    job(*JUDGED).when(command, by=WORKER).then_rejected("in_judgement")
    given(subject=JOB_SUBJECT).when(command, by=WORKER).then_rejected("unknown_job")
    job(failed("abandoned")).when(command, by=WORKER).then_rejected("job_over")


def test_a_worker_that_gives_up_loses_reputation_and_no_stake() -> None:
    scene = job(*HELD).when(AbandonJob(attempt=1, reason="out of memory"), by=WORKER).then(reassigned("abandoned"))
    failure = AdjustReputation(reason="failure", job_id=JOB, attempt=1)
    scene.entails((ACCOUNT, failure), withdraw(), queue(2, (WORKER,)))


@pytest.mark.parametrize("reason", ["input_trap", "input_of_a_plug_in", "too_large", "job_type_failed"])
def test_a_job_that_nobody_can_finish_costs_its_workers_nothing(reason: str) -> None:
    gives_up = AbandonJob(attempt=1, reason=reason)
    scene = job(*HELD).when(gives_up, by=WORKER).then(reassigned("unprovable"))
    scene.entails(withdraw(), queue(2, (WORKER,)))


def test_three_jobs_that_trap_on_one_worker_leave_its_record_and_stake_alone() -> None:
    for _ in range(3):
        scene = job(*HELD).when(AbandonJob(attempt=1, reason="input_trap"), by=WORKER)
        assert ACCOUNT not in [subject for subject, _ in scene.entailed]


def test_a_job_that_nobody_can_finish_fails_after_its_attempts() -> None:
    scene = job(*LAST).when(AbandonJob(attempt=3, reason="input_trap"), by=WORKER).then(failed("unprovable"))
    scene.entails(withdraw(3), refund("unprovable"))


@pytest.mark.parametrize("reason", ["", "trap", "MemoryError", "abandoned", "device_lost"])
def test_any_other_reason_to_give_up_costs_reputation(reason: str) -> None:
    scene = job(*HELD).when(AbandonJob(attempt=1, reason=reason), by=WORKER).then(reassigned("abandoned"))
    assert (ACCOUNT, AdjustReputation(reason="failure", job_id=JOB, attempt=1)) in scene.entailed


def test_the_client_cancels_and_is_refunded() -> None:
    scene = job().when(CancelJob(), by=CLIENT).then(JobCancelled(job_id=JOB, attempt=1))
    scene.entails(refund("cancelled"), withdraw())
    scene.when(CancelJob(), by=CLIENT).then_rejected("job_over")
    job(*HELD).when(CancelJob(), by=CLIENT).then(JobCancelled(job_id=JOB, attempt=1, worker=WORKER))


def test_only_the_client_cancels_and_not_while_a_proof_is_judged() -> None:
    job().when(CancelJob(), by=WORKER).then_rejected("not_client")
    job(*JUDGED).when(CancelJob(), by=CLIENT).then_rejected("in_judgement")


@pytest.mark.parametrize("kind", ["attempt", "deadline"])
def test_an_attempt_without_proof_times_out_and_the_worker_is_slashed(kind: str) -> None:
    over = TimeoutElapsed(kind=kind, attempt=1)
    job(*HELD).when(over, at=NOW + HOUR - 1).then_rejected("not_due")
    scene = job(*HELD).when(over, at=NOW + HOUR).then(reassigned("attempt_timeout"))
    scene.entails(*penalty("timeout"), withdraw(), queue(2, (WORKER,)))


def test_a_job_whose_worker_vanished_goes_to_another() -> None:
    scene = job(assigned()).when(TimeoutElapsed(kind="worker_offline", attempt=1)).then(reassigned("worker_offline"))
    scene.entails(*penalty("timeout"), withdraw(), queue(2, (WORKER,)))


def test_an_attempt_cut_short_by_the_deadline_costs_the_worker_nothing() -> None:
    scene = job(assigned(expires_at=DEADLINE)).when(TimeoutElapsed(kind="attempt", attempt=1), at=DEADLINE)
    scene.then(failed("deadline_passed")).entails(withdraw(), refund("deadline_passed"))


def test_a_waiting_job_fails_at_its_deadline() -> None:
    over = TimeoutElapsed(kind="deadline", attempt=1)
    job().when(over, at=DEADLINE - 1).then_rejected("not_due")
    scene = job().when(over, at=DEADLINE).then(failed("deadline_passed", None))
    scene.entails(withdraw(), refund("deadline_passed"))


@pytest.mark.parametrize("kind", ["attempt", "worker_offline", "deadline"])
def test_no_timeout_while_a_proof_is_judged(kind: str) -> None:
    job(*JUDGED).when(TimeoutElapsed(kind=kind, attempt=1), at=DEADLINE).then_rejected("in_judgement")


def test_a_timeout_belongs_to_its_attempt_and_kind() -> None:
    job(*HELD).when(TimeoutElapsed(kind="attempt", attempt=2), at=DEADLINE).then_rejected("wrong_attempt")
    job().when(TimeoutElapsed(kind="worker_offline", attempt=1)).then_rejected("not_due")
    job(*HELD).when(TimeoutElapsed(kind="boredom", attempt=1), at=DEADLINE).then_rejected("not_due")


def test_the_third_failed_attempt_is_the_last() -> None:
    scene = job(*LAST).when(TimeoutElapsed(kind="attempt", attempt=3), at=NOW + HOUR).then(failed("attempt_timeout"))
    scene.entails(*penalty("timeout", 3), withdraw(3), refund("attempt_timeout"))


def test_no_further_attempt_after_the_deadline() -> None:
    scene = job(*JUDGED).when(settle("expired"), at=DEADLINE).then(failed("consensus_expired"))
    scene.entails(withdraw(), refund("consensus_expired"))


def test_an_approved_job_is_completed_and_paid() -> None:
    scene = job(*JUDGED).when(settle("approved"))
    scene.then(JobCompleted(job_id=JOB, attempt=1, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT))
    release = ReleaseEscrow(
        job_id=JOB,
        worker=WORKER,
        cost=10 * SAGE,
        proof_commitment=CHECKS.proof_commitment(HASH, JOB, WORKER),
        payment_nonce=1,
    )
    done = AdjustReputation(reason="job_done", job_id=JOB, attempt=1, job_type="matmul", rows=1, elapsed_ms=1)
    scene.entails((PURSE, release), withdraw(), (ACCOUNT, done))
    scene.when(settle("approved")).then_rejected("job_over").entails()


def test_a_rejected_proof_is_slashed_with_a_reporter_and_the_job_goes_on() -> None:
    scene = job(*JUDGED).when(settle("rejected", reporter=VALIDATORS[1])).then(reassigned("invalid_proof"))
    scene.entails(*penalty("invalid_proof", reporter=VALIDATORS[1]), withdraw(), queue(2, (WORKER,)))


def test_an_expired_vote_slashes_and_excludes_nobody_but_counts_as_an_attempt() -> None:
    scene = job(*JUDGED).when(settle("expired")).then(reassigned("consensus_expired"))
    scene.entails(withdraw(), queue(2))
    last = job(*LAST, proof(3)).when(settle("expired", 3)).then(failed("consensus_expired"))
    last.entails(withdraw(3), refund("consensus_expired"))


def test_workers_that_failed_are_excluded_together() -> None:
    past = (*HELD, reassigned("attempt_timeout"), assigned(2, OTHER_WORKER), proof(2, OTHER_WORKER))
    scene = job(*past).when(settle("rejected", 2, worker=OTHER_WORKER))
    assert scene.entailed[-1] == queue(3, (WORKER, OTHER_WORKER))


def test_a_decision_settles_the_attempt_and_proof_it_is_about() -> None:
    job(*HELD).when(settle("approved")).then_rejected("wrong_attempt")
    job(*JUDGED).when(settle("approved", 2)).then_rejected("wrong_attempt")
    job(*JUDGED).when(settle("approved", worker=OTHER_WORKER)).then_rejected("proof_mismatch")
    job(*JUDGED).when(settle("approved", proof_hash=bytes(32))).then_rejected("proof_mismatch")
    job(*JUDGED).when(settle("approved", output_hash=bytes(32))).then_rejected("proof_mismatch")
    job(*JUDGED).when(settle("maybe")).then_rejected("unknown_outcome")


def test_the_state_does_not_keep_the_input() -> None:
    assert job().states.state("jobs").spec == spec(input="")
