from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.model import NETWORK, account_subject
from bitsage.schemas.commands import (
    AdjustReputation,
    ChangeValidator,
    DepartValidator,
    DepartWorker,
    OfferCapacity,
    RegisterValidator,
    RegisterWorker,
    ReportPresence,
    ReviewStanding,
    SlashStake,
)
from bitsage.schemas.events import (
    RegistrationRejected,
    ReputationChanged,
    Slashed,
    Staked,
    TokensGranted,
    UnstakeRequested,
    ValidatorDeparted,
    ValidatorRegistered,
    WorkerDeparted,
    WorkerRegistered,
    WorkerReturned,
    WorkerWentOffline,
)
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import ZERO_HASH
from tests.processors.dsl import ACCOUNT, JOB, NOW, PAYMENT_KEY, VALIDATORS, WORKER, given, wallet

MINUTE = 60_000
FUNDED = (wallet(), TokensGranted(amount=20_000 * SAGE, gas_amount=0))
STAKED = (*FUNDED, Staked(amount=1_000 * SAGE, total=1_000 * SAGE, tier="consumer"))
JOIN = RegisterWorker(
    tier="consumer",
    gpu_model="T4",
    payment_key=PAYMENT_KEY,
    key_proof=b"knows " + PAYMENT_KEY + WORKER,
    job_types=["matmul", "inference", "matmul"],
    slots=2,
)
JOINED = WorkerRegistered(
    worker=WORKER,
    tier="consumer",
    gpu_model="T4",
    stake=1_000 * SAGE,
    payment_key=PAYMENT_KEY,
    job_types=["inference", "matmul"],
    slots=2,
    attested=False,
)
MEMBER = (*STAKED, JOINED)
AWAY = WorkerWentOffline(worker=WORKER, reason="inactivity")


def offer(slots: int = 2, reputation: int = 500, stake: int = 1_000) -> tuple[str, OfferCapacity]:
    body = OfferCapacity(
        worker=WORKER,
        tier="consumer",
        reputation=reputation,
        slots=slots,
        attested=False,
        job_types=["inference", "matmul"],
        stake=stake * SAGE,
    )
    return NETWORK, body


def moved(before: int, after: int, reason: str, failures: int, job: bytes = JOB, attempt: int = 1) -> ReputationChanged:
    return ReputationChanged(before=before, after=after, reason=reason, job_id=job, attempt=attempt, failures=failures)


def adjust(reason: str, attempt: int = 1) -> AdjustReputation:
    return AdjustReputation(reason=reason, job_id=JOB, attempt=attempt)


def test_a_worker_with_stake_and_key_joins_the_market() -> None:
    given(*STAKED).when(JOIN).then(JOINED).entails(offer())


def test_a_worker_may_register_again_to_change() -> None:
    given(*MEMBER).when(replace(JOIN, slots=4)).then(replace(JOINED, slots=4)).entails(offer(slots=4))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tier": "quantum"}, "unknown_tier"),
        ({"tier": "validator"}, "unknown_tier"),
        ({"quote": b"quote"}, "attestation_unavailable"),
        ({"job_types": []}, "job_types_invalid"),
        ({"job_types": [""]}, "job_types_invalid"),
        ({"job_types": ["m" * 65]}, "job_types_invalid"),
        ({"job_types": [str(i) for i in range(17)]}, "job_types_invalid"),
        ({"gpu_model": "x" * 65}, "gpu_model_invalid"),
        ({"slots": 0}, "slots_out_of_range"),
        ({"slots": 5}, "slots_out_of_range"),
        ({"key_proof": b"trust me"}, "key_proof_invalid"),
        ({"payment_key": b"k" * 129, "key_proof": b"knows " + b"k" * 129 + WORKER}, "key_proof_invalid"),
    ],
)
def test_a_registration_that_is_refused(changes: dict[str, Any], reason: str) -> None:
    given(*STAKED).when(replace(JOIN, **changes)).then_rejected(reason).entails()


def test_registration_needs_a_wallet() -> None:
    given().when(JOIN).then_rejected("no_wallet")
    given().when(RegisterValidator()).then_rejected("no_wallet")


def test_registration_needs_the_stake_of_its_tier() -> None:
    given(*STAKED).when(replace(JOIN, tier="workstation")).then(
        RegistrationRejected(reason="stake_insufficient", required=2_500 * SAGE, current=1_000 * SAGE)
    )


