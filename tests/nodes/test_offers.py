"""Offers over the whole network: a ramp and a picky worker, a worker that declines, and the audit of both."""

from pathlib import Path
from typing import Any

import pytest
from testnetwork import FAST, TestNetwork, claimed, running, spec, wait

from bitsage.nodes.audit import audit
from bitsage.nodes.bidding import BiddingPolicy, max_rows
from bitsage.nodes.client import Client
from bitsage.nodes.register import register_worker
from bitsage.nodes.worker import WorkerNode
from bitsage.processors.jobs import LARGE_ROWS
from bitsage.processors.model import NETWORK
from bitsage.schemas.events import (
    EscrowReleased,
    JobAssigned,
    JobCompleted,
    JobReassigned,
    JobStarted,
    PriceRaised,
    ReputationChanged,
    Slashed,
)
from bitsage.schemas.parameters import SAGE
from bitsage.streams.memory_log import InMemoryLog

#: What 6 SAGE pay per row of a product of 16 by 16.
ASK = 6 * SAGE // 256


def bodies(client: Client, topic: str, subject: str, kind: type) -> list[Any]:
    return [a.body for a in client.history((topic,), subject) if isinstance(a.body, kind)]


def bidder(network: TestNetwork, n: int, registered: BiddingPolicy, started: BiddingPolicy) -> Client:
    client = network.funded(n, 2_500, "consumer")
    register_worker(client, tier="consumer", gpu_model="T4", policy=registered)
    network.run(WorkerNode(client, network.folder / f"w{n}", policy=started))
    return client


def test_the_price_rises_to_the_ask_of_a_picky_worker_and_that_much_is_paid(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=FAST) as network:
        for n in range(1, 5):
            network.validator(n)
        policy = BiddingPolicy(ask=ASK, max_collateral=5 * SAGE)
        worker = bidder(network, 10, policy, policy)
        client = network.funded(20)
        offer = {"min_cost": 2 * SAGE, "ramp_ms": 6_000, "lock_timeout_ms": 60_000, "collateral": 5 * SAGE}
        job_id, _ = client.submit_job(spec(**offer))
        assert isinstance(client.wait_job(job_id, 90).body, JobCompleted)
        (assigned,) = bodies(client, "jobs", job_id.hex(), JobAssigned)
        assert ASK * 256 <= assigned.cost <= 10 * SAGE
        prices = [e.price for e in bodies(client, "workers", NETWORK, PriceRaised)]
        assert prices == sorted(set(prices))
        assert prices[-1] == assigned.cost
        assert all(price < ASK * 256 for price in prices[:-1])
        amount = claimed(worker)
        (released,) = bodies(client, "accounts", client.subject, EscrowReleased)
        assert amount == released.worker_amount
        assert (released.worker_amount + released.protocol_amount, released.refund) == (
            assigned.cost, 10 * SAGE - assigned.cost,
        )  # fmt: skip
    verdict = audit(log, network.network, live=tmp_path / "coordinator" / "projections")
    assert verdict.findings == []
    assert verdict.counts["supply conserved"] == 1


def test_a_worker_whose_policy_changed_declines_and_another_does_the_job(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=FAST) as network:
        for n in range(1, 5):
            network.validator(n)
        picky = bidder(network, 10, BiddingPolicy(), BiddingPolicy(clients=(b"\x01" * 32,)))
        client = network.funded(20)
        job_id, _ = client.submit_job(spec(lock_timeout_ms=60_000))
        (declined,) = wait(lambda: bodies(client, "jobs", job_id.hex(), JobReassigned), 60)
        assert (declined.reason, declined.worker) == ("declined", picky.key.address)
        other = bidder(network, 11, BiddingPolicy(), BiddingPolicy())
        assert isinstance(client.wait_job(job_id, 90).body, JobCompleted)
        assert [e.worker for e in bodies(client, "jobs", job_id.hex(), JobStarted)] == [other.key.address]
        assert bodies(client, "workers", picky.subject, ReputationChanged) == []
        assert bodies(client, "accounts", picky.subject, Slashed) == []
    assert audit(log, network.network).findings == []


def test_a_job_too_large_for_a_machine_is_declined_without_a_lock_time_and_another_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open offer of 256 rows, which stand for the 2^22 of the largest product."""
    monkeypatch.setattr("bitsage.processors.jobs.LARGE_ROWS", 255)
    log = InMemoryLog()
    with running(log, tmp_path, parameters=FAST) as network:
        for n in range(1, 5):
            network.validator(n)
        small = bidder(network, 10, BiddingPolicy(), BiddingPolicy(max_rows=255))
        client = network.funded(20)
        job_id, _ = client.submit_job(spec())
        (declined,) = wait(lambda: bodies(client, "jobs", job_id.hex(), JobReassigned), 60)
        assert (declined.reason, declined.worker) == ("declined", small.key.address)
        other = bidder(network, 11, BiddingPolicy(), BiddingPolicy(max_rows=256))
        assert isinstance(client.wait_job(job_id, 90).body, JobCompleted)
        assert [e.worker for e in bodies(client, "jobs", job_id.hex(), JobStarted)] == [other.key.address]
        assert bodies(client, "workers", small.subject, ReputationChanged) == []
        assert bodies(client, "accounts", small.subject, Slashed) == []
    assert audit(log, network.network).findings == []


@pytest.mark.parametrize(
    ("configured", "kind", "most"),
    [
        (None, None, LARGE_ROWS),
        (None, "cpu", LARGE_ROWS),
        (None, "gpu", 0),
        (None, "accelerator", 0),
        (1 << 22, "cpu", 1 << 22),
        (1 << 22, "gpu", 1 << 22),
    ],
)
def test_without_a_gpu_a_worker_takes_jobs_of_2_to_the_20_rows_unless_it_is_told_otherwise(
    configured: int | None, kind: str | None, most: int
) -> None:
    assert max_rows(configured, kind) == most


def test_a_worker_that_does_not_begin_loses_the_job_and_its_collateral(tmp_path: Path) -> None:
    log = InMemoryLog()
    with running(log, tmp_path, parameters=FAST) as network:
        client = network.funded(20)
        sleeper = network.funded(10, 2_500, "consumer")
        policy = BiddingPolicy(max_collateral=5 * SAGE)
        register_worker(sleeper, tier="consumer", gpu_model="T4", policy=policy)
        # A stand-in that is there and does nothing: heartbeats without the thread that answers offers.
        node = WorkerNode(sleeper, network.folder / "w10")
        object.__setattr__(node, "_submitted", _Everything())
        object.__setattr__(node, "_answered", _Everything())
        network.run(node)
        job_id, _ = client.submit_job(spec(lock_timeout_ms=5_000, collateral=5 * SAGE))
        (slashed,) = wait(lambda: bodies(client, "accounts", sleeper.subject, Slashed), 60)
        assert (slashed.reason, slashed.amount) == ("lock_timeout", 5 * SAGE)
        (reassigned,) = bodies(client, "jobs", job_id.hex(), JobReassigned)
        assert reassigned.reason == "lock_timeout"
    assert audit(log, network.network).findings == []


class _Everything(set):  # type: ignore[type-arg]
    def __contains__(self, item: object) -> bool:
        return True
