"""A worker's bidding policy: what it tells the market when it registers, and what it declines when a match slips through.

The market matches by the policy that the worker registered with. A policy that was changed since counts from the next
registration on; until then the worker declines, in the lock time of an offer, what it would not bid for any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bitsage.processors.jobs import LARGE_ROWS
from bitsage.processors.market_parts import rank
from bitsage.schemas.commands import RegisterWorker
from bitsage.schemas.events import WorkerRegistered

from .openjobs import OpenJob


def max_rows(configured: int | None, kind: str | None) -> int:
    """Most rows that a worker proves, 0 for any: what is configured, else any on a GPU or accelerator, LARGE_ROWS elsewhere.

    Args:
        kind: of the device that it proves on (`opencl.DeviceInfo.kind`); None for NumPy.
    """
    return configured or (LARGE_ROWS if kind in (None, "cpu") else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BiddingPolicy:
    """Amounts are base units. `ask`: least price per proven row; `asks`: the same for certain job types.

    `job_types`: what it does (none: every installed type); `clients`: for whom alone it works (none: for anybody);
    `least_tier`: least tier that a job has to ask for; `slots`: jobs at once; `max_collateral`: most pledged for one job.
    `max_rows`: most rows that it proves, 0 for any; no part of the registration, and at least LARGE_ROWS, so that declining
    is free.
    """

    ask: int = 0
    asks: Mapping[str, int] = field(default_factory=dict)
    job_types: tuple[str, ...] = ()
    clients: tuple[bytes, ...] = ()
    least_tier: str = ""
    slots: int = 1
    max_collateral: int = 0
    max_rows: int = 0

    def ask_for(self, job_type: str) -> int:
        """The least price per proven row of a job of this type."""
        return self.asks.get(job_type, self.ask)

    def asks_of(self, job_types: list[str]) -> list[int]:
        """The asks for `job_types`; empty when it takes any price."""
        asks = [self.ask_for(name) for name in job_types]
        return asks if any(asks) else []

    def is_registered(self, joined: WorkerRegistered | RegisterWorker) -> bool:
        """Whether a registration says the same, its job types aside where the policy names none."""
        types = sorted(set(self.job_types or joined.job_types))
        return (
            (sorted(joined.job_types), joined.slots) == (types, self.slots)
            and (sorted(joined.clients), joined.least_tier) == (sorted(self.clients), self.least_tier)
            and (joined.max_collateral, list(joined.asks)) == (self.max_collateral, self.asks_of(types))
        )

    @classmethod
    def of(cls, joined: WorkerRegistered) -> "BiddingPolicy":
        """The policy that a registration says."""
        return cls(
            asks=dict(zip(joined.job_types, joined.asks, strict=True)) if joined.asks else {},
            job_types=tuple(joined.job_types),
            clients=tuple(joined.clients),
            least_tier=joined.least_tier,
            slots=joined.slots,
            max_collateral=joined.max_collateral,
        )

    def takes_no_such_size(self, job: OpenJob) -> bool:
        """Whether the job has more rows than the worker proves."""
        return 0 < self.max_rows < (0 if job.submitted is None else job.submitted.rows)

    def objection(self, job: OpenJob, price: int | None = None) -> str | None:
        """Why the worker does not want the attempt that was assigned to it; None when it does.

        `rows`, `price`, `job_type`, `client`, `tier` or `collateral`.

        Args:
            price: base units; None for the public one of the assignment.
        """
        submitted, attempt = job.submitted, job.current
        if submitted is None or attempt is None:
            return None
        spec = submitted.spec
        checks = {
            "rows": self.takes_no_such_size(job),
            "job_type": bool(self.job_types) and spec.job_type not in self.job_types,
            "price": self.ask_for(spec.job_type) * submitted.rows > (attempt.cost if price is None else price),
            "client": bool(self.clients) and submitted.client not in self.clients,
            "tier": rank(spec.tier) < rank(self.least_tier),
            "collateral": spec.collateral > self.max_collateral,
        }
        return next((reason for reason, wrong in checks.items() if wrong), None)
