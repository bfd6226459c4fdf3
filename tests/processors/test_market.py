from dataclasses import replace
from typing import Any

import pytest

from bitsage.processors.model import NETWORK, account_subject
from bitsage.schemas.commands import (
    AssignJob,
    ChangeValidator,
    EnqueueJob,
    OfferCapacity,
    OpenTally,
    RequestTally,
    ReviewStanding,
    WithdrawJob,
)
from bitsage.schemas.events import (
    CapacityChanged,
    JobMatched,
    JobQueued,
    JobWithdrawn,
    TallyRequested,
    ValidatorSetChanged,
)
from bitsage.schemas.parameters import Parameters
from tests.processors.dsl import CHECKS, HASH, NOW, OUTPUT, RULES, VALIDATORS, Scene, given

A, B, C = (bytes([i]) * 32 for i in (0xA1, 0xB1, 0xC1))
J = [bytes([i]) * 16 for i in range(1, 10)]


def offer(worker: bytes, **changes: Any) -> OfferCapacity:
    fields = {"tier": "consumer", "reputation": 500, "slots": 1, "attested": False, "job_types": ["matmul"]}
    return OfferCapacity(worker=worker, **(fields | changes))


def job(job_id: bytes, **changes: Any) -> EnqueueJob:
    fields = {
        "attempt": 1,
        "job_type": "matmul",
        "tier": "",
        "tee": False,
        "priority": 0,
        "submitted_at": NOW,
        "excluded": [],
    }
    return EnqueueJob(job_id=job_id, **(fields | changes))


def market(*commands: Any) -> Scene:
    scene = given(subject=NETWORK)
    for command in commands:
        scene.when(command)
    return scene


def matches(scene: Scene) -> list[tuple[bytes, bytes]]:
    return [(e.job_id, e.worker) for e in scene.events if isinstance(e, JobMatched)]


def test_a_job_is_queued_and_matched_and_assigned() -> None:
    scene = market(offer(A), job(J[0]))
    queued = JobQueued(
        job_id=J[0],
        attempt=1,
        job_type="matmul",
        tier="",
        tee=False,
        priority=0,
        submitted_at=NOW,
        excluded=[],
        order=NOW,
    )
    scene.then(queued, JobMatched(job_id=J[0], attempt=1, worker=A))
    scene.entails((J[0].hex(), AssignJob(attempt=1, worker=A)))


def test_a_job_waits_for_a_worker() -> None:
    scene = market(job(J[0]))
    assert matches(scene) == []
    scene.when(offer(A))
    capacity = CapacityChanged(worker=A, tier="consumer", reputation=500, slots=1, attested=False, job_types=["matmul"])
    scene.then(capacity, JobMatched(job_id=J[0], attempt=1, worker=A))


def test_the_best_reputation_gets_the_job() -> None:
    assert matches(market(offer(A, reputation=500), offer(B, reputation=501), job(J[0]))) == [(J[0], B)]


def test_at_equal_reputation_the_least_loaded_gets_the_job() -> None:
    scene = market(offer(A, slots=2), offer(B, slots=2), job(J[0]))
    assert matches(scene) == [(J[0], A)]
    assert matches(scene.when(job(J[1]))) == [(J[1], B)]


def test_at_equal_load_the_lowest_address_gets_the_job() -> None:
    assert matches(market(offer(C), offer(B), offer(A), job(J[0]))) == [(J[0], A)]


def test_a_new_reputation_counts_at_once() -> None:
    scene = market(offer(A, reputation=900), offer(B, reputation=800), offer(A, reputation=700), job(J[0]))
    assert matches(scene) == [(J[0], B)]


def test_a_full_worker_takes_no_job() -> None:
    scene = market(offer(A, slots=1), job(J[0]), job(J[1]))
    assert matches(scene) == []
    scene.when(WithdrawJob(job_id=J[0], attempt=1))
    scene.then(JobWithdrawn(job_id=J[0], attempt=1, worker=A), JobMatched(job_id=J[1], attempt=1, worker=A))


def test_priority_goes_before_age_and_age_before_id() -> None:
    waiting = [
        job(J[0], submitted_at=NOW),
        job(J[1], submitted_at=NOW - 1),
        job(J[2], submitted_at=NOW, priority=5),
        job(J[3], submitted_at=NOW - 1),
    ]
    scene = market(*waiting, offer(A, slots=4))
    assert [found for found, _ in matches(scene)] == [J[2], J[1], J[3], J[0]]


def test_a_requeued_job_keeps_its_age() -> None:
    scene = market(job(J[0], submitted_at=NOW), job(J[1], submitted_at=NOW - 9, attempt=2), offer(A))
    scene.then(scene.events[0], JobMatched(job_id=J[1], attempt=2, worker=A))


@pytest.mark.parametrize(
    ("worker", "asked", "fits"),
    [
        ({"tier": "consumer"}, {"tier": "workstation"}, False),
        ({"tier": "workstation"}, {"tier": "workstation"}, True),
        ({"tier": "frontier"}, {"tier": "workstation"}, True),
        ({"attested": False}, {"tee": True}, False),
        ({"attested": True}, {"tee": True}, True),
        ({"attested": True}, {"tee": False}, True),
        ({"job_types": ["inference"]}, {}, False),
        ({"job_types": ["inference", "matmul"]}, {}, True),
        ({"slots": 0}, {}, False),
    ],
)
@pytest.mark.parametrize("worker_first", [True, False])
def test_who_fits(worker: dict[str, Any], asked: dict[str, Any], fits: bool, worker_first: bool) -> None:
    commands = [offer(A, **worker), job(J[0], **asked)]
    assert bool(matches(market(*(commands if worker_first else commands[::-1])))) is fits