def test_stake_that_is_being_unlocked_does_not_count() -> None:
    given(*STAKED, UnstakeRequested(amount=SAGE, unlock_at=NOW + 1)).when(JOIN).then(
        RegistrationRejected(reason="stake_unlocked", required=1_000 * SAGE, current=999 * SAGE)
    )


def test_a_worker_departs_once() -> None:
    scene = given(*MEMBER).when(DepartWorker()).then(WorkerDeparted(worker=WORKER, reason="own_wish"))
    scene.entails(offer(slots=0))
    scene.when(DepartWorker()).then_rejected("not_registered")


BIG = (*FUNDED, Staked(amount=10_000 * SAGE, total=10_000 * SAGE, tier="validator"))
SEATED = ValidatorRegistered(validator=WORKER, stake=10_000 * SAGE)


def test_a_validator_joins_and_departs() -> None:
    scene = given(*BIG).when(RegisterValidator()).then(SEATED)
    scene.entails((NETWORK, ChangeValidator(validator=WORKER, active=True)))
    scene.when(RegisterValidator()).then_rejected("already_registered")
    scene.when(DepartValidator()).then(ValidatorDeparted(validator=WORKER, reason="own_wish"))
    scene.entails((NETWORK, ChangeValidator(validator=WORKER, active=False)))
    scene.when(DepartValidator()).then_rejected("not_registered")


def test_a_validator_needs_ten_thousand() -> None:
    given(*STAKED).when(RegisterValidator()).then(
        RegistrationRejected(reason="stake_insufficient", required=10_000 * SAGE, current=1_000 * SAGE)
    )


def test_nobody_is_worker_and_validator_at_once() -> None:
    given(*BIG, SEATED).when(JOIN).then_rejected("already_validator")
    given(*BIG, JOINED).when(RegisterValidator()).then_rejected("already_worker")


def slash(amount: int, remaining: int) -> Slashed:
    return Slashed(
        amount=amount * SAGE,
        reason="timeout",
        job_id=JOB,
        attempt=1,
        reporter=ZERO_HASH,
        reporter_amount=0,
        burnt=amount * SAGE,
        treasury=0,
        remaining=remaining * SAGE,
    )


def test_a_worker_whose_stake_no_longer_suffices_has_to_go() -> None:
    scene = given(*MEMBER, slash(50, 950)).when(ReviewStanding(reason="timeout"))
    scene.then(WorkerDeparted(worker=WORKER, reason="stake_insufficient")).entails(offer(slots=0, stake=950))
    scene.when(ReviewStanding(reason="timeout")).then_rejected("standing_unchanged")


def test_a_validator_whose_stake_no_longer_suffices_has_to_go() -> None:
    scene = given(*BIG, SEATED, slash(1, 9_999)).when(ReviewStanding(reason="contrary_vote"))
    scene.then(ValidatorDeparted(validator=WORKER, reason="stake_insufficient"))


def test_standing_is_kept_while_the_stake_suffices() -> None:
    given(*MEMBER).when(ReviewStanding(reason="unstake")).then_rejected("standing_unchanged")
    given(*BIG, SEATED).when(ReviewStanding(reason="unstake")).then_rejected("standing_unchanged")


def test_a_validator_without_a_seat_has_to_go() -> None:
    review = ReviewStanding(reason="validators_full")
    given(*BIG, SEATED).when(review).then(ValidatorDeparted(validator=WORKER, reason="validators_full"))


@pytest.mark.parametrize(
    ("reason", "after", "failures"),
    [
        ("job_done", 515, 0),
        ("failure", 475, 1),
        ("slash", 400, 1),
        ("dispute_lost", 450, 0),
        ("dispute_won", 530, 0),
        ("inactivity", 495, 0),
    ],
)
def test_reputation_moves_by_the_table(reason: str, after: int, failures: int) -> None:
    scene = given(*MEMBER).when(adjust(reason)).then(moved(500, after, reason, failures))
    scene.entails(offer(reputation=after))


def test_reputation_stays_between_0_and_1000() -> None:
    low = given(*MEMBER, moved(500, 60, "slash", 1, attempt=9)).when(adjust("slash"))
    low.then(moved(60, 0, "slash", 2))
    high = given(*MEMBER, moved(500, 995, "job_done", 0, attempt=9)).when(adjust("job_done"))
    high.then(moved(995, 1000, "job_done", 0))


def test_an_adjustment_is_made_once() -> None:
    given(*MEMBER).when(adjust("slash")).when(adjust("slash")).then_rejected("already_booked")


def test_reputation_knows_its_table_only() -> None:
    given(*MEMBER).when(adjust("charm")).then_rejected("unknown_adjustment")


