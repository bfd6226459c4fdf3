"""Who fits whom: the order of domain specification, section 6, read off the market's indexes.

A worker fits a job when it does the job's type, its tier is at least the one asked for, it is attested where the job
asks for TEE, and it did not fail an earlier attempt of the job: the job goes to another worker, or waits for one.
"""

from itertools import product

from bitsage.schemas.parameters import TIERS

from .market_state import FreeKey, Market, Placement, WaitingKey, rank


def _shelves(job: Placement) -> list[tuple[str, int, bool]]:
    """The prefixes (job type, tier rank, attested) of the workers that fit, exclusion aside."""
    attested = (True,) if job.tee else (False, True)
    return [(job.job_type, r, a) for r, a in product(range(rank(job.tier), len(TIERS)), attested)]


def best_worker(market: Market, job: Placement) -> bytes | None:
    """The free worker that fits: best reputation, then least loaded, then lowest address."""
    best: FreeKey | None = None
    for shelf in _shelves(job):
        found = _first_free(market, shelf, job.excluded)
        if found is not None and (best is None or found[3:] < best[3:]):
            best = found
    return None if best is None else best[5]


def _first_free(market: Market, shelf: tuple[str, int, bool], excluded: tuple[bytes, ...]) -> FreeKey | None:
    if not excluded:
        key = market.free.ceiling(shelf)
        return key if key is not None and key[:3] == shelf else None
    for key in market.free.starting_at(shelf):
        if key[:3] != shelf:
            return None
        if key[5] not in excluded:
            return key
    return None


def best_job(market: Market, worker: bytes) -> bytes | None:
    """The waiting job for a worker with room: highest priority, then oldest, then lowest id; None without either."""
    capacity = market.capacities.get(worker)
    if capacity is None or not capacity.free:
        return None
    best: WaitingKey | None = None
    tees = (False, True) if capacity.attested else (False,)
    for shelf in product(capacity.job_types, range(rank(capacity.tier) + 1), tees):
        found = _first_waiting(market, shelf, worker)
        if found is not None and (best is None or found[3:] < best[3:]):
            best = found
    return None if best is None else best[5]


def _first_waiting(market: Market, shelf: tuple[str, int, bool], worker: bytes) -> WaitingKey | None:
    key = market.waiting.ceiling(shelf)
    if key is None or key[:3] != shelf:
        return None
    if worker not in market.placements[key[5]].excluded:
        return key
    for key in market.waiting.starting_at(shelf):
        if key[:3] != shelf:
            return None
        if worker not in market.placements[key[5]].excluded:
            return key
    return None
