from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.model import NETWORK, account_subject
from bitsage.schemas.commands import (
    CastVote,
    CloseTally,
    OpenTally,
    RequestTally,
    SettleAttempt,
    SlashStake,
    SubmitProof,
)
from bitsage.schemas.events import (
    ConsensusReached,
    JobAssigned,
    JobCancelled,
    JobReassigned,
    JobSubmitted,
    ProofGenerated,
    ProofRefused,
    TallyOpened,
    VoteCast,
    VoteRejected,
)
from bitsage.schemas.parameters import SAGE, threshold
from tests.processors.dsl import (
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

SUBMITTED = JobSubmitted(job_id=JOB, client=CLIENT, spec=spec())
ASSIGNED = JobAssigned(job_id=JOB, attempt=1, worker=WORKER, cost=10 * SAGE, expires_at=NOW + HOUR)
SUBMIT = SubmitProof(
    attempt=1,
    output_hash=OUTPUT,
    public_inputs="{}",
    proof=b"proof",
    proof_hash=HASH,
    proof_system="stwo",
    security_bits=96,
    backend="numpy",
    run_ms=5,
    prove_ms=7,
)


def admitted(**changes: Any) -> ProofGenerated:
    proof = ProofGenerated(
        job_id=JOB,
        attempt=1,
        worker=WORKER,
        output_hash=OUTPUT,
        public_inputs="{}",
        proof=b"proof",
        proof_hash=HASH,
        proof_system="stwo",
        security_bits=96,
        backend="numpy",
        run_ms=5,
        prove_ms=7,
    )
    return replace(proof, **changes)


def job(*events: Any) -> Scene:
    return given(SUBMITTED, ASSIGNED, *events, subject=JOB_SUBJECT)


def test_the_assigned_workers_proof_goes_to_the_validators() -> None:
    scene = job().when(SUBMIT, by=WORKER).then(admitted())
    request = RequestTally(job_id=JOB, attempt=1, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT)
    scene.entails((NETWORK, request))


@pytest.mark.parametrize("size", [0, 256 * 1024])
def test_an_empty_and_a_full_proof_are_for_the_validators_to_judge(size: int) -> None:
    job().when(replace(SUBMIT, proof=bytes(size)), by=WORKER).then(admitted(proof=bytes(size)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"proof": bytes(256 * 1024 + 1)}, "too_large"),
        ({"attempt": 2}, "wrong_attempt"),
        ({"public_inputs": "x" * (64 * 1024 + 1)}, "malformed"),
        ({"proof_system": "x" * 65}, "malformed"),
        ({"backend": "x" * 65}, "malformed"),
        ({"run_ms": -1}, "malformed"),
    ],
)
def test_a_proof_that_is_refused_costs_nothing(changes: dict[str, Any], reason: str) -> None:
    scene = job().when(replace(SUBMIT, **changes), by=WORKER)
    scene.then(ProofRefused(job_id=JOB, worker=WORKER, reason=reason)).entails()


@pytest.mark.parametrize(
    ("events", "by", "reason"),
    [
        ((), OTHER_WORKER, "not_assigned"),
        ((admitted(),), WORKER, "already_submitted"),
        ((JobCancelled(job_id=JOB, attempt=1, worker=WORKER),), WORKER, "job_over"),
        ((JobReassigned(job_id=JOB, worker=WORKER, next_attempt=2, reason="abandoned"),), WORKER, "not_assigned"),
    ],
)
def test_a_proof_of_a_job_that_is_no_longer_its_own_is_refused_not_slashed(events: Any, by: bytes, reason: str) -> None:
    job(*events).when(SUBMIT, by=by).then(ProofRefused(job_id=JOB, worker=by, reason=reason)).entails()


def test_a_proof_of_no_job_is_refused() -> None:
    given(subject=JOB_SUBJECT).when(SUBMIT, by=WORKER).then_rejected("unknown_job")


def opened(validators: list[bytes], attempt: int = 1) -> TallyOpened:
    return TallyOpened(
        job_id=JOB,
        attempt=attempt,
        worker=WORKER,
        proof_hash=HASH,
        output_hash=OUTPUT,
        validators=validators,
        epoch=4,
        threshold=2 * len(validators) // 3 + 1,
        expires_at=NOW + 30_000,
    )


