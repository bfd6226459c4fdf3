"""The market, folded from the events of subject `network` in `workers`: workers, jobs and the validator set.

`capacities` and `placements` are the facts; the other maps are indexes over them, kept so that a match looks at a few
keys, never at all workers or all jobs. A worker stands on a shelf once per job type that it does.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from bitsage.schemas.events import (
    CapacityChanged,
    JobMatched,
    JobQueued,
    JobWithdrawn,
    PriceRaised,
    ValidatorSetChanged,
)
from bitsage.schemas.types import EventBody

from .low_map import Shelves
from .market_parts import Capacity, FreeKey, Placement, Shelf, WaitingKey, free_key, free_rows, shelves
from .pricing import Ramp
from .sorted_map import SortedMap


def _wait(waiting: Shelves[Shelf, WaitingKey], job_id: bytes, job: Placement) -> Shelves[Shelf, WaitingKey]:
    """`waiting` with the job at its price of now."""
    row = (-job.per_row, job.collateral)
    for shelf in shelves(job):
        waiting = waiting.set(shelf, (job.order, job_id), row)
    return waiting


@dataclass(frozen=True, slots=True)
class Market:
    """See the module's text."""

    capacities: SortedMap[bytes, Capacity] = field(default_factory=SortedMap)
    placements: SortedMap[bytes, Placement] = field(default_factory=SortedMap)
    validators: tuple[bytes, ...] = ()
    epoch: int = 0
    free: Shelves[Shelf, FreeKey] = field(default_factory=Shelves, metadata={"index": True})
    waiting: Shelves[Shelf, WaitingKey] = field(default_factory=Shelves, metadata={"index": True})

    def with_indexes(self) -> "Market":
        """The same facts with the indexes made anew (`serialise.load`)."""
        free = [
            (shelf, free_key(worker, c), row)
            for worker, c in self.capacities.items()
            if c.free
            for shelf, row in free_rows(c)
        ]
        waiting = [
            (shelf, (job.order, job_id), (-job.per_row, job.collateral))
            for job_id, job in self.placements.items()
            if not job.worker
            for shelf in shelves(job)
        ]
        return replace(self, free=Shelves(free), waiting=Shelves(waiting))


#: The last (state, event, state after it), by identity: a decision makes them, and folding what it decided needs the same ones.
_RECENT: deque[tuple[Market, EventBody, Market]] = deque(maxlen=8)


def evolve(state: Market, body: EventBody, at: int) -> Market:
    """The market after one more event."""
    for before, event, after in tuple(_RECENT):
        if before is state and event is body:
            return after
    after = _evolve(state, body)
    _RECENT.append((state, body, after))
    return after


def _evolve(state: Market, body: EventBody) -> Market:
    match body:
        case CapacityChanged():
            old = state.capacities.get(body.worker)
            return _with_capacity(state, body.worker, old, _offered(body, old))
        case JobQueued():
            return _enter(state, body.job_id, _queued(body))
        case PriceRaised(job_id=job_id, price=price):
            job = state.placements[job_id]
            return _enter(state, job_id, job.at_price(price))
        case JobMatched(job_id=job_id, worker=worker):
            job = state.placements[job_id]
            placements = state.placements.set(job_id, job.given_to(worker))
            return _with_load(_leave(state, job_id, job, placements), worker, 1, job.collateral)
        case JobWithdrawn(job_id=job_id):
            job = state.placements[job_id]
            placements = state.placements.remove(job_id)
            if job.worker:
                return _with_load(replace(state, placements=placements), job.worker, -1, -job.collateral)
            return _leave(state, job_id, job, placements)
        case ValidatorSetChanged(epoch=epoch, validators=validators):
            return replace(state, epoch=epoch, validators=tuple(validators))
    return state


def _offered(body: CapacityChanged, old: Capacity | None) -> Capacity:
    asks = dict(zip(body.job_types, body.asks or (0,) * len(body.job_types), strict=True))
    return Capacity(
        body.tier,
        body.reputation,
        body.slots,
        body.attested,
        tuple(sorted(asks)),
        0 if old is None else old.load,
        tuple(asks[kind] for kind in sorted(asks)) if body.asks else (),
        tuple(sorted(set(body.clients))),
        body.least_tier,
        body.stake,
        body.max_collateral,
        0 if old is None else old.pledged,
    )


def _queued(body: JobQueued) -> Placement:
    return Placement(
        body.attempt,
        body.job_type,
        body.tier,
        body.tee,
        body.order,
        tuple(body.excluded),
        price=body.price,
        rows=body.rows,
        client=body.client,
        ramp=Ramp(body.min_cost or body.max_cost, body.max_cost, body.ramp_start, body.ramp_ms),
        collateral=body.collateral,
        reluctant=tuple(body.reluctant),
    )


def _enter(state: Market, job_id: bytes, job: Placement) -> Market:
    placements, waiting = state.placements.set(job_id, job), _wait(state.waiting, job_id, job)
    return _moved(state, state.capacities, placements, state.free, waiting)


def _leave(state: Market, job_id: bytes, job: Placement, placements: SortedMap[bytes, Placement]) -> Market:
    waiting = state.waiting
    for shelf in shelves(job):
        waiting = waiting.remove(shelf, (job.order, job_id))
    return _moved(state, state.capacities, placements, state.free, waiting)


def _with_load(state: Market, worker: bytes, jobs: int, collateral: int) -> Market:
    old = state.capacities[worker]
    return _with_capacity(state, worker, old, old.held(jobs, collateral))


def _moved(
    state: Market,
    capacities: SortedMap[bytes, Capacity],
    placements: SortedMap[bytes, Placement],
    free: Shelves[Shelf, FreeKey],
    waiting: Shelves[Shelf, WaitingKey],
) -> Market:
    # The constructor, not `replace`: this is the hottest line of the market.
    return Market(capacities, placements, state.validators, state.epoch, free, waiting)


def _with_capacity(state: Market, worker: bytes, old: Capacity | None, fresh: Capacity) -> Market:
    free, key = state.free, free_key(worker, fresh)
    before = free_rows(old) if old is not None and old.free else []
    after = free_rows(fresh) if fresh.free else []
    if old is not None and before:
        was = free_key(worker, old)
        stays = bool(after) and [shelf for shelf, _ in before] == [shelf for shelf, _ in after]
        if stays and was != key:
            # One more job or one less: the worker keeps its shelves, and mostly its neighbours.
            for shelf, row in after:
                free = free.move(shelf, was, key, row)
            after = []
        elif not stays:
            for shelf, _ in before:
                free = free.remove(shelf, was)
    for shelf, row in after:
        free = free.set(shelf, key, row)
    gone = not fresh.slots and not fresh.load
    capacities = state.capacities.remove(worker) if gone else state.capacities.set(worker, fresh)
    return _moved(state, capacities, state.placements, free, state.waiting)
