"""Who fits whom: the order of domain specification, section 6, read off the market's indexes.

A worker fits a job when it does the job's type, its tier is at least the one asked for, it is attested where the job
asks for TEE, it works for the job's client and for jobs of that tier, the price of now meets its ask, it can pledge the
collateral, and it did not fail an earlier attempt of the job: the job goes to another worker, or waits for one.
"""

from bitsage.schemas.types import ZERO_HASH

from .market_parts import ANYBODY, FreeKey, Placement, WaitingKey, rank
from .market_state import Market


def best_worker(market: Market, job: Placement) -> bytes | None:
    """The free worker that fits: best reputation, then least loaded, then lowest address."""
    kind, limits = job.job_type, (job.per_row, rank(job.tier), -job.collateral)
    closed = bool(job.excluded or job.reluctant)
    best: FreeKey | None = None
    for client in (ANYBODY,) if job.client == ZERO_HASH else (ANYBODY, job.client):
        for (does, serves, _, attested), workers in market.free.onward((kind, client, rank(job.tier))):
            if serves != client or does != kind:
                break
            if job.tee and not attested:
                continue
            for key in workers.within(limits, best):
                if not (closed and job.is_closed_to(key[2])):
                    best = key
                    break
    return None if best is None else best[2]


def best_job(market: Market, worker: bytes) -> bytes | None:
    """The waiting job for a worker with room: lowest order, then lowest id; None without either."""
    capacity = market.capacities.get(worker)
    if capacity is None or not capacity.free:
        return None
    least, most, spare = rank(capacity.least_tier), rank(capacity.tier), capacity.spare
    best: WaitingKey | None = None
    for kind, ask in zip(capacity.job_types, capacity.asks or (0,) * len(capacity.job_types), strict=True):
        for client in capacity.clients or (ANYBODY,):
            for (wanted, asks, tier, tee), jobs in market.waiting.onward((kind, client, least)):
                if asks != client or wanted != kind or tier > most:
                    break
                if tee and not capacity.attested:
                    continue
                for key in jobs.within((-ask, spare), best):
                    if not market.placements[key[1]].is_closed_to(worker):
                        best = key
                        break
    return None if best is None else best[1]