def opening(validators: list[bytes], attempt: int = 1) -> OpenTally:
    return OpenTally(
        attempt=attempt, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT, validators=validators, epoch=4
    )


def vote(valid: bool, attempt: int = 1, proof_hash: bytes = HASH) -> CastVote:
    return CastVote(attempt=attempt, proof_hash=proof_hash, valid=valid, reason="seen")


def cast(validator: bytes, valid: bool, attempt: int = 1) -> VoteCast:
    return VoteCast(job_id=JOB, attempt=attempt, proof_hash=HASH, validator=validator, valid=valid, reason="seen")


def refused(validator: bytes, reason: str, proof_hash: bytes = HASH) -> VoteRejected:
    return VoteRejected(job_id=JOB, proof_hash=proof_hash, validator=validator, reason=reason)


def decided(outcome: str, valid: int, invalid: int, needed: int, **changes: Any) -> ConsensusReached:
    fields = {"attempt": 1, "contrary": [], "reporter": None} | changes
    return ConsensusReached(
        job_id=JOB,
        worker=WORKER,
        proof_hash=HASH,
        output_hash=OUTPUT,
        outcome=outcome,
        votes_valid=valid,
        votes_invalid=invalid,
        threshold=needed,
        **fields,
    )


FOUR = VALIDATORS[:4]


def equivocated(validator: bytes, valid: bool) -> VoteRejected:
    """The refusal that holds the second vote as it was signed."""
    return replace(refused(validator, "equivocation"), attempt=1, valid=valid, remark="seen")


def tally(*votes: bool, validators: list[bytes] = FOUR) -> Scene:
    cast_votes = [cast(v, valid) for v, valid in zip(validators, votes, strict=False)]
    return given(opened(validators), *cast_votes, subject=JOB_SUBJECT)


@pytest.mark.parametrize(("n", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (100, 67)])
def test_the_threshold_is_more_than_two_thirds_of_the_registered(n: int, needed: int) -> None:
    assert threshold(n) == needed
    validators = [i.to_bytes(32, "big") for i in range(n)]
    given(subject=JOB_SUBJECT).when(opening(validators)).then(replace(opened(validators), threshold=needed))


def settled(outcome: str, reporter: bytes | None = None) -> tuple[str, SettleAttempt]:
    body = SettleAttempt(
        attempt=1, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT, outcome=outcome, reporter=reporter
    )
    return JOB_SUBJECT, body


def slash(validator: bytes, reason: str) -> tuple[str, SlashStake]:
    return account_subject(validator), SlashStake(reason=reason, job_id=JOB, attempt=1)


def test_a_proof_is_approved_as_soon_as_the_threshold_says_valid() -> None:
    scene = tally(True).when(vote(True), by=FOUR[1]).then(cast(FOUR[1], True)).entails()
    scene.when(vote(True), by=FOUR[2]).then(cast(FOUR[2], True), decided("approved", 3, 0, 3))
    scene.entails(settled("approved"))


def test_a_proof_is_rejected_as_soon_as_the_threshold_says_invalid() -> None:
    scene = tally(True, False, False).when(vote(False), by=FOUR[3])
    scene.then(cast(FOUR[3], False), decided("rejected", 1, 3, 3, contrary=[FOUR[0]], reporter=FOUR[1]))
    scene.entails(settled("rejected", FOUR[1]), slash(FOUR[0], "contrary_vote"))


def test_the_reporter_is_who_said_invalid_first() -> None:
    scene = given(opened(FOUR), cast(FOUR[3], False), cast(FOUR[0], False), subject=JOB_SUBJECT)
    scene.when(vote(False), by=FOUR[1])
    assert scene.events[1] == decided("rejected", 0, 3, 3, reporter=FOUR[3])


def test_a_vote_against_an_approved_proof_is_contrary() -> None:
    scene = tally(False, True, True).when(vote(True), by=FOUR[3])
    assert scene.events[1] == decided("approved", 3, 1, 3, contrary=[FOUR[0]])


def test_one_missing_vote_means_no_decision() -> None:
    tally(True, True, False, validators=VALIDATORS[:5]).when(vote(True), by=VALIDATORS[3]).then(
        cast(VALIDATORS[3], True)
    )


