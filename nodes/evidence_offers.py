"""What a slash for a lock time or for a benchmark has to follow from: rows of `evidence_rules`."""

from collections.abc import Callable, Sequence

from bitsage.processors.benchmark_state import slower
from bitsage.processors.model import account_subject
from bitsage.schemas.events import (
    BenchmarkDoubted,
    JobAssigned,
    JobFailed,
    JobReassigned,
    JobStarted,
    JobSubmitted,
    RateMeasured,
    Slashed,
    WorkerRegistered,
)
from bitsage.schemas.types import EventBody, EventEnvelope

from .network import Network

Events = Sequence[tuple[EventEnvelope, EventBody]]
_OF_THE_JOB = (JobSubmitted, JobAssigned, JobStarted, JobReassigned, JobFailed)
_OF_THE_WORKER = (WorkerRegistered, RateMeasured, BenchmarkDoubted)


def needs(accused: str, slash: Slashed, subject: str, body: EventBody) -> bool:
    """Whether an event that is no Slashed belongs to such a case."""
    if slash.reason == "lock_timeout":
        return isinstance(body, _OF_THE_JOB) and body.job_id == slash.job_id
    return subject == accused and isinstance(body, _OF_THE_WORKER)


def _lock_timeout(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    spec, held, begun, over = None, [], False, False
    for envelope, body in events:
        if getattr(body, "job_id", b"") != slash.job_id:
            continue
        match body:
            case JobSubmitted():
                spec = body.spec
            case JobAssigned() if body.attempt == slash.attempt:
                held.append(body)
            case JobStarted():
                begun |= body.attempt == slash.attempt
            case JobReassigned() | JobFailed() if body.reason == "lock_timeout" and held:
                followed = not isinstance(body, JobReassigned) or body.next_attempt == slash.attempt + 1
                over |= followed and body.worker == held[0].worker and envelope.at >= held[0].lock_until
    if spec is None or len(held) != 1 or account_subject(held[0].worker) != accused or not held[0].lock_until:
        return ["the attempt was not the accused's, or had no lock time"]
    wrong = ["the worker had begun"] if begun else []
    if not over:
        wrong.append("the attempt did not end by its lock time")
    if not network.parameters.slash_percent["lock_timeout"] and slash.amount > spec.collateral:
        wrong.append("more than the collateral was taken")
    return wrong


def _benchmark_fraud(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    mine = sorted((e for e in events if e[0].subject == accused), key=lambda e: e[0].sequence)
    told: set[str] = set()
    signed: tuple[str, int, int] | None = None
    upheld: set[tuple[str, int, int]] = set()
    rates: dict[bytes, RateMeasured] = {}
    for _, body in mine:
        match body:
            case WorkerRegistered():
                claims = ((c.job_type, c.rows, c.ms) for c in body.benchmarks)
                # Upheld against a doubt: the network had voided a benchmark of that type before.
                upheld = {claim for claim in claims if claim[0] in body.insisted and claim[0] in told}
            case RateMeasured():
                rates[body.job_id] = body
            case BenchmarkDoubted() if (body.job_id, body.attempt) == (slash.job_id, slash.attempt):
                signed = (body.job_type, body.claim_rows, body.claim_ms)
                return _slow(body, rates, network) + ([] if signed in upheld else ["the accused did not insist on it"])
            case BenchmarkDoubted():
                told.add(body.job_type)
    return ["no benchmark of the accused was voided by this attempt"]


def _slow(doubt: BenchmarkDoubted, rates: dict[bytes, RateMeasured], network: Network) -> list[str]:
    claim = (doubt.claim_rows, doubt.claim_ms, max(1, network.parameters.benchmark_factor))
    found = [rates.get(job_id) for job_id in doubt.jobs]
    slow = all(r is not None and r.counted and r.job_type == doubt.job_type and slower(r.rows, r.elapsed_ms, *claim)
               for r in found)  # fmt: skip
    enough = len(set(doubt.jobs)) == len(doubt.jobs) >= max(1, network.parameters.benchmark_jobs)
    return [] if slow and enough and doubt.insisted else ["too few jobs contradict the benchmark"]


RULES: dict[str, Callable[[str, Slashed, Events, Network], list[str]]] = {
    "lock_timeout": _lock_timeout,
    "benchmark_fraud": _benchmark_fraud,
}
