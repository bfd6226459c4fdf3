"""Who fits whom: the order of domain specification, section 6, read off the market's indexes.

A worker fits a job when it does the job's type, its tier is at least the one asked for, it is attested where the job
asks for TEE, it works for the job's client and for jobs of that tier, the price of now meets its ask, it can pledge the
collateral, and it did not fail an earlier attempt of the job: the job goes to another worker, or waits for one.
"""

from itertools import product

from bitsage.schemas.parameters import TIERS
from bitsage.schemas.types import ZERO_HASH

from .market_state import ANYBODY, FreeKey, Market, Placement, WaitingKey, rank


def _shelves(market: Market, job: Placement) -> list[tuple[str, bytes, int, bool]]:
    """The prefixes (job type, client, tier rank, attested) of the workers that fit, as far as keys say."""
    clients = [ANYBODY]
    if job.client != ZERO_HASH:
        # Few workers choose their clients: one look spares ten.
        key = market.free.ceiling((job.job_type, job.client))
        if key is not None and key[:2] == (job.job_type, job.client):
            clients.append(job.client)
    attested = (True,) if job.tee else (False, True)
    return [(job.job_type, *place) for place in product(clients, range(rank(job.tier), len(TIERS)), attested)]


def best_worker(market: Market, job: Placement) -> bytes | None:
    """The free worker that fits: best reputation, then least loaded, then lowest address."""
    limits = (job.per_row, rank(job.tier), -job.collateral)
    closed = bool(job.excluded or job.reluctant)
    best: FreeKey | None = None
    for shelf in _shelves(market, job):
        for key in market.free.within(shelf, limits):
            if best is not None and best[4:] < key[4:]:
                break
            if not (closed and job.is_closed_to(key[6])):
                best = key
                break
    return None if best is None else best[6]


def best_job(market: Market, worker: bytes) -> bytes | None:
    """The waiting job for a worker with room: lowest order, then lowest id; None without either."""
    capacity = market.capacities.get(worker)
    if capacity is None or not capacity.free:
        return None
    asks = dict(zip(capacity.job_types, capacity.asks, strict=True)) if capacity.asks else {}
    tiers = range(rank(capacity.least_tier), rank(capacity.tier) + 1)
    tees = (False, True) if capacity.attested else (False,)
    best: WaitingKey | None = None
    for shelf in product(capacity.job_types, capacity.clients or (ANYBODY,), tiers, tees):
        for key in market.waiting.within(shelf, (-asks.get(shelf[0], 0), capacity.spare)):
            if best is not None and best[4:] < key[4:]:
                break
            if not market.placements[key[5]].is_closed_to(worker):
                best = key
                break
    return None if best is None else best[5]
