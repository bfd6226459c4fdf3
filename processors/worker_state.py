"""One worker or validator, folded from its own events in `workers`."""

from dataclasses import dataclass, field, replace

from bitsage.schemas.events import (
    BenchmarkDoubted,
    RateMeasured,
    ReputationChanged,
    ValidatorDeparted,
    ValidatorRegistered,
    WorkerDeparted,
    WorkerRegistered,
    WorkerReturned,
    WorkerWentOffline,
)
from bitsage.schemas.types import EventBody

from .benchmark_state import Rating, with_claims, with_doubt, with_measure
from .marks import mark
from .sorted_map import SortedMap

#: `WorkerWentOffline.reason` after too many failures in a row: heartbeats alone do not bring the worker back.
REPEATED_FAILURES = "repeated_failures"


@dataclass(frozen=True, slots=True)
class Worker:
    """`registered`: a worker; `validator`: a registered validator; never both.

    `reputation` is None until it first moved; `failures` is the current run of failures; `suspended`: offline until it
    registers anew. `asks`, `clients`, `least_tier` and `max_collateral` are its bidding policy. `payment_key` stays after
    departure, for what is still to be paid. `marks`: adjustments made. `benchmarks`: what it claims of its speed and what
    was measured, by job type.
    """

    registered: bool = False
    validator: bool = False
    online: bool = False
    suspended: bool = False
    tier: str = ""
    payment_key: bytes = b""
    job_types: tuple[str, ...] = ()
    slots: int = 0
    attested: bool = False
    asks: tuple[int, ...] = ()
    clients: tuple[bytes, ...] = ()
    least_tier: str = ""
    max_collateral: int = 0
    reputation: int | None = None
    failures: int = 0
    marks: SortedMap[bytes, None] = field(default_factory=SortedMap)
    benchmarks: tuple[Rating, ...] = ()

    @property
    def active(self) -> bool:
        """Whether the market may give it jobs."""
        return self.registered and self.online


def adjustment_mark(reason: str, job_id: bytes, attempt: int) -> bytes:
    """What makes an adjustment of the reputation one adjustment."""
    return mark("reputation", reason, job_id, attempt)


def _paid_for(state: Worker) -> Worker:
    # A suspension ends the run that it punished. Nothing else does but a job done: one could register out of it.
    return replace(state, failures=0) if state.suspended else state


def evolve(state: Worker, body: EventBody, at: int) -> Worker:
    """The worker after one more of its events."""
    match body:
        case WorkerRegistered():
            joined = replace(_paid_for(state), registered=True, online=True, suspended=False)
            return replace(
                joined,
                tier=body.tier,
                payment_key=body.payment_key,
                job_types=tuple(body.job_types),
                slots=body.slots,
                attested=body.attested,
                asks=tuple(body.asks),
                clients=tuple(body.clients),
                least_tier=body.least_tier,
                max_collateral=body.max_collateral,
                benchmarks=with_claims(state.benchmarks, body.benchmarks, body.insisted),
            )
        case RateMeasured():
            return replace(state, benchmarks=with_measure(state.benchmarks, body))
        case BenchmarkDoubted():
            return replace(state, benchmarks=with_doubt(state.benchmarks, body))
        case WorkerDeparted():
            return replace(_paid_for(state), registered=False, online=False, suspended=False)
        case WorkerWentOffline(reason=reason):
            return replace(state, online=False, suspended=reason == REPEATED_FAILURES)
        case WorkerReturned():
            return replace(state, online=True)
        case ReputationChanged(after=after, failures=failures, reason=reason, job_id=job_id, attempt=attempt):
            # Inactivity belongs to no job and may come any number of times.
            known = state.marks if not attempt else state.marks.set(adjustment_mark(reason, job_id, attempt), None)
            return replace(state, reputation=after, failures=failures, marks=known)
        case ValidatorRegistered():
            return replace(state, validator=True)
        case ValidatorDeparted():
            return replace(state, validator=False)
    return state
