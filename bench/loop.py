"""The exactly-once loop with all deciders on a local broker: events/s by batch size, and latency from command to event.

The loop runs in a process of its own, as it does in production; a backlog of signed commands of fresh accounts is
worked off, and progress is what the consumer group has committed.
"""

import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bitsage.nodes.client import Client
from bitsage.nodes.coordinator import GROUP, run_processors
from bitsage.nodes.network import Network
from bitsage.nodes.signing import CommandSigner
from bitsage.privacy import payment_public_key
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import CreateWallet, RequestTokens, StakeTokens
from bitsage.schemas.parameters import SAGE, Parameters
from bitsage.streams.admin import create_topics
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.seal import seal_key
from bitsage.streams.topics import TOPICS, topic_name
from bitsage.wallet import Key

ROUNDS = 3
COMMANDS = {1: 600, 100: 6_000, 1000: 12_000}
AUTHORITY = Key(987654321)
PLACES = [(topic_name("commands"), p) for p in range(TOPICS["commands"].partitions)]
NETWORK = Network(
    chain_id="bench",
    authority="0x" + AUTHORITY.address.hex(),
    authority_key="0x" + AUTHORITY.public_key.hex(),
    seal_key=seal_key(AUTHORITY.seal_secret).hex(),
    escrow_key=payment_public_key(AUTHORITY.payment_secret).hex(),
    parameters=Parameters(),
)


def serve(bootstrap: str, folder: str, batch: int, name: str = "bench", protocol: str = "classic") -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Path(folder).mkdir(parents=True, exist_ok=True)
    log = KafkaLog({"bootstrap.servers": bootstrap, "group.protocol": protocol})
    run_processors(log, NETWORK, AUTHORITY, AUTHORITY.seal_secret, Path(folder), name, batch, stop)


class Server:
    """The loop as a process; the state cache is shared by the rounds, as it is by restarts."""

    def __init__(self, bootstrap: str, folder: str, batch: int) -> None:
        self._command = [sys.executable, __file__, bootstrap, folder, str(batch)]

    def __enter__(self) -> "Server":
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)


def backlog(log: KafkaLog, commands: int, seed: int, chain_id: str = NETWORK.chain_id) -> int:
    """Send signed commands of `commands` / 4 fresh accounts; how many."""
    records = []
    for index in range(commands // 4):
        key = Key(10_000_000 + index + 1_000_000 * seed)
        signer, subject = CommandSigner(key, chain_id), account_subject(key.address)
        bodies = [
            CreateWallet(),
            RequestTokens(),
            *(StakeTokens(amount=1_000 * SAGE, tier="consumer") for _ in range(2)),
        ]
        records += [signer.sign(subject, body).record for body in bodies]
    producer = log.producer()
    producer.send_many(records)
    producer.close()
    return len(records)


def throughput(log: KafkaLog, bootstrap: str, folder: str, batch: int, seed: int) -> float:
    """Events per second: each of these commands has one event."""
    before = sum(log.committed(GROUP, PLACES).values())
    total = backlog(log, COMMANDS[batch], seed)
    with Server(bootstrap, folder, batch):
        first: tuple[float, int] | None = None
        while True:
            done = sum(log.committed(GROUP, PLACES).values()) - before
            now = time.perf_counter()
            if done and first is None:
                first = (now, done)
            if first is not None and done >= total:
                return (done - first[1]) / max(now - first[0], 1e-3)
            time.sleep(0.05)


def latency(log: KafkaLog, bootstrap: str, folder: str) -> list[float]:
    """Milliseconds from sending a command to reading its event, one at a time, sorted."""
    found = []
    with Server(bootstrap, folder, 1000):
        client = Client(log, NETWORK, Key(777_777))
        client.ask(client.subject, CreateWallet(), timeout=120)
        where = (topic_name("accounts"), client.signer.sign(client.subject, CreateWallet()).record.partition)
        tail = log.reader(log.reader({where: 0}, follow=False).end_offsets(), follow=True)
        producer = log.producer()
        for _ in range(300):
            prepared = client.signer.sign(client.subject, CreateWallet())
            started = time.perf_counter()
            producer.send(prepared.record)
            while not any(a and a.envelope.cause == prepared.envelope.id for a in map(client.read, tail.read(10, 1.0))):
                pass
            found.append((time.perf_counter() - started) * 1000)
    return sorted(found)


def run() -> None:
    results: dict[int, list[float]] = {batch: [] for batch in COMMANDS}
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka") as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        create_topics(settings)
        log = KafkaLog(settings)
        for n in range(ROUNDS):
            for batch in COMMANDS:
                results[batch].append(throughput(log, kafka.bootstrap, folder, batch, 10 * n + len(str(batch))))
        times = latency(log, kafka.bootstrap, folder)
    table = Table(
        "batch", "events/s (median)", "all rounds", title="exactly-once loop, all deciders, signatures verified"
    )
    for batch, rates in results.items():
        table.add_row(str(batch), f"{statistics.median(rates):,.0f}", ", ".join(f"{r:,.0f}" for r in rates))
    console = Console()
    console.print(table)
    console.print(f"command to event, one at a time: p50 {times[150]:.1f} ms, p99 {times[297]:.1f} ms")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
