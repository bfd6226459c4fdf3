"""Whether what was measured of a worker's speed, and what followed from it, stands in the log: rules of the audit's causes."""

from typing import TYPE_CHECKING

from bitsage.processors.benchmark_state import slower
from bitsage.processors.model import account_subject
from bitsage.schemas.events import BenchmarkDoubted, JobAssigned, JobCompleted, RateMeasured

from .audit_trails import JobTrail

if TYPE_CHECKING:
    from .audit_causes import CauseAudit


def measured(audit: "CauseAudit", trail: JobTrail, subject: str, body: RateMeasured) -> str | None:
    """RateMeasured: the rows of the job's input, and the times at which the broker had its events."""
    if not any((e.attempt, account_subject(e.worker)) == (body.attempt, subject) for _, e in trail.of(JobCompleted)):
        return "the worker did not complete the job"
    if trail.submitted is None or (body.job_type, body.rows) != (trail.submitted.spec.job_type, trail.submitted.rows):
        return "its rows are not the job's"
    if any(e.lock_until for _, e in trail.of(JobAssigned) if e.attempt == body.attempt):
        return "the start of an attempt with a lock time says nothing about its work"
    names = ("JobAssigned", "JobStarted", "ProofGenerated")
    assigned, started, proved = (trail.times.get((name, body.attempt)) for name in names)
    if assigned is None or started is None or proved is None:
        return "nothing says how long the attempt took"
    if (body.elapsed_ms, body.waited_ms) != (max(1, proved - started), max(0, started - assigned)):
        return "its times are not those of the log"
    claim, known = (body.job_type, body.claim_rows, body.claim_ms), audit.trails.benchmarks.get(subject, ())
    if not any((*claim, insisted) in known for insisted in (False, True)):
        return "the worker never registered this benchmark"
    return None if audit.once("rate", subject, body.job_id) else "it is measured twice"


def doubted(audit: "CauseAudit", trail: JobTrail, subject: str, body: BenchmarkDoubted) -> str | None:
    """BenchmarkDoubted: so many jobs, each measured and too slow for the claim."""
    parameters = audit.network.parameters
    if len(set(body.jobs)) != len(body.jobs) or len(body.jobs) < max(1, parameters.benchmark_jobs):
        return "it names too few jobs"
    if body.jobs[-1] != body.job_id:
        return "its last job is not the one that it answers"
    rates = []
    for job_id in body.jobs:
        known = audit.trails.jobs.get(job_id, JobTrail())
        rates += [e for who, e in known.of(RateMeasured) if (who, e.job_type) == (subject, body.job_type) and e.counted]
    claim = (body.claim_rows, body.claim_ms, max(1, parameters.benchmark_factor))
    if len(rates) != len(body.jobs) or not all(slower(rate.rows, rate.elapsed_ms, *claim) for rate in rates):
        return "its jobs were not all measured to be that slow"
    if any(slower(body.best_rows, body.best_ms, rate.rows, rate.elapsed_ms) for rate in rates):
        return "one of its jobs was faster than the best"
    signed = (body.job_type, body.claim_rows, body.claim_ms, body.insisted)
    if signed not in audit.trails.benchmarks.get(subject, ()):
        return "the worker did not register this benchmark so"
    return None


def is_fraud(trail: JobTrail, subject: str, attempt: int) -> bool:
    """Whether an upheld benchmark of the subject was voided by this attempt."""
    found = ((who, e.attempt, e.insisted) for who, e in trail.of(BenchmarkDoubted))
    return (subject, attempt, True) in found