def test_an_excluded_worker_is_avoided_while_another_fits() -> None:
    scene = market(offer(A, reputation=900), offer(B), job(J[0]), job(J[1], excluded=[A]))
    assert matches(scene) == [(J[1], B)]


def test_an_excluded_worker_is_avoided_even_while_the_other_is_busy() -> None:
    scene = market(offer(B), job(J[0]), offer(A), job(J[1], excluded=[A]))
    assert matches(scene) == []
    assert matches(scene.when(WithdrawJob(job_id=J[0], attempt=1))) == [(J[1], B)]


def test_an_excluded_worker_never_gets_the_job_again() -> None:
    scene = market(offer(A), offer(B, job_types=["inference"]), job(J[0], excluded=[A]))
    assert matches(scene) == []
    assert matches(scene.when(offer(A, slots=2))) == []
    assert matches(scene.when(offer(B))) == [(J[0], B)]


def test_a_free_worker_passes_over_jobs_that_exclude_it() -> None:
    scene = market(offer(B), job(J[0]), job(J[1], excluded=[A], priority=9), job(J[2]))
    assert matches(scene.when(offer(A))) == [(J[2], A)]


def test_a_worker_that_is_out_takes_no_job_and_keeps_what_it_holds() -> None:
    scene = market(offer(A, slots=2), job(J[0]), offer(A, slots=0), job(J[1]))
    assert matches(scene) == []
    assert matches(scene.when(WithdrawJob(job_id=J[0], attempt=1))) == []
    assert len(scene.states.state("workers").capacities) == 0
    assert matches(scene.when(offer(A, slots=2))) == [(J[1], A)]


def test_fewer_slots_do_not_take_jobs_away() -> None:
    scene = market(offer(A, slots=2), job(J[0]), job(J[1]), offer(A, slots=1), job(J[2]))
    assert matches(scene.when(WithdrawJob(job_id=J[0], attempt=1))) == []
    assert matches(scene.when(WithdrawJob(job_id=J[1], attempt=1))) == [(J[2], A)]


def test_a_waiting_job_is_dropped() -> None:
    scene = market(job(J[0]), WithdrawJob(job_id=J[0], attempt=1))
    scene.then(JobWithdrawn(job_id=J[0], attempt=1))
    assert matches(scene.when(offer(A))) == []


def test_an_attempt_that_the_market_does_not_hold() -> None:
    market(WithdrawJob(job_id=J[0], attempt=1)).then_rejected("not_in_market")
    scene = market(offer(A), job(J[0], attempt=2))
    scene.when(WithdrawJob(job_id=J[0], attempt=1)).then_rejected("not_in_market")
    scene.when(WithdrawJob(job_id=J[0], attempt=2)).when(WithdrawJob(job_id=J[0], attempt=2))
    scene.then_rejected("not_in_market")
    assert scene.states.state("workers").capacities[A].load == 0


def test_a_job_stands_in_the_market_once() -> None:
    market(job(J[0]), job(J[0])).then_rejected("already_in_market")
    market(offer(A), job(J[0], attempt=2), job(J[0], attempt=1)).then_rejected("already_in_market")


def test_a_later_attempt_takes_the_place_of_an_earlier_one() -> None:
    scene = market(offer(A), job(J[0]), job(J[1]), job(J[0], attempt=2))
    assert scene.events[0] == JobWithdrawn(job_id=J[0], attempt=1, worker=A)
    assert matches(scene) == [(J[0], A)]
    assert scene.states.state("workers").capacities[A].load == 1


def test_the_market_knows_its_tiers_only() -> None:
    market(offer(A, tier="quantum")).then_rejected("unknown_tier")
    market(job(J[0], tier="quantum")).then_rejected("unknown_tier")
    market(offer(A, slots=-1)).then_rejected("slots_out_of_range")


def test_validators_stand_in_ascending_order_and_epochs_count() -> None:
    scene = market(ChangeValidator(validator=B, active=True), ChangeValidator(validator=A, active=True))
    scene.then(ValidatorSetChanged(epoch=2, validators=[A, B]))
    scene.when(ChangeValidator(validator=A, active=True)).then_rejected("validator_unchanged")
    scene.when(ChangeValidator(validator=A, active=False)).then(ValidatorSetChanged(epoch=3, validators=[B]))
    scene.when(ChangeValidator(validator=A, active=False)).then_rejected("validator_unchanged")


def test_a_full_validator_set_sends_the_newcomer_away() -> None:
    rules = replace(RULES, parameters=Parameters(validators_max=1), checks=CHECKS)
    scene = given(ValidatorSetChanged(epoch=1, validators=[A]), subject=NETWORK, rules=rules)
    scene.when(ChangeValidator(validator=B, active=True)).then_rejected("validators_full")
    scene.entails((account_subject(B), ReviewStanding(reason="validators_full")))


def test_a_proof_is_judged_by_the_validators_of_the_moment() -> None:
    scene = given(ValidatorSetChanged(epoch=4, validators=VALIDATORS), subject=NETWORK)
    request = RequestTally(job_id=J[0], attempt=2, worker=A, proof_hash=HASH, output_hash=OUTPUT)
    scene.when(request).then(TallyRequested(job_id=J[0], attempt=2, proof_hash=HASH, epoch=4))
    opening = OpenTally(attempt=2, worker=A, proof_hash=HASH, output_hash=OUTPUT, validators=VALIDATORS, epoch=4)
    scene.entails((J[0].hex(), opening))
