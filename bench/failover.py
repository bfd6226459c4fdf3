"""How long a partition has no answers when the coordinator that owns it, or the broker that leads it, gets a SIGKILL.

A command a partition every 50 ms; the figure is the longest silence of any partition's answers around the kill. Both
group protocols; a single broker for the coordinators, three for the broker.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
import itertools

from loop import NETWORK

from bitsage.nodes.signing import CommandSigner
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import CreateWallet
from bitsage.streams.admin import create_topics
from bitsage.streams.errors import BrokerUnreachable
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_cluster import LocalCluster
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.topics import partition_for, topic_name
from bitsage.wallet import Key

LOOP = Path(__file__).parent / "loop.py"
ACCOUNTS, COMMANDS = topic_name("accounts"), topic_name("commands")
ROUNDS = 3


def one_key_each() -> dict[int, Key]:
    """Partition -> the key of an account in it."""
    found: dict[int, Key] = {}
    n = 5_000
    while len(found) < 6:
        n += 1
        found.setdefault(partition_for(account_subject(Key(n).address).encode()), Key(n))
    return found


class Pulse:
    """Sends a command to every partition all the time, and notes when each is answered."""

    def __init__(self, log: KafkaLog) -> None:
        self.log, self.stop = log, threading.Event()
        #: partition -> times (monotonic) of its answers
        self.heard: dict[int, list[float]] = {p: [] for p in range(6)}
        self.threads = [threading.Thread(target=self._send), threading.Thread(target=self._hear)]

    def __enter__(self) -> "Pulse":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _send(self) -> None:
        producer = self.log.producer()
        signers = [CommandSigner(key, NETWORK.chain_id) for key in one_key_each().values()]
        while not self.stop.wait(0.05):
            records = [s.sign(account_subject(s.key.address), CreateWallet()).record for s in signers]
            try:
                producer.send_many(records)
            except BrokerUnreachable:
                continue
        producer.close()

    def _hear(self) -> None:
        reader = self.log.reader({(ACCOUNTS, p): 0 for p in range(6)}, follow=True)
        while not self.stop.is_set():
            for record in reader.read(500, 0.1):
                self.heard[record.partition].append(time.monotonic())
        reader.close()

    def lively(self, since: float) -> bool:
        """Whether every partition has been answered since."""
        return all(times and times[-1] > since for times in self.heard.values())

    def wait(self, since: float, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not self.lively(since):
            if time.monotonic() > deadline:
                raise TimeoutError("a partition has no answers")
            time.sleep(0.05)

    def longest_silence(self, since: float) -> float:
        gaps = [b - a for times in self.heard.values() for a, b in itertools.pairwise(times) if b > since]
        return max(gaps)


def member(bootstrap: str, folder: Path, name: str, protocol: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(LOOP), bootstrap, str(folder), "1000", name, protocol]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def coordinator_killed(bootstrap: str, folder: Path, protocol: str, seed: int) -> float:
    log = KafkaLog({"bootstrap.servers": bootstrap})
    names = [f"{protocol}-{seed}-{n}" for n in range(2)]
    with Pulse(log) as pulse, ExitStack() as ends:
        members = [member(bootstrap, folder, name, protocol) for name in names]
        for one in members:
            ends.callback(one.wait)
            ends.callback(one.terminate)
        began = time.monotonic()
        pulse.wait(began)
        # Until both have their share and no more moves.
        time.sleep(8)
        pulse.wait(time.monotonic())
        killed = time.monotonic()
        members[0].kill()
        time.sleep(1)
        pulse.wait(time.monotonic())
        time.sleep(2)
        return pulse.longest_silence(killed)


def leader_killed(folder: Path, seed: int) -> float:
    with LocalCluster(folder / f"cluster-{seed}") as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        create_topics(settings)
        log = KafkaLog(settings)
        with Pulse(log) as pulse, ExitStack() as ends:
            one = member(kafka.bootstrap, folder / f"state-{seed}", "only", "classic")
            ends.callback(one.wait)
            ends.callback(one.terminate)
            pulse.wait(time.monotonic())
            time.sleep(3)
            leader = AdminClient(settings).list_topics(COMMANDS, timeout=10).topics[COMMANDS].partitions[0].leader
            pid = kafka.members[leader - 1].status().pid
            assert pid is not None
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            time.sleep(1)
            pulse.wait(time.monotonic())
            time.sleep(2)
            return pulse.longest_silence(killed)


def run() -> None:
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for protocol in ("classic", "consumer"):
            # Each on a broker of its own: a group has one protocol at a time.
            with LocalKafka(folder / protocol) as kafka:
                create_topics({"bootstrap.servers": kafka.bootstrap})
                for seed in range(ROUNDS):
                    silence = coordinator_killed(kafka.bootstrap, folder, protocol, seed)
                    found.setdefault(f"one of two coordinators, {protocol}", []).append(silence)
        for seed in range(ROUNDS):
            found.setdefault("the leader of three brokers", []).append(leader_killed(folder, seed))
    table = Table("killed", "longest silence, s (median)", "all rounds", title="failover")
    for what, times in found.items():
        table.add_row(what, f"{statistics.median(times):.1f}", ", ".join(f"{t:.1f}" for t in times))
    Console().print(table)