def test_a_tally_expires_and_nobody_is_contrary() -> None:
    close = CloseTally(proof_hash=HASH)
    tally(True, False).when(close, at=NOW + 29_999).then_rejected("not_due")
    scene = tally(True, False).when(close, at=NOW + 30_000).then(decided("expired", 1, 1, 3))
    scene.entails(settled("expired"))
    scene.when(close, at=NOW + 30_000).then_rejected("no_open_tally")


def test_only_the_open_tally_is_closed() -> None:
    given(subject=JOB_SUBJECT).when(CloseTally(proof_hash=HASH)).then_rejected("no_open_tally")
    tally().when(CloseTally(proof_hash=bytes(32)), at=NOW + HOUR).then_rejected("no_open_tally")
    tally(True, True).when(vote(True), by=FOUR[2]).when(CloseTally(proof_hash=HASH), at=NOW + HOUR).then_rejected(
        "no_open_tally"
    )


def test_without_validators_the_vote_expires_at_once() -> None:
    scene = given(subject=JOB_SUBJECT).when(opening([])).then(opened([]), decided("expired", 0, 0, 1))
    scene.entails(settled("expired"))


def test_an_attempt_is_judged_once() -> None:
    tally().when(opening(FOUR)).then_rejected("tally_exists")
    tally().when(opening(FOUR, 2)).then_rejected("tally_exists")
    done = tally(True, True).when(vote(True), by=FOUR[2])
    done.when(opening(FOUR)).then_rejected("tally_exists")
    done.when(opening(FOUR, 2)).then(opened(FOUR, 2))


def test_strangers_do_not_vote() -> None:
    tally().when(vote(True), by=VALIDATORS[5]).then(refused(VALIDATORS[5], "stranger")).entails()


def test_a_vote_counts_once() -> None:
    tally(True).when(vote(True), by=FOUR[0]).then(refused(FOUR[0], "duplicate")).entails()


def test_two_contradictory_votes_are_slashed() -> None:
    scene = tally(True).when(vote(False), by=FOUR[0]).then(equivocated(FOUR[0], False))
    scene.entails(slash(FOUR[0], "equivocation"))


def test_contradiction_is_found_after_the_decision_too() -> None:
    scene = tally(True, True).when(vote(True), by=FOUR[2]).when(vote(False), by=FOUR[1], at=NOW + HOUR)
    scene.then(equivocated(FOUR[1], False)).entails(slash(FOUR[1], "equivocation"))


def test_late_votes_do_not_count() -> None:
    tally().when(vote(True), by=FOUR[0], at=NOW + 30_000).then(refused(FOUR[0], "late"))
    tally(True, True).when(vote(True), by=FOUR[2]).when(vote(True), by=FOUR[3]).then(refused(FOUR[3], "late"))


def test_a_vote_names_proof_and_attempt() -> None:
    tally().when(vote(True, proof_hash=bytes(32)), by=FOUR[0]).then(refused(FOUR[0], "unknown_proof", bytes(32)))
    tally().when(vote(True, attempt=2), by=FOUR[0]).then(refused(FOUR[0], "unknown_proof"))
    given(subject=JOB_SUBJECT).when(vote(True), by=FOUR[0]).then_rejected("unknown_proof")


def test_a_late_vote_on_the_same_bytes_in_an_earlier_attempt_is_no_vote_in_this_one() -> None:
    scene = tally(True).when(CloseTally(proof_hash=HASH), at=NOW + 30_000).when(opening(FOUR, 2))
    scene.when(vote(True, attempt=1), by=FOUR[1]).then(refused(FOUR[1], "late"))
    scene.when(vote(False, attempt=2), by=FOUR[0]).then(cast(FOUR[0], False, 2))


def test_a_remark_is_short() -> None:
    long = CastVote(attempt=1, proof_hash=HASH, valid=True, reason="x" * 201)
    tally().when(long, by=FOUR[0]).then(refused(FOUR[0], "malformed"))


def test_a_vote_with_a_long_remark_is_no_contradiction_either() -> None:
    long = CastVote(attempt=1, proof_hash=HASH, valid=False, reason="x" * 201)
    tally(True).when(long, by=FOUR[0]).then(refused(FOUR[0], "malformed")).entails()