def test_three_failures_in_a_row_suspend_and_slash() -> None:
    scene = given(*MEMBER).when(adjust("slash", 1)).when(adjust("failure", 2)).when(adjust("slash", 3))
    scene.then(WorkerWentOffline(worker=WORKER, reason="repeated_failures"), moved(375, 275, "slash", 3, attempt=3))
    scene.entails(
        offer(slots=0, reputation=375), (ACCOUNT, SlashStake(reason="repeated_failures", job_id=JOB, attempt=3))
    )
    seen = ReportPresence(online=True, last_seen=NOW)
    scene.when(seen).then_rejected("worker_suspended")
    scene.when(adjust("slash", 4)).then(moved(275, 175, "slash", 4, attempt=4)).entails()
    scene.when(JOIN).then(JOINED).entails(offer(reputation=175))


def test_a_job_done_ends_the_run_of_failures() -> None:
    scene = given(*MEMBER).when(adjust("failure", 1)).when(adjust("failure", 2)).when(adjust("job_done", 3))
    scene.then(moved(450, 465, "job_done", 0, attempt=3))
    scene.when(adjust("failure", 4)).then(moved(465, 440, "failure", 1, attempt=4))


@pytest.mark.parametrize("anew", [(JOIN,), (DepartWorker(), JOIN)])
def test_registering_anew_does_not_end_the_run_of_failures(anew: Any) -> None:
    scene = given(*MEMBER).when(adjust("failure", 1)).when(adjust("failure", 2))
    for body in anew:
        scene.when(body)
    scene.then(JOINED).when(adjust("failure", 3))
    scene.then(WorkerWentOffline(worker=WORKER, reason="repeated_failures"), moved(450, 425, "failure", 3, attempt=3))
    slash = SlashStake(reason="repeated_failures", job_id=JOB, attempt=3)
    scene.entails(offer(slots=0, reputation=450), (ACCOUNT, slash))


@pytest.mark.parametrize("anew", [(JOIN,), (DepartWorker(), JOIN)])
def test_a_suspension_ends_the_run_that_it_punished(anew: Any) -> None:
    scene = given(*MEMBER)
    for attempt in (1, 2, 3):
        scene.when(adjust("failure", attempt))
    for body in anew:
        scene.when(body)
    scene.then(JOINED).when(adjust("failure", 4)).then(moved(425, 400, "failure", 1, attempt=4))


def test_a_departed_worker_is_not_suspended() -> None:
    gone = WorkerDeparted(worker=WORKER, reason="own_wish")
    scene = given(*MEMBER, gone, moved(500, 400, "slash", 2, attempt=8)).when(adjust("slash", 9))
    scene.then(moved(400, 300, "slash", 3, attempt=9)).entails()


def test_a_silent_worker_goes_offline_and_loses_reputation() -> None:
    scene = given(*MEMBER).when(ReportPresence(online=False, last_seen=NOW), at=NOW + MINUTE + 1)
    scene.then(AWAY, moved(500, 495, "inactivity", 0, bytes(16), 0))
    scene.entails(offer(slots=0))
    back = ReportPresence(online=True, last_seen=NOW + 2 * MINUTE)
    scene.when(back, at=NOW + 2 * MINUTE).then(WorkerReturned(worker=WORKER)).entails(offer(reputation=495))
    again = ReportPresence(online=False, last_seen=NOW + 2 * MINUTE)
    scene.when(again, at=NOW + 4 * MINUTE).then(AWAY, moved(495, 490, "inactivity", 0, bytes(16), 0))


@pytest.mark.parametrize(
    ("events", "online", "silence"),
    [
        (MEMBER, True, 0),
        (MEMBER, False, MINUTE),
        ((*MEMBER, AWAY), False, 2 * MINUTE),
        ((*MEMBER, AWAY), True, MINUTE + 1),
    ],
)
def test_a_report_that_says_nothing_new(events: Any, online: bool, silence: int) -> None:
    report = ReportPresence(online=online, last_seen=NOW)
    given(*events).when(report, at=NOW + silence).then_rejected("presence_unchanged")


def test_presence_is_for_workers() -> None:
    given(*STAKED).when(ReportPresence(online=True, last_seen=NOW)).then_rejected("not_registered")


def test_a_validator_is_told_apart_from_others() -> None:
    subject = account_subject(VALIDATORS[0])
    scene = given(wallet(VALIDATORS[0]), *BIG[1:], subject=subject).when(RegisterValidator())
    scene.then(ValidatorRegistered(validator=VALIDATORS[0], stake=10_000 * SAGE))
