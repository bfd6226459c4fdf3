"""Rules that were made apart, where they meet: what a client, a worker or a validator could make of two of them at once."""

from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.job_policies import CONSEQUENCES
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import (
    AdjustReputation,
    AssignJob,
    DeclineJob,
    OwePayment,
    SlashStake,
    TimeoutElapsed,
)
from bitsage.schemas.events import (
    JobAssigned,
    JobSubmitted,
    PaymentDue,
    PaymentEncrypted,
    ReputationChanged,
    Slashed,
    WorkerWentOffline,
)
from bitsage.schemas.hidden_commands import ClaimPayment
from bitsage.schemas.hidden_events import PaymentClaimed
from bitsage.schemas.parameters import SAGE, Parameters
from tests.processors.dsl import ACCOUNT, CLIENT, HASH, JOB, JOB_SUBJECT, NOW, PAYMENT_KEY, WORKER, given, spec, wallet
from tests.processors.test_benchmarks import ASSIGNED, PROOF, STARTED, settled
from tests.processors.test_disputes import APPROVED, FOUR, ballot, trial
from tests.processors.test_workers import MEMBER

MINUTE = 60_000
LOCKED = replace(ASSIGNED, lock_until=NOW + MINUTE)


def test_a_client_cannot_make_a_benchmark_a_fraud_by_queueing_jobs_behind_a_lock_time() -> None:
    """A worker accepts at once what has a lock time, and may have larger jobs of the same client before it."""
    plain = AdjustReputation(reason="job_done", job_id=JOB, attempt=1)
    assert settled((LOCKED, NOW), (STARTED, NOW + 30), (PROOF, NOW + 3_000_000)) == plain
    assert settled((ASSIGNED, NOW), (STARTED, NOW + 30), (PROOF, NOW + 130)).rows == 64


def test_lock_times_that_a_worker_sleeps_through_are_no_run_of_failures() -> None:
    """A client may ask for five seconds; a worker that is started anew would lose a quarter of its stake to three of them."""
    scene = given(*MEMBER)
    for n in range(1, 6):
        offer = JobSubmitted(job_id=JOB, client=CLIENT, spec=spec(lock_timeout_ms=5_000), rows=1)
        job = given(offer, replace(LOCKED, attempt=n, lock_until=NOW + 5_000), subject=JOB_SUBJECT)
        told = job.when(TimeoutElapsed(kind="lock", attempt=n), at=NOW + 5_000).entailed
        (row,) = [body for subject, body in told if subject == ACCOUNT]
        scene.when(row)
        (change,) = scene.events
        assert isinstance(change, ReputationChanged)
        assert (change.before - change.after, change.failures) == (25, 0)
        assert not [body for _, body in scene.entailed if isinstance(body, SlashStake)]
    assert not any(isinstance(event, WorkerWentOffline) for event in scene.events)


def test_every_consequence_has_its_row_in_both_tables() -> None:
    numbers = Parameters()
    assert {row for _, row in CONSEQUENCES.values()} <= set(numbers.reputation_change)
    assert {row for row, _ in CONSEQUENCES.values() if row} <= set(numbers.slash_percent)


@pytest.mark.parametrize("collateral", [0, 700 * SAGE])
def test_a_false_proof_that_a_dispute_finds_costs_the_collateral_like_one_found_at_once(collateral: int) -> None:
    scene = trial(APPROVED, (FOUR[0], True), (FOUR[3], False), (FOUR[2], False))
    scene.states.fold("jobs", JobSubmitted(job_id=JOB, client=CLIENT, spec=spec(collateral=collateral), rows=1), NOW)
    scene.when(ballot(False), by=FOUR[1])
    (slash,) = [body for subject, body in scene.entailed if subject == ACCOUNT and isinstance(body, SlashStake)]
    assert (slash.reason, slash.collateral, slash.round) == ("invalid_proof", collateral, 1)
    (taken,) = given(*MEMBER).when(slash).events
    assert isinstance(taken, Slashed)
    assert taken.amount == max(100 * SAGE, collateral)


@pytest.mark.parametrize("attempt", [1, 3, 11])
def test_a_payment_after_many_declined_assignments_is_known_to_be_claimed(attempt: int) -> None:
    name: dict[str, Any] = {"job_id": JOB, "payment_nonce": attempt}
    due = PaymentDue(**name, worker=WORKER, amount=8 * SAGE, payment_key=PAYMENT_KEY, proof_commitment=HASH)
    coded = PaymentEncrypted(
        **name, worker=WORKER, payment=b"c", proof_commitment=HASH, ciphertext=b"c", pending=b"c", credit=1
    )
    scene = given(wallet(), due, coded, PaymentClaimed(available=b"c", sequence=1, credit=1))
    scene.when(ClaimPayment(job_id=JOB)).then_rejected("already_claimed")
    scene.when(OwePayment(**name, amount=8 * SAGE, proof_commitment=HASH)).then_rejected("already_booked")


def test_the_last_attempt_that_declining_leaves_is_within_what_a_claim_knows() -> None:
    numbers = Parameters()
    scene = given(JobSubmitted(job_id=JOB, client=CLIENT, spec=spec(), rows=1), subject=JOB_SUBJECT)
    last = numbers.attempts + numbers.declines
    for n in range(1, last + 1):
        worker = bytes([n]) * 32
        scene.when(AssignJob(attempt=n, worker=worker, cost=SAGE))
        assert isinstance(scene.events[0], JobAssigned)
        scene.states.fold("jobs", replace(scene.events[0], lock_until=NOW + MINUTE), NOW)
        if n > numbers.declines:
            scene.when(TimeoutElapsed(kind="worker_offline", attempt=n))
        else:
            scene.when(DeclineJob(attempt=n, reason="price"), by=worker)
    assert type(scene.events[0]).__name__ == "JobFailed"
    assert account_subject(bytes([last]) * 32) == scene.entailed[0][0]
