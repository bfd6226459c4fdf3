"""The rules of offers, one by one: ramps, asks, allow-lists, lock timeouts, declining, collaterals, ageing."""

from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.jobs import LARGE_ROWS, READING_MS
from bitsage.processors.model import NETWORK, account_subject
from bitsage.processors.pricing import Ramp, price_at, price_unit
from bitsage.schemas.commands import (
    AbandonJob,
    AdjustReputation,
    AdmitJob,
    AssignJob,
    DeclineJob,
    EnqueueJob,
    OfferCapacity,
    RaisePrice,
    RegisterWorker,
    ReleaseEscrow,
    RequestUnstake,
    ReviewStanding,
    SlashStake,
    StakeTokens,
    StartJob,
    SubmitJob,
    TimeoutElapsed,
    WithdrawJob,
)
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowReleased,
    JobAssigned,
    JobFailed,
    JobMatched,
    JobReassigned,
    JobStarted,
    JobSubmitted,
    PriceRaised,
    Slashed,
    Staked,
    TokensGranted,
    WorkerRegistered,
)
from bitsage.schemas.parameters import DAY_MS, SAGE, Parameters
from tests.processors.dsl import (
    ACCOUNT,
    CLIENT,
    COMMITMENT,
    HOUR,
    JOB,
    JOB_SUBJECT,
    NOW,
    OTHER_WORKER,
    PAYMENT_KEY,
    WORKER,
    Scene,
    given,
    spec,
    wallet,
)

PURSE = account_subject(CLIENT)
FUNDED = (wallet(CLIENT), TokensGranted(amount=20_000 * SAGE, gas_amount=0))
MINUTE = 60_000
A, B = b"\xa1" * 32, b"\xb1" * 32
J = [bytes([i]) * 16 for i in range(1, 5)]
#: From 2 to 10 SAGE in an hour, to be begun within a minute, 5 SAGE of collateral.
OFFER = {"min_cost": 2 * SAGE, "ramp_ms": HOUR, "lock_timeout_ms": MINUTE, "collateral": 5 * SAGE}


def capacity(worker: bytes, **changes: Any) -> OfferCapacity:
    fields: dict[str, Any] = {
        "tier": "workstation", "reputation": 500, "slots": 1, "attested": False, "job_types": ["matmul"],
    }  # fmt: skip
    return OfferCapacity(worker=worker, **(fields | changes))


def job(job_id: bytes = J[0], **changes: Any) -> EnqueueJob:
    fields: dict[str, Any] = {
        "attempt": 1, "job_type": "matmul", "tier": "", "tee": False, "priority": 0, "submitted_at": NOW, "excluded": [],
        "rows": 64, "client": CLIENT, "max_cost": 10 * SAGE, "min_cost": 2 * SAGE, "ramp_start": NOW, "ramp_ms": HOUR,
    }  # fmt: skip
    return EnqueueJob(job_id=job_id, **(fields | changes))


def market(*commands: Any) -> Scene:
    scene = given(subject=NETWORK)
    for command in commands:
        scene.when(command)
    return scene


def matches(scene: Scene) -> list[tuple[bytes, bytes, int]]:
    return [(e.job_id, e.worker, e.price) for e in scene.events if isinstance(e, JobMatched)]


def per_row(cost: int) -> int:
    """The ask per row that a price of `cost` just meets for the jobs of this file."""
    return cost // 64


# ---- the ramp ----


