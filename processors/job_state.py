"""One job, folded from its events in `jobs`."""

from dataclasses import dataclass, replace
from typing import Literal

from bitsage.schemas.events import (
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobReassigned,
    JobSpec,
    JobStarted,
    JobSubmitted,
)
from bitsage.schemas.hidden_events import PriceShared
from bitsage.schemas.types import EventBody

Status = Literal["unknown", "waiting", "assigned", "running", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """`attempt` (from 1) is the one going on, waited for, or last; `worker` holds it while assigned or running.

    `spec.input` is left empty here. `blamed`: workers that failed it or gave it back, oldest first. `cost` (base units) and
    `expires_at` (ms) belong to the attempt. `price`: a sealed price's unit for the escrow's key; `shared`: the last attempt
    whose worker was given it.
    """

    status: Status = "unknown"
    job_id: bytes = b""
    client: bytes = b""
    spec: JobSpec | None = None
    submitted_at: int = 0
    attempt: int = 0
    worker: bytes = b""
    cost: int = 0
    expires_at: int = 0
    blamed: tuple[bytes, ...] = ()
    price: bytes = b""
    shared: int = 0

    @property
    def over(self) -> bool:
        """Nothing can happen to it any more."""
        return self.status in ("completed", "failed", "cancelled")

    @property
    def held(self) -> bool:
        """A worker has it."""
        return self.status in ("assigned", "running")


#: Reasons of JobReassigned after which the worker should not get the job again: its doing, or its judgement of the job.
BLAMING = frozenset({"attempt_timeout", "worker_offline", "invalid_proof", "abandoned", "unprovable"})


def evolve(state: Job, body: EventBody, at: int) -> Job:
    """The job after one more of its events."""
    match body:
        case JobSubmitted(job_id=job_id, client=client, spec=spec, price=price):
            # The input is half a megabyte at most and no decider reads it: it stays in the log.
            return Job("waiting", job_id, client, replace(spec, input=""), submitted_at=at, attempt=1, price=price)
        case JobAssigned(attempt=attempt, worker=worker, cost=cost, expires_at=expires_at):
            return replace(state, status="assigned", attempt=attempt, worker=worker, cost=cost, expires_at=expires_at)
        case JobStarted():
            return replace(state, status="running")
        case PriceShared(attempt=attempt):
            return replace(state, shared=attempt)
        case JobReassigned(worker=worker, next_attempt=attempt, reason=reason):
            blamed = state.blamed
            if reason in BLAMING and worker not in blamed:
                blamed = (*blamed, worker)
            return replace(state, status="waiting", attempt=attempt, worker=b"", expires_at=0, blamed=blamed)
        case JobCompleted():
            return replace(state, status="completed")
        case JobFailed():
            return replace(state, status="failed", worker=b"")
        case JobCancelled():
            return replace(state, status="cancelled", worker=b"")
    return state
