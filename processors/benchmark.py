"""Benchmarks: what a worker may claim of its speed, what a job says about the claim, and when it is void.

The measure is one that anybody can take again: the rows of the job, which its input fixes, and the broker's times of the
worker's own StartJob and SubmitProof. A slow job is no fraud: machines are loaded, networks stall. So a claim that too
many jobs in a row contradict is void and costs nothing; only a worker that was told so, and signs such a claim again with
`insist`, risks its stake, and only after as many jobs more (docs/fraud.md).
"""

from collections.abc import Iterable

from bitsage.schemas.commands import AdjustReputation, RegisterWorker
from bitsage.schemas.events import Benchmark, BenchmarkDoubted, JobCompleted, RateMeasured
from bitsage.schemas.types import EventBody

from .benchmark_state import rating_of, slower, with_measure
from .job_state import Job
from .model import Rules
from .proof_state import Proofs
from .worker_state import Worker

#: Row of the slashing table.
BENCHMARK_FRAUD = "benchmark_fraud"
#: Largest number of rows and milliseconds that is believed to be one.
ROWS_MAX = MS_MAX = 1 << 40


def refuse_benchmarks(state: Worker, body: RegisterWorker, rules: Rules) -> str | None:
    """Why a registration's benchmarks are not taken; None when they are."""
    names = [claim.job_type for claim in body.benchmarks]
    if len(set(names)) != len(names) or not set(names) <= set(body.job_types):
        return "benchmarks_invalid"
    if not all(0 < claim.rows <= ROWS_MAX and 0 < claim.ms <= MS_MAX for claim in body.benchmarks):
        return "benchmarks_invalid"
    return "benchmark_doubted" if exceeding(state, body.benchmarks, rules) and not body.insist else None


def exceeding(state: Worker, claims: Iterable[Benchmark], rules: Rules) -> list[str]:
    """The job types for which a claim is far beyond what was measured when an earlier one was voided."""
    found = []
    for claim in claims:
        known = rating_of(state.benchmarks, claim.job_type)
        if known.doubt_rows and slower(known.doubt_rows, known.doubt_ms, claim.rows, claim.ms, _factor(rules)):
            found.append(claim.job_type)
    return sorted(found)


def work_done(event: JobCompleted, job: Job, proofs: Proofs) -> AdjustReputation:
    """What the worker's record is told of an approved job; without rows when there is nothing to measure.

    Nothing is measured of an attempt whose start the worker never told: from the assignment on, its time may be spent in
    the worker's queue. Nor of one with a lock time: there StartJob accepts the job, and the job may wait behind others that
    a client put before it on purpose.
    """
    told = job.started_at and not job.lock_until
    measurable = job.rows and told and proofs.attempt == event.attempt and job.spec is not None
    if not measurable or job.spec is None:
        return AdjustReputation(reason="job_done", job_id=event.job_id, attempt=event.attempt)
    return AdjustReputation(
        reason="job_done",
        job_id=event.job_id,
        attempt=event.attempt,
        job_type=job.spec.job_type,
        rows=job.rows,
        # A broker's clock may be set back; less than a millisecond is in the worker's favour.
        elapsed_ms=max(1, proofs.at - job.started_at),
        waited_ms=max(0, job.started_at - job.assigned_at),
    )


def measured(state: Worker, done: AdjustReputation, worker: bytes, rules: Rules) -> list[EventBody]:
    """RateMeasured where the worker claims a speed for the job's type; BenchmarkDoubted when it was one too many."""
    rating = rating_of(state.benchmarks, done.job_type)
    if done.reason != "job_done" or not done.rows or not rating.claim_rows:
        return []
    claim = (rating.claim_rows, rating.claim_ms, _factor(rules))
    # Small jobs are slow by their fixed costs, which say nothing about the device.
    counted = done.rows >= rating.claim_rows
    run = 0
    if counted and slower(done.rows, done.elapsed_ms, *claim):
        # A run that a higher claim left behind counts only as far as it contradicts this one too.
        goes_on = rating.run and slower(rating.run_rows, rating.run_ms, *claim)
        run = len(rating.run) + 1 if goes_on else 1
    rate = RateMeasured(
        worker=worker,
        job_id=done.job_id,
        attempt=done.attempt,
        job_type=done.job_type,
        rows=done.rows,
        elapsed_ms=done.elapsed_ms,
        waited_ms=done.waited_ms,
        claim_rows=rating.claim_rows,
        claim_ms=rating.claim_ms,
        counted=counted,
        run=run,
    )
    if not 0 < rules.parameters.benchmark_jobs <= run:
        return [rate]
    after = rating_of(with_measure(state.benchmarks, rate), done.job_type)
    doubt = BenchmarkDoubted(
        worker=worker,
        job_id=done.job_id,
        attempt=done.attempt,
        job_type=done.job_type,
        claim_rows=rating.claim_rows,
        claim_ms=rating.claim_ms,
        best_rows=after.run_rows,
        best_ms=after.run_ms,
        jobs=list(after.run),
        insisted=rating.insisted,
    )
    return [rate, doubt]


def _factor(rules: Rules) -> int:
    return max(1, rules.parameters.benchmark_factor)