def test_the_price_is_the_minimum_until_the_ramp_starts_and_the_maximum_from_its_end_on() -> None:
    ramp, numbers = Ramp(2 * SAGE, 10 * SAGE, NOW, HOUR), Parameters()
    assert [price_at(ramp, NOW + t, numbers) for t in (-DAY_MS, 0, HOUR // 32 - 1)] == [2 * SAGE] * 3
    assert [price_at(ramp, NOW + t, numbers) for t in (HOUR, DAY_MS)] == [10 * SAGE] * 2
    assert price_at(ramp, NOW + HOUR // 2, numbers) == 6 * SAGE
    assert price_at(ramp, NOW + HOUR - 1, numbers) == 975 * SAGE // 100


def test_every_price_of_a_ramp_splits_into_whole_payment_units() -> None:
    numbers = Parameters(ramp_steps=7)
    unit = price_unit(numbers)
    ramp = Ramp(3 * unit, 1_000 * unit, 0, 99)
    prices = [price_at(ramp, t, numbers) for t in range(101)]
    assert all(price % unit == 0 for price in prices)
    assert prices == sorted(prices)
    assert len(set(prices)) == 8


def test_a_network_without_steps_has_no_ramps() -> None:
    assert price_at(Ramp(2 * SAGE, 10 * SAGE, NOW, HOUR), NOW, Parameters(ramp_steps=0)) == 10 * SAGE


def test_without_an_offer_the_price_is_the_maximum() -> None:
    scene = market(capacity(A, asks=[per_row(10 * SAGE)]), job(min_cost=0, ramp_ms=0))
    assert matches(scene) == [(J[0], A, 10 * SAGE)]


# ---- matching by price ----


def test_a_job_is_never_matched_below_the_ask_and_is_as_soon_as_the_price_meets_it() -> None:
    scene = market(capacity(A, asks=[per_row(6 * SAGE)]), job())
    assert matches(scene) == []
    early = RaisePrice(job_id=J[0], attempt=1, price=2 * SAGE)
    scene.when(early, at=NOW + HOUR // 2 - 1).then(PriceRaised(job_id=J[0], attempt=1, price=575 * SAGE // 100))
    scene.when(early, at=NOW + HOUR // 2)
    scene.then(
        PriceRaised(job_id=J[0], attempt=1, price=6 * SAGE),
        JobMatched(job_id=J[0], attempt=1, worker=A, price=6 * SAGE),
    )
    scene.entails((J[0].hex(), AssignJob(attempt=1, worker=A, cost=6 * SAGE)))


def test_an_ask_of_one_base_unit_more_per_row_is_not_met() -> None:
    assert matches(market(capacity(A, asks=[per_row(2 * SAGE) + 1]), job())) == []
    assert matches(market(capacity(A, asks=[per_row(2 * SAGE)]), job())) == [(J[0], A, 2 * SAGE)]


def test_the_best_worker_among_those_whose_ask_is_met_gets_the_job() -> None:
    dear = capacity(A, reputation=900, asks=[per_row(5 * SAGE)])
    assert matches(market(dear, capacity(B, reputation=100, asks=[1]), job())) == [(J[0], B, 2 * SAGE)]


def test_a_lowered_ask_is_matched_at_once() -> None:
    scene = market(capacity(A, asks=[per_row(5 * SAGE)]), job())
    assert matches(scene.when(capacity(A, asks=[per_row(SAGE)]))) == [(J[0], A, 2 * SAGE)]


def test_a_free_worker_passes_over_what_pays_too_little() -> None:
    scene = market(job(J[0], priority=9), job(J[1], min_cost=0, ramp_ms=0))
    assert matches(scene.when(capacity(A, asks=[per_row(4 * SAGE)]))) == [(J[1], A, 10 * SAGE)]


def test_asks_are_by_job_type() -> None:
    scene = market(
        capacity(A, job_types=["vm", "matmul"], asks=[0, per_row(9 * SAGE)]), job(J[0]), job(J[1], job_type="vm")
    )
    assert matches(scene) == [(J[1], A, 2 * SAGE)]


@pytest.mark.parametrize("at", [NOW, NOW + HOUR // 32 - 1])
def test_a_raise_before_its_time_is_refused(at: int) -> None:
    scene = market(job())
    scene.when(RaisePrice(job_id=J[0], attempt=1, price=3 * SAGE), at=at).then_rejected("not_due")


def test_a_raise_of_what_does_not_wait_is_refused() -> None:
    raised = RaisePrice(job_id=J[0], attempt=1, price=0)
    market().when(raised).then_rejected("not_in_market")
    scene = market(job(attempt=2))
    scene.when(raised, at=NOW + HOUR).then_rejected("not_in_market")
    scene = market(capacity(A), job())
    scene.when(raised, at=NOW + HOUR).then_rejected("not_due")
    scene = market(job()).when(raised, at=NOW + HOUR)
    scene.when(raised, at=NOW + DAY_MS).then_rejected("not_due")


# ---- whom a worker works for ----


def test_a_worker_with_an_allow_list_works_for_those_clients_only() -> None:
    stranger = b"\x0d" * 32
    scene = market(capacity(A, slots=4, clients=[CLIENT, b"\x0e" * 32]), job(J[0], client=stranger), job(J[1]))
    assert matches(scene) == [(J[1], A, 2 * SAGE)]
    scene = market(job(J[0], client=stranger, priority=9), job(J[1])).when(capacity(A, slots=4, clients=[CLIENT]))
    assert matches(scene) == [(J[1], A, 2 * SAGE)]


@pytest.mark.parametrize(("asked", "fits"), [("", False), ("consumer", False), ("workstation", True)])
@pytest.mark.parametrize("worker_first", [True, False])
def test_a_worker_takes_jobs_of_its_least_tier_and_above(asked: str, fits: bool, worker_first: bool) -> None:
    commands = [capacity(A, least_tier="workstation"), job(tier=asked)]
    assert bool(matches(market(*(commands if worker_first else commands[::-1])))) is fits


def test_the_market_refuses_a_capacity_that_makes_no_sense() -> None:
    market().when(capacity(A, least_tier="quantum")).then_rejected("unknown_tier")
    market().when(capacity(A, asks=[1, 2])).then_rejected("asks_invalid")


# ---- collateral ----


@pytest.mark.parametrize(
    ("worker", "fits"),
    [
        ({"stake": 5 * SAGE, "max_collateral": 5 * SAGE}, True),
        ({"stake": 5 * SAGE - 1, "max_collateral": 9 * SAGE}, False),
        ({"stake": 9 * SAGE, "max_collateral": 5 * SAGE - 1}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("worker_first", [True, False])
def test_a_collateral_has_to_be_covered_by_stake_and_policy(
    worker: dict[str, int], fits: bool, worker_first: bool
) -> None:
    commands = [capacity(A, **worker), job(collateral=5 * SAGE)]
    assert bool(matches(market(*(commands if worker_first else commands[::-1])))) is fits


def test_stake_is_pledged_once_and_free_again_when_the_attempt_is_over() -> None:
    rich = capacity(A, slots=4, stake=9 * SAGE, max_collateral=5 * SAGE)
    scene = market(rich, job(J[0], collateral=5 * SAGE), job(J[1], collateral=5 * SAGE), job(J[2]))
    assert matches(scene) == [(J[2], A, 2 * SAGE)]
    scene.when(WithdrawJob(job_id=J[0], attempt=1))
    assert matches(scene) == [(J[1], A, 2 * SAGE)]
    assert scene.states.state("workers").capacities[A].pledged == 5 * SAGE


# ---- ageing ----


def test_a_step_of_priority_is_worth_a_minute_of_waiting() -> None:
    urgent, old = job(J[0], priority=2, submitted_at=NOW), job(J[1], submitted_at=NOW - 2 * MINUTE)
    scene = market(urgent, old, capacity(A, slots=4))
    assert [found for found, _, _ in matches(scene)] == J[:2]
    scene = market(urgent, replace(old, submitted_at=NOW - 2 * MINUTE - 1), capacity(A, slots=4))
    assert [found for found, _, _ in matches(scene)] == [J[1], J[0]]


def test_nothing_starves_a_flood_of_urgent_jobs_overtakes_for_ten_minutes_only() -> None:
    scene, served = market(capacity(A), job(J[0], job_type="matmul")), []
    scene.when(job(J[1], priority=0, submitted_at=NOW))
    held = J[0]
    for n in range(40):
        now = NOW + n * MINUTE // 2
        urgent = job(bytes([100 + n]) * 16, priority=10, submitted_at=now)
        scene.when(urgent, at=now).when(WithdrawJob(job_id=held, attempt=1), at=now)
        (held,) = [found for found, _, _ in matches(scene)]
        served.append(held)
    assert served.index(J[1]) == 20


# ---- admission ----


def submit(**changes: Any) -> SubmitJob:
    return SubmitJob(spec=spec(**changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"min_cost": SAGE}, "offer_incomplete"),
        ({"ramp_ms": HOUR}, "offer_incomplete"),
        ({"ramp_start": NOW}, "offer_incomplete"),
        ({"min_cost": 11 * SAGE, "ramp_ms": HOUR}, "min_cost_too_high"),
        ({"min_cost": SAGE + 1, "ramp_ms": HOUR}, "cost_not_divisible"),
        ({"min_cost": SAGE, "ramp_ms": DAY_MS + 1}, "ramp_too_long"),
        ({"min_cost": SAGE, "ramp_ms": HOUR, "ramp_start": NOW + DAY_MS}, "ramp_too_long"),
        ({"min_cost": SAGE, "ramp_ms": HOUR, "ramp_start": NOW - DAY_MS}, "ramp_too_long"),
        ({"min_cost": -SAGE, "ramp_ms": HOUR}, "malformed"),
        ({"min_cost": SAGE, "ramp_ms": -1}, "malformed"),
        ({"min_cost": SAGE, "ramp_ms": HOUR, "ramp_start": -1}, "malformed"),
        ({"collateral": -1}, "malformed"),
        ({"collateral": 10 * SAGE + 1}, "collateral_too_large"),
        ({"lock_timeout_ms": 4_999}, "lock_timeout_out_of_range"),
        ({"lock_timeout_ms": -1}, "lock_timeout_out_of_range"),
        ({"lock_timeout_ms": HOUR + 1}, "lock_timeout_out_of_range"),
    ],
)
def test_an_offer_that_is_refused(changes: dict[str, int], reason: str) -> None:
    given(*FUNDED, subject=PURSE).when(submit(**changes)).then_rejected(reason).entails()


def test_an_offers_highest_price_is_put_into_escrow_and_its_rows_are_counted() -> None:
    scene = given(*FUNDED, subject=PURSE).when(submit(**OFFER))
    (locked,) = scene.events
    assert isinstance(locked, EscrowLocked)
    assert locked.amount == 10 * SAGE
    scene.entails((locked.job_id.hex(), AdmitJob(client=CLIENT, spec=spec(**OFFER), rows=64)))


# ---- the price that was agreed ----

SUBMITTED = JobSubmitted(job_id=JOB, client=CLIENT, spec=spec(**OFFER), rows=64)


def assigned(attempt: int = 1, worker: bytes = WORKER, cost: int = 4 * SAGE, **changes: int) -> JobAssigned:
    times = {"expires_at": NOW + HOUR, "lock_until": NOW + MINUTE} | changes
    return JobAssigned(job_id=JOB, attempt=attempt, worker=worker, cost=cost, **times)


def test_an_assignment_carries_the_agreed_price_and_the_lock_time() -> None:
    scene = given(SUBMITTED, subject=JOB_SUBJECT).when(AssignJob(attempt=1, worker=WORKER, cost=4 * SAGE))
    scene.then(assigned())


def test_an_assignment_above_the_highest_price_is_refused() -> None:
    scene = given(SUBMITTED, subject=JOB_SUBJECT)
    scene.when(AssignJob(attempt=1, worker=WORKER, cost=10 * SAGE + 1)).then_rejected("amount_out_of_range")


def test_the_agreed_price_is_paid_and_the_rest_refunded_exactly() -> None:
    locked = EscrowLocked(job_id=JOB, amount=10 * SAGE)
    release = ReleaseEscrow(job_id=JOB, worker=WORKER, cost=4 * SAGE, proof_commitment=COMMITMENT, payment_nonce=1)
    (event,) = given(*FUNDED, locked, subject=PURSE).when(release).events
    assert isinstance(event, EscrowReleased)
    assert event.worker_amount == 32 * SAGE // 10
    assert event.worker_amount + event.protocol_amount == 4 * SAGE
    assert event.refund == 6 * SAGE


# ---- locking, declining ----


def test_a_worker_declines_in_the_lock_time_without_penalty() -> None:
    scene = given(SUBMITTED, assigned(), subject=JOB_SUBJECT)
    scene.when(DeclineJob(attempt=1, reason="price"), by=WORKER, at=NOW + MINUTE - 1)
    scene.then(JobReassigned(job_id=JOB, worker=WORKER, next_attempt=2, reason="declined"))
    again = scene.entailed[1][1]
    assert scene.entailed[0] == (NETWORK, WithdrawJob(job_id=JOB, attempt=1))
    assert isinstance(again, EnqueueJob)
    assert (again.attempt, again.excluded, again.reluctant) == (2, [], [WORKER])
    assert len(scene.entailed) == 2


def test_who_declined_gets_the_job_again_at_its_highest_price_only() -> None:
    scene = market(capacity(WORKER), job(reluctant=[WORKER]))
    assert matches(scene) == []
    raised = RaisePrice(job_id=J[0], attempt=1, price=0)
    assert matches(scene.when(raised, at=NOW + HOUR - 1)) == []
    assert matches(scene.when(raised, at=NOW + HOUR)) == [(J[0], WORKER, 10 * SAGE)]


def test_who_declined_the_highest_price_never_gets_the_job_again() -> None:
    scene = given(SUBMITTED, assigned(cost=10 * SAGE), subject=JOB_SUBJECT)
    scene.when(DeclineJob(attempt=1, reason="price"), by=WORKER)
    assert scene.states.state("jobs").blamed == (WORKER,)
    assert scene.entailed[-1][1].excluded == [WORKER]


@pytest.mark.parametrize(
    ("past", "at"),
    [((assigned(),), NOW + MINUTE), ((assigned(), JobStarted(job_id=JOB, attempt=1, worker=WORKER)), NOW)],
)
def test_declining_after_the_lock_time_or_the_start_is_giving_it_back(past: tuple[Any, ...], at: int) -> None:
    scene = given(SUBMITTED, *past, subject=JOB_SUBJECT)
    scene.when(DeclineJob(attempt=1, reason="price"), by=WORKER, at=at)
    assert scene.events[0].reason == "abandoned"
    assert scene.entailed[0] == (ACCOUNT, AdjustReputation(reason="failure", job_id=JOB, attempt=1))


def test_a_job_without_a_lock_time_cannot_be_declined_for_nothing() -> None:
    scene = given(SUBMITTED, assigned(lock_until=0), subject=JOB_SUBJECT)
    scene.when(DeclineJob(attempt=1, reason="price"), by=WORKER)
    assert scene.events[0].reason == "abandoned"


@pytest.mark.parametrize(
    ("rows", "late", "reason"),
    [
        (LARGE_ROWS + 1, READING_MS - 1, "declined"),
        (LARGE_ROWS + 1, READING_MS, "abandoned"),
        (LARGE_ROWS, 0, "abandoned"),
    ],
)
def test_a_job_of_more_rows_than_any_worker_has_to_prove_is_declined_at_once_or_not_for_nothing(
    rows: int, late: int, reason: str
) -> None:
    scene = given(replace(SUBMITTED, rows=rows), assigned(lock_until=0), subject=JOB_SUBJECT)
    scene.when(DeclineJob(attempt=1, reason="rows"), by=WORKER, at=NOW + late)
    assert [event.reason for event in scene.events] == [reason]
    assert scene.states.state("jobs").declined == (reason == "declined")


def test_a_large_job_that_was_begun_or_has_a_lock_time_is_declined_as_any_other() -> None:
    large = replace(SUBMITTED, rows=LARGE_ROWS + 1)
    begun = given(large, assigned(lock_until=0), subject=JOB_SUBJECT).when(StartJob(attempt=1), by=WORKER)
    begun.when(DeclineJob(attempt=1, reason="rows"), by=WORKER)
    locked = given(large, assigned(lock_until=NOW + 10), subject=JOB_SUBJECT)
    locked.when(DeclineJob(attempt=1, reason="rows"), by=WORKER, at=NOW + 10)
    assert [scene.events[0].reason for scene in (begun, locked)] == ["abandoned"] * 2


def test_only_the_assigned_worker_declines() -> None:
    scene = given(SUBMITTED, assigned(), subject=JOB_SUBJECT)
    scene.when(DeclineJob(attempt=1, reason="price"), by=OTHER_WORKER).then_rejected("not_assigned")
    scene.when(DeclineJob(attempt=2, reason="price"), by=WORKER).then_rejected("wrong_attempt")


def test_declining_uses_up_no_attempt_until_it_was_done_often() -> None:
    scene = given(SUBMITTED, subject=JOB_SUBJECT)
    for attempt in range(1, 11):
        worker = bytes([attempt]) * 32
        scene.when(AssignJob(attempt=attempt, worker=worker, cost=4 * SAGE))
        scene.when(DeclineJob(attempt=attempt, reason="price"), by=worker)
        assert isinstance(scene.events[0], JobReassigned), attempt
    scene.when(AssignJob(attempt=11, worker=WORKER, cost=4 * SAGE))
    scene.when(DeclineJob(attempt=11, reason="price"), by=WORKER)
    scene.then(JobFailed(job_id=JOB, reason="declined", worker=WORKER))


def test_three_failed_attempts_end_a_job_that_was_declined_before() -> None:
    scene = given(SUBMITTED, subject=JOB_SUBJECT)
    scene.when(AssignJob(attempt=1, worker=b"\x01" * 32, cost=4 * SAGE))
    scene.when(DeclineJob(attempt=1, reason="price"), by=b"\x01" * 32)
    for attempt in (2, 3, 4):
        worker = bytes([attempt]) * 32
        scene.when(AssignJob(attempt=attempt, worker=worker, cost=4 * SAGE))
        scene.when(AbandonJob(attempt=attempt, reason="tired"), by=worker)
    assert isinstance(scene.events[0], JobFailed)


def test_a_lock_that_runs_out_costs_the_collateral_and_no_more() -> None:
    scene = given(SUBMITTED, assigned(), subject=JOB_SUBJECT)
    elapsed = TimeoutElapsed(kind="lock", attempt=1)
    scene.when(elapsed, at=NOW + MINUTE - 1).then_rejected("not_due")
    scene.when(elapsed, at=NOW + MINUTE)
    scene.then(JobReassigned(job_id=JOB, worker=WORKER, next_attempt=2, reason="lock_timeout"))
    slash = SlashStake(reason="lock_timeout", job_id=JOB, attempt=1, collateral=5 * SAGE)
    assert scene.entailed[:2] == [
        (ACCOUNT, slash),
        (ACCOUNT, AdjustReputation(reason="lock_timeout", job_id=JOB, attempt=1)),
    ]
    assert scene.entailed[-1][1].excluded == [WORKER]
    staked = (wallet(), TokensGranted(amount=20_000 * SAGE, gas_amount=0), STAKE)
    (taken,) = given(*staked).when(slash).events
    assert isinstance(taken, Slashed)
    assert taken.amount == 5 * SAGE


def test_a_lock_without_collateral_that_runs_out_takes_no_stake() -> None:
    plain = replace(SUBMITTED, spec=spec(lock_timeout_ms=MINUTE))
    scene = given(plain, assigned(), subject=JOB_SUBJECT).when(TimeoutElapsed(kind="lock", attempt=1), at=NOW + MINUTE)
    assert not [body for _, body in scene.entailed if isinstance(body, SlashStake)]


def test_a_worker_that_began_in_time_keeps_the_job() -> None:
    scene = given(SUBMITTED, assigned(), subject=JOB_SUBJECT).when(StartJob(attempt=1), by=WORKER)
    scene.when(TimeoutElapsed(kind="lock", attempt=1), at=NOW + HOUR - 1).then_rejected("not_due")


def test_a_lock_that_the_deadline_cuts_short_blames_nobody() -> None:
    scene = given(SUBMITTED, assigned(lock_until=NOW + DAY_MS, expires_at=NOW + DAY_MS), subject=JOB_SUBJECT)
    scene.when(TimeoutElapsed(kind="lock", attempt=1), at=NOW + DAY_MS)
    scene.then(JobFailed(job_id=JOB, reason="deadline_passed", worker=WORKER))
    assert not [body for _, body in scene.entailed if isinstance(body, SlashStake)]


STAKE = Staked(amount=1_000 * SAGE, total=1_000 * SAGE, tier="consumer")


@pytest.mark.parametrize(
    ("reason", "collateral", "taken"),
    [
        ("timeout", 0, 50), ("timeout", 49, 50), ("timeout", 51, 51), ("timeout", 2_000, 1_000),
        ("invalid_proof", 99, 100), ("invalid_proof", 300, 300),
    ],
)  # fmt: skip
def test_a_slash_takes_the_collateral_at_least_and_the_stake_at_most(reason: str, collateral: int, taken: int) -> None:
    scene = given(wallet(), TokensGranted(amount=20_000 * SAGE, gas_amount=0), STAKE)
    body = SlashStake(reason=reason, job_id=JOB, attempt=1, collateral=collateral * SAGE)
    (event,) = scene.when(body).events
    assert isinstance(event, Slashed)
    assert event.amount == taken * SAGE
    assert event.reporter_amount + event.burnt + event.treasury == event.amount


def test_a_timeout_of_an_attempt_pledges_the_jobs_collateral() -> None:
    scene = given(SUBMITTED, assigned(), subject=JOB_SUBJECT).when(
        TimeoutElapsed(kind="attempt", attempt=1), at=NOW + HOUR
    )
    assert scene.entailed[0][1] == SlashStake(reason="timeout", job_id=JOB, attempt=1, collateral=5 * SAGE)


# ---- who may be scheduled ----

JOIN = RegisterWorker(
    tier="consumer",
    gpu_model="T4",
    payment_key=PAYMENT_KEY,
    key_proof=b"knows " + PAYMENT_KEY + WORKER,
    job_types=["vm", "matmul"],
    slots=2,
    asks=[2, 1],
    clients=[B, A],
    least_tier="consumer",
    max_collateral=SAGE,
)
MEMBER = WorkerRegistered(
    worker=WORKER,
    tier="consumer",
    gpu_model="T4",
    stake=1_000 * SAGE,
    payment_key=PAYMENT_KEY,
    job_types=["matmul", "vm"],
    slots=2,
    attested=False,
    asks=[1, 2],
    clients=[A, B],
    least_tier="consumer",
    max_collateral=SAGE,
)
FOUNDED = (wallet(), TokensGranted(amount=20_000 * SAGE, gas_amount=0), STAKE)


def offered(slots: int, stake: int) -> tuple[str, OfferCapacity]:
    return NETWORK, capacity(
        WORKER, tier="consumer", slots=slots, job_types=["matmul", "vm"], asks=[1, 2], clients=[A, B],
        least_tier="consumer", max_collateral=SAGE, stake=stake * SAGE,
    )  # fmt: skip


def test_a_bidding_policy_is_registered_and_offered_to_the_market() -> None:
    given(*FOUNDED).when(JOIN).then(MEMBER).entails(offered(2, 1_000))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"asks": [1]}, "asks_invalid"),
        ({"asks": [1, -1]}, "asks_invalid"),
        ({"asks": [1, 10**28]}, "asks_invalid"),
        ({"asks": [1, 2], "job_types": ["vm", "vm"]}, "asks_invalid"),
        ({"max_collateral": -1}, "asks_invalid"),
        ({"clients": [A, A]}, "clients_invalid"),
        ({"clients": [bytes([i]) * 32 for i in range(9)]}, "clients_invalid"),
        ({"least_tier": "quantum"}, "unknown_tier"),
        ({"least_tier": "workstation"}, "least_tier_too_high"),
    ],
)
def test_a_bidding_policy_that_is_refused(changes: dict[str, Any], reason: str) -> None:
    given(*FOUNDED).when(replace(JOIN, **changes)).then_rejected(reason).entails()


def test_an_unstaking_worker_leaves_scheduling_at_once() -> None:
    scene = given(*FOUNDED, MEMBER).when(RequestUnstake(amount=1))
    assert scene.entailed == [
        (ACCOUNT, ReviewStanding(reason="unstake")),
        (NETWORK, replace(offered(0, 1_000)[1], stake=1_000 * SAGE - 1)),
    ]


def test_a_worker_slashed_below_the_minimum_leaves_scheduling_at_once() -> None:
    scene = given(*FOUNDED, MEMBER).when(SlashStake(reason="timeout", job_id=JOB, attempt=1))
    assert scene.entailed[-1] == offered(0, 950)


def test_an_unstaking_worker_above_the_minimum_keeps_its_place_with_less_to_pledge() -> None:
    more = Staked(amount=1_000 * SAGE, total=2_000 * SAGE, tier="consumer")
    scene = given(*FOUNDED, more, MEMBER).when(RequestUnstake(amount=500 * SAGE))
    assert scene.entailed[-1] == offered(2, 1_500)


def test_more_stake_is_more_to_pledge() -> None:
    scene = given(*FOUNDED, MEMBER).when(StakeTokens(amount=SAGE, tier="consumer"))
    scene.entails(offered(2, 1_001))


def test_the_stake_of_somebody_who_is_no_worker_concerns_no_market() -> None:
    given(*FOUNDED).when(StakeTokens(amount=SAGE, tier="consumer")).entails()
