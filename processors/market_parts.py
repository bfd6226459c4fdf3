"""What the market is made of: a worker's capacity, a job's placement, and where each stands in the indexes."""

from dataclasses import dataclass

from bitsage.schemas.parameters import TIERS
from bitsage.schemas.types import ZERO_HASH

from .low_map import Row
from .pricing import Ramp
from .refusal import SUPPLY

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


def shelves(job: Placement) -> tuple[Shelf, ...]:
    """Where a job stands while it waits."""
    anybody = (job.job_type, ANYBODY, _RANK[job.tier], job.tee)
    return (anybody,) if job.client == ZERO_HASH else (anybody, (job.job_type, job.client, _RANK[job.tier], job.tee))


def free_key(worker: bytes, c: Capacity) -> FreeKey:
    """Where a worker comes among those with a free slot."""
    return -c.reputation, c.load, worker


def free_rows(c: Capacity) -> list[tuple[Shelf, Row]]:
    """Where a worker with a free slot stands, and its numbers there."""
    asks = c.asks or (0,) * len(c.job_types)
    least, spare, tier = _RANK[c.least_tier], -c.spare, _RANK[c.tier]
    return [
        ((kind, client, tier, c.attested), (ask, least, spare))
        for kind, ask in zip(c.job_types, asks, strict=True)
        for client in c.clients or (ANYBODY,)
    ]
