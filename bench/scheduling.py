"""Scheduling decisions per second with 10,000 registered workers: jobs that come, are matched, end and free their slots.

A decision is one command to the market, decided and folded as the coordinator's loop does it (signatures, Avro and Kafka are
`loop`'s to measure). Rounds of the three kinds of market take turns, so that all of them see the same machine.
"""

import random
import statistics
import time
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bitsage.processors import market
from bitsage.processors.market_state import Market, evolve
from bitsage.processors.model import NETWORK, Command, Rules
from bitsage.schemas.commands import EnqueueJob, OfferCapacity, RaisePrice, WithdrawJob
from bitsage.schemas.events import JobMatched
from bitsage.schemas.parameters import SAGE, TIERS, Parameters

WORKERS, JOBS, ROUNDS, NOW = 10_000, 500, 5, 1_800_000_000_000
RULES = Rules(Parameters(), None)  # type: ignore[arg-type] - the market asks for no checks
CLIENTS = [bytes([n]) * 32 for n in range(1, 21)]


@dataclass(slots=True)
class Held:
    """The state of the one subject (`model.Local`)."""

    state_now: Market

    def state(self, topic: str) -> Any:
        return self.state_now


def tell(held: Held, body: Any, at: int) -> int:
    """Decide and fold one command; how many matches came of it."""
    command = Command(body, bytes(16), NETWORK, at, bytes(16), bytes(32), bytes(32))
    events = market.decide(held, command, RULES)
    for event in events:
        held.state_now = evolve(held.state_now, event, at)
    return sum(isinstance(event, JobMatched) for event in events)


def workers(kind: str, rng: random.Random) -> list[OfferCapacity]:
    """Workers of all tiers with two job types each; with asks also prices, and every tenth an allow-list."""
    return [
        OfferCapacity(
            worker=n.to_bytes(32, "big"),
            tier=rng.choice(TIERS),
            reputation=rng.randrange(300, 1000),
            slots=rng.randint(1, 4),
            attested=False,
            job_types=["matmul", "vm"],
            asks=[] if kind == "fixed prices" else [rng.randrange(1, 10**16), rng.randrange(1, 10**16)],
            clients=rng.sample(CLIENTS, 3) if kind != "fixed prices" and n % 10 == 0 else [],
            stake=5_000 * SAGE,
            max_collateral=rng.choice([0, 10, 100]) * SAGE,
        )
        for n in range(1, WORKERS + 1)
    ]


def jobs(kind: str, rng: random.Random, serial: int) -> list[EnqueueJob]:
    """Jobs with fixed prices, with asks to meet, or with a ramp that begins below most asks."""
    found = []
    for n in range(JOBS):
        price = rng.randrange(1, 10) * SAGE
        found.append(
            EnqueueJob(
                job_id=(serial * JOBS + n + 1).to_bytes(16, "big"),
                attempt=1,
                job_type=rng.choice(["matmul", "vm"]),
                tier=rng.choice(["", *TIERS[:3]]),
                tee=False,
                priority=rng.randrange(11),
                submitted_at=NOW + n,
                excluded=[],
                rows=1024,
                client=rng.choice(CLIENTS),
                max_cost=price,
                min_cost=price // 1000 if kind == "ramps" else 0,
                ramp_start=NOW,
                ramp_ms=32_000 if kind == "ramps" else 0,
                collateral=rng.choice([0, 0, 5]) * SAGE,
            )
        )
    return found


def round_of(held: Held, kind: str, serial: int) -> tuple[int, int, float]:
    """(decisions, matches, seconds): every job comes, is raised until it is matched, and ends."""
    wanted = jobs(kind, random.Random(serial), serial)
    decisions = matched = 0
    started = time.process_time()
    for job in wanted:
        found, at = tell(held, job, NOW), NOW
        decisions += 1
        while kind == "ramps" and not found and at < NOW + 32_000:
            at += 1_000
            found = tell(held, RaisePrice(job_id=job.job_id, attempt=1, price=0), at)
            decisions += 1
        matched += found
    for job in wanted:
        tell(held, WithdrawJob(job_id=job.job_id, attempt=1), NOW)
        decisions += 1
    return decisions, matched, time.process_time() - started


def run() -> None:
    markets = {}
    for kind in ("fixed prices", "asks", "ramps"):
        held = markets[kind] = Held(Market())
        for offer in workers(kind, random.Random(7)):
            tell(held, offer, NOW)
    rates: dict[str, list[float]] = {kind: [] for kind in markets}
    shares: dict[str, list[float]] = {kind: [] for kind in markets}
    for n in range(ROUNDS):
        for kind, held in markets.items():
            decisions, matched, seconds = round_of(held, kind, n)
            rates[kind].append(decisions / seconds)
            shares[kind].append(matched / JOBS)
    table = Table("market", "decisions/s (median)", "all rounds", "matched", title=f"{WORKERS:,} registered workers")
    for kind, found in rates.items():
        table.add_row(
            kind,
            f"{statistics.median(found):,.0f}",
            ", ".join(f"{rate:,.0f}" for rate in found),
            f"{statistics.median(shares[kind]):.0%}",
        )
    Console().print(table)


if __name__ == "__main__":
    run()
