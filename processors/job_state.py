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

    `spec.input` is left empty here; `rows` is what a proof of it has. `blamed`: workers that failed it or gave it back,
    oldest first; `reluctant`: those that declined it below its highest price. `declined` counts declined assignments. `cost`
    (base units), `expires_at` and `lock_until` (ms, 0 for none) belong to the attempt; `assigned_at` and `started_at` (ms, 0:
    not yet) say how long it took. `price`: a sealed price's unit for the escrow's key; `shared`: the last attempt whose
    worker was given it, at `shared_at` (ms).
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
    rows: int = 1
    lock_until: int = 0
    declined: int = 0
    reluctant: tuple[bytes, ...] = ()
    assigned_at: int = 0
    started_at: int = 0
    price: bytes = b""
    shared: int = 0
    shared_at: int = 0

    @property
    def over(self) -> bool:
        """Nothing can happen to it any more."""
        return self.status in ("completed", "failed", "cancelled")

    @property
    def held(self) -> bool:
        """A worker has it."""
        return self.status in ("assigned", "running")


#: Reasons of JobReassigned after which the worker should not get the job again: its doing, or its judgement of the job.
BLAMING = frozenset({"attempt_timeout", "worker_offline", "lock_timeout", "invalid_proof", "abandoned", "unprovable"})
DECLINED = "declined"


def _parted(state: Job, body: JobReassigned) -> Job:
    """The job without the worker, which is noted where it should not get it again, or not for the same price."""
    worker, declined = body.worker, state.declined + (body.reason == DECLINED)
    state = replace(state, declined=declined)
    if body.reason == DECLINED and state.spec is not None and state.cost < state.spec.max_cost:
        known = worker in state.reluctant
        return state if known else replace(state, reluctant=(*state.reluctant, worker))
    if body.reason not in (*BLAMING, DECLINED) or worker in state.blamed:
        return state
    return replace(state, blamed=(*state.blamed, worker))


def evolve(state: Job, body: EventBody, at: int) -> Job:
    """The job after one more of its events."""
    match body:
        case JobSubmitted(job_id=job_id, client=client, spec=spec):
            # The input is half a megabyte at most and no decider reads it: it stays in the log.
            new = Job("waiting", job_id, client, replace(spec, input=""), submitted_at=at, attempt=1)
            return replace(new, rows=body.rows, price=body.price)
        case JobAssigned():
            return replace(
                state,
                status="assigned",
                attempt=body.attempt,
                worker=body.worker,
                cost=body.cost,
                expires_at=body.expires_at,
                lock_until=body.lock_until,
                assigned_at=at,
                started_at=0,
            )
        case JobStarted():
            return replace(state, status="running", started_at=at)
        case PriceShared(attempt=attempt):
            return replace(state, shared=attempt, shared_at=at)
        case JobReassigned(next_attempt=attempt):
            open_again = _parted(state, body)
            return replace(open_again, status="waiting", attempt=attempt, worker=b"", expires_at=0, lock_until=0)
        case JobCompleted():
            return replace(state, status="completed")
        case JobFailed():
            return replace(state, status="failed", worker=b"")
        case JobCancelled():
            return replace(state, status="cancelled", worker=b"")
    return state
