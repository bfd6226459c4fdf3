"""Benchmarks: claims, measures, doubts, and the one way in which a claim costs stake."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as such_that
from hypothesis import settings
from hypothesis import strategies as st

from bitsage.processors.benchmark_state import slower
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import AdjustReputation, AdmitJob, RegisterWorker, SettleAttempt, SlashStake
from bitsage.schemas.events import (
    Benchmark,
    BenchmarkDoubted,
    JobAssigned,
    JobStarted,
    JobSubmitted,
    ProofGenerated,
    RateMeasured,
    ReputationChanged,
    Slashed,
    WorkerRegistered,
)
from bitsage.schemas.parameters import SAGE, Parameters
from tests.processors.dsl import ACCOUNT, CLIENT, HASH, JOB, JOB_SUBJECT, NOW, OUTPUT, RULES, WORKER, Scene, given, spec
from tests.processors.test_workers import JOIN, JOINED, STAKED

CLAIM = Benchmark(job_type="matmul", rows=1000, ms=100)
CLAIMED = replace(JOINED, benchmarks=[CLAIM])
#: At a tenth of the claimed rate exactly, and a little below it.
FAIR, SLOW = 1000, 1001


def job(n: int) -> bytes:
    return n.to_bytes(16, "big")


def done(n: int, elapsed_ms: int, rows: int = 1000, job_type: str = "matmul") -> AdjustReputation:
    return AdjustReputation(
        reason="job_done", job_id=job(n), attempt=1, job_type=job_type, rows=rows, elapsed_ms=elapsed_ms, waited_ms=7
    )


def rate(n: int, elapsed_ms: int, run: int, *, counted: bool = True, **changes: Any) -> RateMeasured:
    body = RateMeasured(
        worker=WORKER,
        job_id=job(n),
        attempt=1,
        job_type="matmul",
        rows=1000,
        elapsed_ms=elapsed_ms,
        waited_ms=7,
        claim_rows=1000,
        claim_ms=100,
        counted=counted,
        run=run,
    )
    return replace(body, **changes)


def doubt(jobs: list[int], best_ms: int = SLOW, *, insisted: bool = False) -> BenchmarkDoubted:
    return BenchmarkDoubted(
        worker=WORKER,
        job_id=job(jobs[-1]),
        attempt=1,
        job_type="matmul",
        claim_rows=1000,
        claim_ms=100,
        best_rows=1000,
        best_ms=best_ms,
        jobs=[job(n) for n in jobs],
        insisted=insisted,
    )


def told(scene: Scene) -> list[Any]:
    """What the last command answered, reputation aside."""
    return [event for event in scene.events if not isinstance(event, ReputationChanged)]


def worked(scene: Scene, times: list[int], first: int = 1) -> Scene:
    for n, elapsed in enumerate(times, first):
        scene.when(done(n, elapsed))
    return scene


def member() -> Scene:
    return given(*STAKED, CLAIMED)


def twice_doubted() -> Scene:
    """A worker that was told, insisted, and is one slow job away from the end."""
    scene = worked(member(), [SLOW] * 5)
    scene.when(replace(JOIN, benchmarks=[CLAIM], insist=True))
    return worked(scene, [SLOW] * 4, 6)


def test_a_claim_is_registered_as_it_was_signed_in_order() -> None:
    other = Benchmark(job_type="inference", rows=5, ms=6)
    join = replace(JOIN, benchmarks=[CLAIM, other])
    given(*STAKED).when(join).then(replace(JOINED, benchmarks=[other, CLAIM]))


@pytest.mark.parametrize(
    "claims",
    [
        [CLAIM, CLAIM],
        [replace(CLAIM, job_type="vm")],
        [replace(CLAIM, rows=0)],
        [replace(CLAIM, ms=0)],
        [replace(CLAIM, rows=-1)],
        [replace(CLAIM, rows=2**40 + 1)],
        [replace(CLAIM, ms=2**40 + 1)],
    ],
)
def test_claims_that_say_nothing_are_refused(claims: list[Benchmark]) -> None:
    given(*STAKED).when(replace(JOIN, benchmarks=claims)).then_rejected("benchmarks_invalid").entails()


def test_a_job_at_a_tenth_of_the_claim_is_not_slow_and_a_slower_one_is() -> None:
    assert told(member().when(done(1, FAIR))) == [rate(1, FAIR, 0)]
    assert told(member().when(done(1, SLOW))) == [rate(1, SLOW, 1)]


def test_nothing_is_measured_without_a_claim_for_the_type_or_without_rows() -> None:
    assert told(given(*STAKED, JOINED).when(done(1, SLOW))) == []
    assert told(member().when(done(1, SLOW, job_type="inference"))) == []
    assert told(member().when(done(1, SLOW, rows=0))) == []
    assert told(member().when(replace(done(1, SLOW), reason="failure"))) == []


def test_a_job_is_measured_once() -> None:
    member().when(done(1, SLOW)).when(done(1, SLOW)).then_rejected("already_booked")


def test_five_slow_jobs_in_a_row_void_the_claim_and_cost_nothing() -> None:
    scene = worked(member(), [SLOW, SLOW + 5, SLOW, SLOW])
    assert told(scene) == [rate(4, SLOW, 4)]
    scene.when(done(5, SLOW))
    assert told(scene) == [rate(5, SLOW, 5), doubt([1, 2, 3, 4, 5])]
    assert not any(isinstance(body, SlashStake) for _, body in scene.entailed)
    assert told(scene.when(done(6, SLOW))) == [], "nothing is claimed any more"


def test_one_job_that_is_fast_enough_ends_the_run() -> None:
    scene = worked(member(), [SLOW] * 4 + [FAIR] + [SLOW] * 4)
    assert told(scene) == [rate(9, SLOW, 4)]


def test_small_jobs_neither_count_nor_end_a_run() -> None:
    scene = worked(member(), [SLOW] * 4).when(done(5, 9_000, rows=999))
    assert told(scene) == [rate(5, 9_000, 0, counted=False, rows=999)]
    assert told(scene.when(done(6, SLOW)))[1:] == [doubt([1, 2, 3, 4, 6])]


def test_registering_anew_with_the_same_claim_does_not_end_a_run() -> None:
    scene = worked(member(), [SLOW] * 4).when(JOIN).when(replace(JOIN, benchmarks=[CLAIM]))
    assert told(scene.when(done(5, SLOW)))[1:] == [doubt([1, 2, 3, 4, 5])]


def test_a_run_against_a_higher_claim_says_nothing_against_a_lower_one() -> None:
    lower = replace(CLAIM, ms=200)
    scene = worked(member(), [SLOW] * 4).when(replace(JOIN, benchmarks=[lower]))
    assert told(scene.when(done(5, 2001))) == [rate(5, 2001, 1, claim_ms=200)]


def test_after_a_doubt_the_same_claim_has_to_be_insisted_on() -> None:
    scene = worked(member(), [SLOW] * 5)
    scene.when(replace(JOIN, benchmarks=[CLAIM])).then_rejected("benchmark_doubted")
    scene.when(JOIN).then(JOINED)
    scene.when(replace(JOIN, benchmarks=[replace(CLAIM, ms=101)])).then(
        replace(JOINED, benchmarks=[replace(CLAIM, ms=101)])
    )
    scene.when(replace(JOIN, benchmarks=[CLAIM], insist=True)).then(
        replace(JOINED, benchmarks=[CLAIM], insisted=["matmul"])
    )


def test_insisting_without_a_doubt_means_nothing() -> None:
    scene = given(*STAKED).when(replace(JOIN, benchmarks=[CLAIM], insist=True)).then(CLAIMED)
    worked(scene, [SLOW] * 5)
    assert told(scene)[1:] == [doubt([1, 2, 3, 4, 5])]
    assert not any(isinstance(body, SlashStake) for _, body in scene.entailed)


def test_a_claim_that_was_insisted_on_and_is_voided_again_is_fraud() -> None:
    scene = twice_doubted().when(done(10, SLOW))
    assert told(scene)[1:] == [doubt([6, 7, 8, 9, 10], insisted=True)]
    slash = SlashStake(reason="benchmark_fraud", job_id=job(10), attempt=1)
    assert (ACCOUNT, slash) in scene.entailed
    scene.when(slash)
    assert isinstance(scene.events[0], Slashed)
    assert (scene.events[0].amount, scene.events[0].remaining) == (750 * SAGE, 250 * SAGE)
    scene.when(slash).then_rejected("already_booked")


def test_one_fast_job_saves_a_claim_that_was_insisted_on() -> None:
    scene = twice_doubted().when(done(10, FAIR)).when(done(11, SLOW))
    assert told(scene) == [rate(11, SLOW, 1)]


def test_a_doubt_gives_way_to_a_better_measure() -> None:
    scene = worked(member(), [SLOW] * 5)
    scene.when(replace(JOIN, benchmarks=[replace(CLAIM, ms=101)])).when(done(6, 500))
    scene.when(replace(JOIN, benchmarks=[replace(CLAIM, ms=50)])).then(
        replace(JOINED, benchmarks=[replace(CLAIM, ms=50)])
    )


def test_the_numbers_are_the_networks() -> None:
    def under(**changes: int) -> Scene:
        rules = replace(RULES, parameters=replace(Parameters(), **changes))
        return worked(given(*STAKED, CLAIMED, rules=rules), [SLOW] * 8)

    assert told(under(benchmark_jobs=8))[1:] == [doubt(list(range(1, 9)))]
    assert told(under(benchmark_jobs=0)) == [rate(8, SLOW, 8)]
    assert told(under(benchmark_factor=20)) == [rate(8, SLOW, 0)]
    # No factor makes a worker slow that keeps its word.
    rules = replace(RULES, parameters=replace(Parameters(), benchmark_factor=0))
    assert told(given(*STAKED, CLAIMED, rules=rules).when(done(1, 100))) == [rate(1, 100, 0)]


PROOF = ProofGenerated(
    job_id=JOB,
    attempt=1,
    worker=WORKER,
    output_hash=OUTPUT,
    public_inputs="{}",
    proof=b"p",
    proof_hash=HASH,
    proof_system="s",
    security_bits=96,
    backend="numpy",
    run_ms=1,
    prove_ms=1,
)
ASSIGNED = JobAssigned(job_id=JOB, attempt=1, worker=WORKER, cost=SAGE, expires_at=NOW + 9_000)
STARTED = JobStarted(job_id=JOB, attempt=1, worker=WORKER)
SETTLE = SettleAttempt(attempt=1, worker=WORKER, proof_hash=HASH, output_hash=OUTPUT, outcome="approved")


def settled(*events: tuple[Any, int], rows: int = 64) -> AdjustReputation:
    scene = given(JobSubmitted(job_id=JOB, client=CLIENT, spec=spec(), rows=rows), subject=JOB_SUBJECT)
    for body, at in events:
        scene.states.fold("proofs" if isinstance(body, ProofGenerated) else "jobs", body, at)
    scene.when(SETTLE, at=NOW + 99_000)
    [told] = [body for subject, body in scene.entailed if subject == account_subject(WORKER)]
    assert isinstance(told, AdjustReputation)
    return told


def test_a_job_is_admitted_with_its_rows() -> None:
    asked = spec(input='{"rows":64}')
    scene = given(subject=JOB_SUBJECT).when(AdmitJob(client=CLIENT, spec=asked, rows=64))
    scene.then(JobSubmitted(job_id=JOB, client=CLIENT, spec=asked, rows=64))


def test_the_measure_runs_from_the_start_to_the_proof_not_to_the_decision() -> None:
    told = settled((ASSIGNED, NOW), (STARTED, NOW + 30), (PROOF, NOW + 130))
    assert (told.job_type, told.rows, told.elapsed_ms, told.waited_ms) == ("matmul", 64, 100, 30)


def test_a_clock_that_was_set_back_is_in_the_workers_favour() -> None:
    told = settled((ASSIGNED, NOW), (STARTED, NOW - 30), (PROOF, NOW - 130))
    assert (told.elapsed_ms, told.waited_ms) == (1, 0)


def test_nothing_is_measured_of_a_job_without_start_or_rows() -> None:
    plain = AdjustReputation(reason="job_done", job_id=JOB, attempt=1)
    assert settled((ASSIGNED, NOW), (PROOF, NOW + 9_000)) == plain
    assert settled((ASSIGNED, NOW), (STARTED, NOW), (PROOF, NOW + 9_000), rows=0) == plain


@settings(deadline=None)
@such_that(st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 5000), st.booleans()), max_size=40))
def test_only_an_upheld_claim_costs_stake_and_only_for_jobs_that_contradict_it(
    steps: list[tuple[int, int, bool]],
) -> None:
    scene, upheld = member(), False
    claim = CLAIM
    for n, (rows, elapsed, again) in enumerate(steps, 1):
        if again:
            scene.when(replace(JOIN, benchmarks=[claim], insist=n % 2 == 0))
            answer = scene.events[0]
            upheld = answer.insisted == ["matmul"] if isinstance(answer, WorkerRegistered) else upheld
        scene.when(done(n, elapsed, rows))
        for event in scene.events:
            if isinstance(event, BenchmarkDoubted):
                assert event.insisted == upheld
                assert len(set(event.jobs)) == 5
                assert event.jobs[-1] == job(n)
                spans = [steps[int.from_bytes(one, "big") - 1] for one in event.jobs]
                assert all(r >= claim.rows and slower(r, ms, claim.rows, claim.ms, 10) for r, ms, _ in spans)
                upheld = False
        slashes = [body for _, body in scene.entailed if isinstance(body, SlashStake)]
        assert bool(slashes) == any(isinstance(e, BenchmarkDoubted) and e.insisted for e in scene.events)


def test_a_registration_is_a_command_of_the_old_form_too() -> None:
    assert RegisterWorker(tier="", gpu_model="", payment_key=b"", key_proof=b"", job_types=[], slots=1).benchmarks == []
