"""The market, folded from the events of subject `network` in `workers`: workers, jobs and the validator set.

`capacities` and `placements` are the facts; the other maps are indexes over them, kept so that a match looks at a few
keys, never at all workers or all jobs. A worker stands in an index once per job type that it does.
"""

from dataclasses import dataclass, field, replace

from bitsage.schemas.events import CapacityChanged, JobMatched, JobQueued, JobWithdrawn, ValidatorSetChanged
from bitsage.schemas.parameters import TIERS
from bitsage.schemas.types import EventBody

from .sorted_map import SortedMap

_RANK = {tier: rank for rank, tier in enumerate(TIERS)} | {"": 0}
#: (job type, tier rank, attested, -reputation, load, worker): workers with a free slot, the best first.
FreeKey = tuple[str, int, bool, int, int, bytes]
#: (job type, tier rank, attested, worker): workers that take jobs, free or not.
#: (job type, tier rank, tee, -priority, submitted at, job id): jobs that wait, the most urgent first.
WaitingKey = tuple[str, int, bool, int, int, bytes]


def rank(tier: str) -> int:
    """The tier's place, 0 being the lowest; "" (any tier) is 0.

    Raises:
        KeyError: no such tier.
    """
    return _RANK[tier]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the market may use of a worker, and how many jobs it holds (`load`, which may exceed lowered `slots`)."""

    tier: str
    reputation: int
    slots: int
    attested: bool
    job_types: tuple[str, ...]
    load: int = 0

    @property
    def free(self) -> bool:
        """Whether it can take another job."""
        return self.load < self.slots


@dataclass(frozen=True, slots=True)
class Placement:
    """A job in the market: waiting (`worker` is empty) or held by `worker`."""

    attempt: int
    job_type: str
    tier: str
    tee: bool
    priority: int
    submitted_at: int
    excluded: tuple[bytes, ...] = ()
    worker: bytes = b""


def waiting_key(job_id: bytes, job: Placement) -> WaitingKey:
    """Where a waiting job stands in its queue."""
    return (job.job_type, rank(job.tier), job.tee, -job.priority, job.submitted_at, job_id)


@dataclass(frozen=True, slots=True)
class Market:
    """See the module's text."""

    capacities: SortedMap[bytes, Capacity] = field(default_factory=SortedMap)
    placements: SortedMap[bytes, Placement] = field(default_factory=SortedMap)
    validators: tuple[bytes, ...] = ()
    epoch: int = 0
    free: SortedMap[FreeKey, None] = field(default_factory=SortedMap, metadata={"index": True})
    waiting: SortedMap[WaitingKey, None] = field(default_factory=SortedMap, metadata={"index": True})

    def with_indexes(self) -> "Market":
        """The same facts with the indexes made anew (`serialise.load`)."""
        workers = list(self.capacities.items())
        jobs = [(job_id, job) for job_id, job in self.placements.items() if not job.worker]
        return replace(
            self,
            free=SortedMap((key, None) for worker, c in workers if c.free for key in _free_keys(worker, c)),
            waiting=SortedMap((waiting_key(job_id, job), None) for job_id, job in jobs),
        )


def _free_keys(worker: bytes, c: Capacity) -> list[FreeKey]:
    return [(kind, rank(c.tier), c.attested, -c.reputation, c.load, worker) for kind in c.job_types]


def evolve(state: Market, body: EventBody, at: int) -> Market:
    """The market after one more event."""
    match body:
        case CapacityChanged():
            old = state.capacities.get(body.worker)
            load = 0 if old is None else old.load
            job_types = tuple(sorted(set(body.job_types)))
            fresh = Capacity(body.tier, body.reputation, body.slots, body.attested, job_types, load)
            return _with_capacity(state, body.worker, old, fresh)
        case JobQueued():
            job = Placement(
                body.attempt,
                body.job_type,
                body.tier,
                body.tee,
                body.priority,
                body.submitted_at,
                tuple(body.excluded),
            )
            return _enter(state, body.job_id, job)
        case JobMatched(job_id=job_id, worker=worker):
            job = state.placements[job_id]
            placements = state.placements.set(job_id, replace(job, worker=worker))
            return _with_load(_leave(state, job_id, job, placements), worker, 1)
        case JobWithdrawn(job_id=job_id):
            job = state.placements[job_id]
            placements = state.placements.remove(job_id)
            if job.worker:
                return _with_load(replace(state, placements=placements), job.worker, -1)
            return _leave(state, job_id, job, placements)
        case ValidatorSetChanged(epoch=epoch, validators=validators):
            return replace(state, epoch=epoch, validators=tuple(validators))
    return state


def _enter(state: Market, job_id: bytes, job: Placement) -> Market:
    key = waiting_key(job_id, job)
    placements = state.placements.set(job_id, job)
    waiting = state.waiting.set(key, None)
    return _moved(state, state.capacities, placements, state.free, waiting)


def _leave(state: Market, job_id: bytes, job: Placement, placements: SortedMap[bytes, Placement]) -> Market:
    key = waiting_key(job_id, job)
    waiting = state.waiting.remove(key)
    return _moved(state, state.capacities, placements, state.free, waiting)


def _with_load(state: Market, worker: bytes, change: int) -> Market:
    old = state.capacities[worker]
    fresh = Capacity(old.tier, old.reputation, old.slots, old.attested, old.job_types, old.load + change)
    return _with_capacity(state, worker, old, fresh)


def _moved(
    state: Market,
    capacities: SortedMap[bytes, Capacity],
    placements: SortedMap[bytes, Placement],
    free: SortedMap[FreeKey, None],
    waiting: SortedMap[WaitingKey, None],
) -> Market:
    # The constructor, not `replace`: this is the hottest line of the market.
    return Market(capacities, placements, state.validators, state.epoch, free, waiting)


def _with_capacity(state: Market, worker: bytes, old: Capacity | None, fresh: Capacity) -> Market:
    free = state.free
    if old is not None:
        for key in _free_keys(worker, old) if old.free else ():
            free = free.remove(key)
    for key in _free_keys(worker, fresh) if fresh.free else ():
        free = free.set(key, None)
    gone = not fresh.slots and not fresh.load
    capacities = state.capacities.remove(worker) if gone else state.capacities.set(worker, fresh)
    return _moved(state, capacities, state.placements, free, state.waiting)
