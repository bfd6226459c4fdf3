"""How long a partition has no answers when the coordinator that owns it, or the broker that leads it, gets a SIGKILL.

A command a partition every 50 ms; the figure is the longest silence of any partition's answers around the kill. Both
group protocols; a single broker for the coordinators, three for the broker. The three take turns, each on brokers of its
own that only run in its turn; what fails or does not come back in time is said in the table and stops nothing else.

    ./run bench failover
    ./run python bench/failover.py --rounds 1 --seconds 200
"""

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))

from loop import NETWORK

from bitsage.nodes.signing import CommandSigner
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import CreateWallet
from bitsage.streams.admin import create_topics
from bitsage.streams.errors import BrokerUnreachable, StreamError
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_cluster import LocalCluster
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.topics import partition_for, topic_name
from bitsage.wallet import Key

LOOP = Path(__file__).parent / "loop.py"
ACCOUNTS, COMMANDS = topic_name("accounts"), topic_name("commands")
ROUNDS, SECONDS = 3, 600
#: After so many seconds without an answer a round is given up: that is no failover.
LIMIT_S = 60
console = Console(highlight=False)


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
        # What earlier rounds left is no answer.
        reader = log.reader(dict.fromkeys(((ACCOUNTS, p) for p in range(6)), 0), follow=True)
        self.places = reader.end_offsets()
        reader.close()
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
        while not self.stop.is_set():
            try:
                reader = self.log.reader(self.places, follow=True)
                try:
                    while not self.stop.is_set():
                        for record in reader.read(500, 0.1):
                            self.places[ACCOUNTS, record.partition] = record.offset + 1
                            self.heard[record.partition].append(time.monotonic())
                finally:
                    reader.close()
            except StreamError:
                # A broker that is being killed; what was read is not read again.
                time.sleep(0.1)

    def lively(self, since: float) -> bool:
        """Whether every partition has been answered since."""
        return all(times and times[-1] > since for times in self.heard.values())

    def wait(self, since: float, seconds: float = LIMIT_S) -> None:
        """Wait until every partition has been answered since.

        Raises:
            TimeoutError: one was not, in so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not self.lively(since):
            if time.monotonic() > deadline:
                raise TimeoutError(f"a partition has no answers for {seconds:.0f} s")
            time.sleep(0.05)

    def longest_silence(self, since: float) -> float:
        gaps = [b - a for times in self.heard.values() for a, b in itertools.pairwise(times) if b > since]
        return max(gaps)


def member(bootstrap: str, folder: Path, name: str, protocol: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(LOOP), bootstrap, str(folder), "1000", name, protocol]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def dismissed(process: "subprocess.Popen[bytes]") -> None:
    """End a member; one that does not end by itself is killed."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def coordinator_killed(folder: Path, protocol: str, seed: int) -> float:
    names = [f"{protocol}-{seed}-{n}" for n in range(2)]
    # Each on a broker of its own: a group has one protocol at a time.
    with LocalKafka(folder / protocol) as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        create_topics(settings)
        with Pulse(KafkaLog(settings)) as pulse, ExitStack() as ends:
            members = [member(kafka.bootstrap, folder, name, protocol) for name in names]
            for one in members:
                ends.callback(dismissed, one)
            pulse.wait(time.monotonic())
            # Until both have their share and no more moves.
            time.sleep(8)
            pulse.wait(time.monotonic())
            return silence(pulse, members[0].kill)


def leader_killed(folder: Path, seed: int) -> float:
    with LocalCluster(folder / "cluster") as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        create_topics(settings)
        with Pulse(KafkaLog(settings)) as pulse, ExitStack() as ends:
            ends.callback(dismissed, member(kafka.bootstrap, folder / f"state-{seed}", f"only-{seed}", "classic"))
            pulse.wait(time.monotonic())
            time.sleep(3)
            leader = AdminClient(settings).list_topics(COMMANDS, timeout=10).topics[COMMANDS].partitions[0].leader
            pid = kafka.members[leader - 1].status().pid
            assert pid is not None
            return silence(pulse, lambda: os.kill(pid, signal.SIGKILL))


def silence(pulse: Pulse, kill: Callable[[], None]) -> float:
    """The longest silence of a partition after `kill`, in seconds."""
    killed = time.monotonic()
    kill()
    time.sleep(1)
    pulse.wait(time.monotonic())
    time.sleep(2)
    return pulse.longest_silence(killed)


def run(rounds: int = ROUNDS, seconds: int = SECONDS) -> None:
    end = time.monotonic() + seconds
    longest: dict[str, float] = {}
    found: dict[str, list[float | str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds: dict[str, Callable[[int], float]] = {
            "one of two coordinators, classic": lambda seed: coordinator_killed(folder, "classic", seed),
            "one of two coordinators, consumer (KIP-848)": lambda seed: coordinator_killed(folder, "consumer", seed),
            "the leader of three brokers": lambda seed: leader_killed(folder, seed),
        }
        for seed, (what, measure) in itertools.product(range(rounds), kinds.items()):
            started = time.monotonic()
            if started + longest.get(what, 0.0) > end:
                console.print(f"  no time is left for round {seed + 1} of: {what}")
                continue
            result = attempt(measure, seed)
            took = time.monotonic() - started
            longest[what] = max(took, longest.get(what, 0.0))
            found.setdefault(what, []).append(result)
            said = result if isinstance(result, str) else f"{result:.1f} s of silence"
            console.print(f"  round {seed + 1}, {what}: {said} ({took:.0f} s)")
    console.print(table(found))


def attempt(measure: Callable[[int], float], seed: int) -> float | str:
    """A figure, or why there is none."""
    try:
        return measure(seed)
    except (TimeoutError, StreamError, subprocess.SubprocessError, KafkaException) as error:
        return str(error)


def table(found: dict[str, list[float | str]]) -> Table:
    """What was found, also when it is not everything."""
    made = Table("killed", "longest silence, s (median)", "all rounds", "failed", title="failover")
    for what, results in found.items():
        times = [t for t in results if not isinstance(t, str)]
        failures = "; ".join(t for t in results if isinstance(t, str)) or "-"
        median = f"{statistics.median(times):.1f}" if times else "-"
        made.add_row(what, median, ", ".join(f"{t:.1f}" for t in times) or "-", failures)
    return made


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="no round begins that would not be over by then")
    run(**vars(parser.parse_args(words)))


if __name__ == "__main__":
    main()
