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
from bitsage.schemas.parameters import TIERS
from bitsage.schemas.types import ZERO_HASH, EventBody

from .low_map import Row, Shelves
from .pricing import Ramp
from .refusal import SUPPLY
from .sorted_map import SortedMap

_RANK = {tier: rank for rank, tier in enumerate(TIERS)} | {"": 0}
#: The client on the shelves for any client, in both indexes.
ANYBODY = b""
#: (job type, client, tier rank, attested or needing it)
Shelf = tuple[str, bytes, int, bool]
#: (-reputation, load, worker): workers with a free slot, the best first. A worker that works for certain clients stands on
#: a shelf for each of them. Numbers: ask, least tier's rank, -(collateral it can pledge).
FreeKey = tuple[int, int, bytes]
#: (order, job id): jobs that wait, the most urgent first; each stands on the shelf for anybody and on its client's.
#: Numbers: -(price per row), collateral.
WaitingKey = tuple[int, bytes]


def rank(tier: str) -> int:
    """The tier's place, 0 being the lowest; "" (any tier) is 0.

    Raises:
        KeyError: no such tier.
    """
    return _RANK[tier]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the market may use of a worker, how many jobs it holds (`load`, which may exceed lowered `slots`), and what it has
    pledged for them (base units). `asks`: least price per row of each of `job_types`."""

    tier: str
    reputation: int
    slots: int
    attested: bool
    job_types: tuple[str, ...]
    load: int = 0
    asks: tuple[int, ...] = ()
    clients: tuple[bytes, ...] = ()
    least_tier: str = ""
    stake: int = 0
    max_collateral: int = 0
    pledged: int = 0

    @property
    def free(self) -> bool:
        """Whether it can take another job."""
        return self.load < self.slots

    @property
    def spare(self) -> int:
        """The largest collateral that it can pledge for one more job."""
        return max(0, min(self.stake - self.pledged, self.max_collateral))

    def held(self, jobs: int, collateral: int) -> "Capacity":
        """The same with so much more to do and pledged."""
        # The constructor, not `replace`: a match and an end each come through here.
        return Capacity(
            self.tier, self.reputation, self.slots, self.attested, self.job_types, self.load + jobs, self.asks,
            self.clients, self.least_tier, self.stake, self.max_collateral, self.pledged + collateral,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Placement:
    """A job in the market: waiting (`worker` is empty) or held by `worker`; `price` (base units) for `rows` proven rows.

    `excluded` workers do not get it; `reluctant` ones only at the highest price of its ramp.
    """

    attempt: int
    job_type: str
    tier: str
    tee: bool
    order: int
    excluded: tuple[bytes, ...] = ()
    worker: bytes = b""
    price: int = 0
    rows: int = 1
    client: bytes = ZERO_HASH
    ramp: Ramp = Ramp(0, 0)  # noqa: RUF009 - frozen
    collateral: int = 0
    reluctant: tuple[bytes, ...] = ()

    @property
    def per_row(self) -> int:
        """The highest ask that the price meets. A sealed price (0 here) may meet any: its worker reads it and declines."""
        return self.price // self.rows if self.price else SUPPLY

    def given_to(self, worker: bytes) -> "Placement":
        """The same, held by `worker`."""
        return self._with(worker, self.price)

    def at_price(self, price: int) -> "Placement":
        """The same at another price."""
        return self._with(self.worker, price)

    def _with(self, worker: bytes, price: int) -> "Placement":
        # The constructor, not `replace`: a raise and a match each come through here.
        return Placement(
            self.attempt, self.job_type, self.tier, self.tee, self.order, self.excluded, worker, price, self.rows,
            self.client, self.ramp, self.collateral, self.reluctant,
        )  # fmt: skip

    def is_closed_to(self, worker: bytes) -> bool:
        """Whether the worker does not get it now, for what it did with it before."""
        return worker in self.excluded or (self.price < self.ramp.high and worker in self.reluctant)


def _shelves(job: Placement) -> tuple[Shelf, ...]:
    """Where a job stands while it waits."""
    anybody = (job.job_type, ANYBODY, _RANK[job.tier], job.tee)
    return (anybody,) if job.client == ZERO_HASH else (anybody, (job.job_type, job.client, _RANK[job.tier], job.tee))


def _wait(waiting: Shelves[Shelf, WaitingKey], job_id: bytes, job: Placement) -> Shelves[Shelf, WaitingKey]:
    """`waiting` with the job at its price of now."""
    row = (-job.per_row, job.collateral)
    for shelf in _shelves(job):
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
            (shelf, _free_key(worker, c), row)
            for worker, c in self.capacities.items()
            if c.free
            for shelf, row in _free(c)
        ]
        waiting = [
            (shelf, (job.order, job_id), (-job.per_row, job.collateral))
            for job_id, job in self.placements.items()
            if not job.worker
            for shelf in _shelves(job)
        ]
        return replace(self, free=Shelves(free), waiting=Shelves(waiting))


def _free_key(worker: bytes, c: Capacity) -> FreeKey:
    return -c.reputation, c.load, worker


def _free(c: Capacity) -> list[tuple[Shelf, Row]]:
    """Where a worker with a free slot stands, and its numbers there."""
    asks = c.asks or (0,) * len(c.job_types)
    least, spare, tier = _RANK[c.least_tier], -c.spare, _RANK[c.tier]
    return [
        ((kind, client, tier, c.attested), (ask, least, spare))
        for kind, ask in zip(c.job_types, asks, strict=True)
        for client in c.clients or (ANYBODY,)
    ]


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
    for shelf in _shelves(job):
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
    free, key = state.free, _free_key(worker, fresh)
    before = _free(old) if old is not None and old.free else []
    after = _free(fresh) if fresh.free else []
    if old is not None and before:
        was = _free_key(worker, old)
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
