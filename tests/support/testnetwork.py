"""A whole network in one process for tests: the production processors and nodes over the log's stand-in."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitsage.nodes.claims import claimable
from bitsage.nodes.client import Client
from bitsage.nodes.coordinator import Coordinator
from bitsage.nodes.network import Network
from bitsage.nodes.purse import Purse
from bitsage.nodes.register import register_validator, register_worker
from bitsage.nodes.validator import ValidatorNode
from bitsage.nodes.worker import WorkerNode
from bitsage.privacy import payment_public_key
from bitsage.schemas.events import JobSpec
from bitsage.schemas.parameters import SAGE, Parameters
from bitsage.streams.log import Log
from bitsage.streams.seal import seal_key
from bitsage.wallet import Key

FAST = Parameters(consensus_timeout_ms=3_000, heartbeat_interval_ms=200, heartbeat_timeout_ms=2_000)


def key(n: int) -> Key:
    return Key(0x1234567 + n)


@dataclass
class TestNetwork:
    __test__ = False
    log: Log
    folder: Path
    parameters: Parameters = FAST
    authority: Key = field(default_factory=lambda: key(0))
    chain_id: str = "test"
    auditor_key: str = ""
    stops: list[tuple[threading.Event, threading.Thread]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network = Network(
            chain_id=self.chain_id,
            authority="0x" + self.authority.address.hex(),
            authority_key="0x" + self.authority.public_key.hex(),
            seal_key=seal_key(self.authority.seal_secret).hex(),
            escrow_key=payment_public_key(self.authority.payment_secret).hex(),
            auditor_key=self.auditor_key,
            parameters=self.parameters,
        )

    def client(self, n: int) -> Client:
        return Client(self.log, self.network, key(n))

    def run(self, node: Any) -> threading.Event:
        def body() -> None:
            try:
                node.run()
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        self.stops.append((node.stop, thread))
        stop: threading.Event = node.stop
        return stop

    def coordinator(self) -> threading.Event:
        return self.run(
            Coordinator(self.log, self.network, self.authority, self.authority.seal_secret, self.folder / "coordinator")
        )

    def funded(self, n: int, stake: int = 0, tier: str = "") -> Client:
        client = self.client(n)
        client.create_wallet()
        client.request_tokens()
        if stake:
            client.stake(stake * SAGE, tier)
        return client

    def validator(self, n: int, stake: int = 10_000, **changes: Any) -> Client:
        client = self.funded(n, stake, "validator")
        register_validator(client)
        self.run(ValidatorNode(client, self.folder / f"v{n}", **changes))
        return client

    def worker(self, n: int, stake: int = 2_500, **changes: Any) -> Client:
        client = self.funded(n, stake, "consumer")
        register_worker(client, tier="consumer", gpu_model="T4", slots=1)
        self.run(WorkerNode(client, self.folder / f"w{n}", **changes))
        return client

    def sealed(self, client: Client, price: int = 10 * SAGE, **changes: Any) -> bytes:
        """A job with a sealed offer, funded as the command line does it."""
        purse = Purse(client)
        purse.cover(price)
        return purse.submit_job(spec(**changes), price)[0]

    def close(self) -> None:
        for stop, _ in self.stops:
            stop.set()
        for _, thread in self.stops:
            thread.join(30)
        self.stops.clear()


@contextlib.contextmanager
def running(log: Log, folder: Path, **changes: Any) -> Iterator[TestNetwork]:
    network = TestNetwork(log, folder, **changes)
    try:
        network.coordinator()
        yield network
    finally:
        network.close()
    assert network.failures == []


def claimed(client: Client) -> int:
    """Wait until payments are pending, fold them in and withdraw everything; what was paid, base units."""
    wait(lambda: claimable(client), 60)
    purse = Purse(client)
    paid, _ = purse.claim()
    purse.withdraw()
    return sum(amount for _, amount in paid)


def spec(size: int = 16, seed: int = 1, cost: int = 10, **changes: Any) -> JobSpec:
    values: dict[str, Any] = {
        "job_type": "matmul",
        "input": f'{{"seed":{seed},"size":{size}}}',
        "max_cost": cost * SAGE,
        "tier": "",
        "tee": False,
        "priority": 0,
        "deadline": time.time_ns() // 1_000_000 + 3_600_000,
    }
    return JobSpec(**(values | changes))


def wait(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)
