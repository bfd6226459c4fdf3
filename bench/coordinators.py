"""Jobs and events per second with 1, 2 and 4 coordinator processes that share the partitions, on one network, in turns.

The network is that of `./run load`: a local broker, four validators, workers in one process, all as processes of their
own. For each number of coordinators a backlog of signed commands of fresh accounts is worked off (events/s: the
coordinators alone), then a batch of jobs is proven, judged and paid (jobs/s: everybody). All of them share this machine's
cores, so beyond their number more coordinators bring nothing here, and jobs/s is bounded by proofs and verifications.

    ./run bench coordinators
    ./run python bench/coordinators.py --workers 4 --jobs 20 --rounds 1
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "load"))

from loop import PLACES, backlog
from play import Load
from stage import Stage

import bitsage
from bitsage.nodes.coordinator import GROUP
from bitsage.schemas.commands import SubmitJob
from bitsage.schemas.ids import job_id as job_id_of
from bitsage.streams.admin import create_topics
from bitsage.streams.errors import StreamError

COUNTS = (1, 2, 4)
CORES = os.cpu_count() or 1
#: Per round and number of coordinators; more on a machine with more cores, or it would be over before it is measured.
WORKERS, JOBS, COMMANDS = min(32, 4 * CORES), min(200, 20 * CORES), min(12_000, 1_500 * CORES)
ROUNDS, SECONDS = 3, 600
#: The most that one number of coordinators may take of a round, in seconds.
TURN_S = 120
#: What is left for the end: the table and the processes that have to be stopped.
END_S = 30
console = Console(highlight=False)
#: (events/s, jobs/s) of a turn, or why there are none
Found = tuple[float, float] | str


class TooLate(Exception):
    """Something did not come in time."""


class Bench:
    """The network, and what was found so far."""

    def __init__(self, workers: int, jobs: int, commands: int, end: float) -> None:
        self.workers, self.jobs, self.commands, self.end = workers, jobs, commands, end
        self.found: dict[int, list[Found]] = {count: [] for count in COUNTS}
        self._seed = 0

    def open(self, stage: Stage) -> None:
        """Start the network with one coordinator."""
        self.stage = stage
        stage.open()
        settings = {"bootstrap.servers": stage.kafka.bootstrap}
        create_topics(settings)
        self.admin = AdminClient({**settings, "log_level": 3})
        self.load = Load(stage, self.workers, 0, 1, self.jobs, 16, 0)
        self.load.enter(1)

    def until(self, true: Callable[[], bool], end: float, what: str, every: float = 0.05) -> None:
        """Wait.

        Raises:
            TooLate: not until `end`, or a process died meanwhile.
        """
        while not true():
            if dead := self.stage.dead():
                raise TooLate(f"{', '.join(dead)} ended by itself")
            if time.monotonic() > end:
                raise TooLate(what)
            time.sleep(every)

    def turn(self, count: int, end: float) -> tuple[float, float]:
        """Events and jobs per second with so many coordinators.

        Raises:
            TooLate: a part was not over at `end`.
        """
        self.coordinators(count)
        what = "the coordinators did not come to share the partitions"
        self.until(lambda: self.sharing(count), end, what, every=0.5)
        return self.events(end), self.pay(end)

    def coordinators(self, count: int) -> None:
        """Start and stop until there are so many."""
        running = sum(a.kind == "coordinator" and a.process is not None for a in self.stage.actors.values())
        for n in range(running, count):
            self.stage.add("coordinator", f"coordinator-{n}", "sage-coordinator", "start", "--instance", str(n))
        surplus = [self.stage.actors[f"coordinator-{n}"] for n in range(count, running)]
        for actor in surplus:
            assert actor.process is not None
            actor.process.terminate()
        for actor in surplus:
            assert actor.process is not None
            try:
                actor.process.wait(20)
            except subprocess.TimeoutExpired:
                actor.process.kill()
                actor.process.wait()
            actor.process = None

    def sharing(self, count: int) -> bool:
        """Whether so many members have all partitions among them; a static one that left stays for a session."""
        try:
            group = self.admin.describe_consumer_groups([GROUP], request_timeout=10)[GROUP].result(15)
        except KafkaException:
            return False
        shares = [len(m.assignment.topic_partitions) for m in group.members if m.assignment is not None]
        return len(shares) == count and all(shares) and sum(shares) == len(PLACES)

    def events(self, end: float) -> float:
        """Events per second from the last command sent to the last one answered; each of these commands has one event."""
        self._seed += 1
        log = self.stage.log
        before = log.committed(GROUP, PLACES)
        sent = backlog(log, self.commands, self._seed, self.stage.network.chain_id)
        reader = log.reader({place: before.get(place, 0) for place in PLACES}, follow=True)
        ends = reader.high_watermarks()
        reader.close()
        # Some are answered while the rest is still being sent.
        started, done = time.perf_counter(), sum(log.committed(GROUP, PLACES).values())

        def over() -> bool:
            committed = log.committed(GROUP, PLACES)
            return all(committed.get(place, 0) >= last for place, last in ends.items())

        self.until(over, end, "the backlog was not worked off")
        return (sum(before.values()) + sent - done) / (time.perf_counter() - started)

    def pay(self, end: float) -> float:
        """Jobs per second from the first one's command to the last one's payment."""
        load, watch = self.load, self.load.watch
        clients = load.clients
        prepared = [
            (c, c.signer.sign(c.subject, SubmitJob(spec=load.spec(self._seed * 1_000 + n))))
            for n, c in ((n, clients[n % len(clients)]) for n in range(self.jobs))
        ]
        mine = {job_id_of(c.key.address, p.envelope.id) for c, p in prepared}
        started = time.perf_counter()
        load.send([p for _, p in prepared])
        self.until(lambda: all(map(watch.is_over, mine)), end, "not all jobs were over and paid")
        failed = sum(watch.ended[job] != "completed" for job in mine)
        if failed:
            raise TooLate(f"{failed} of {self.jobs} jobs came to no good end")
        return self.jobs / (time.perf_counter() - started)

    def rounds(self, rounds: int) -> None:
        """All rounds that there is time for; forwards and backwards, so that few processes are started and stopped."""
        longest = 0.0
        for n in range(rounds):
            if time.monotonic() + longest > self.end:
                console.print(f"  no time is left for round {n + 1} of {rounds}")
                return
            began = time.monotonic()
            for count in COUNTS if n % 2 == 0 else COUNTS[::-1]:
                self._one(n, count)
            longest = max(longest, time.monotonic() - began)

    def _one(self, n: int, count: int) -> None:
        started = time.monotonic()
        end = min(self.end, started + TURN_S)
        try:
            found: Found = self.turn(count, end)
        except (TooLate, StreamError, subprocess.SubprocessError) as error:
            found = str(error)
            # What died is started again, or every later turn would find the same.
            for name in self.stage.dead():
                self.stage.start(name)
        self.found[count].append(found)
        said = found if isinstance(found, str) else f"{found[0]:,.0f} events/s, {found[1]:.2f} jobs/s"
        took = time.monotonic() - started
        console.print(f"  round {n + 1}, {count} coordinator{'s' if count > 1 else ''}: {said} ({took:.0f} s)")

    def table(self) -> Table:
        """What was found, also when it is not everything."""
        table = Table(
            "coordinators", "events/s (median)", "all rounds", "jobs/s (median)", "all rounds", "failed",
            title=f"{self.workers} workers, 4 validators, {CORES} cores; {self.commands:,} commands, {self.jobs} jobs a turn",
        )  # fmt: skip
        for count, found in self.found.items():
            good = [one for one in found if not isinstance(one, str)]
            cells = []
            for n, digits in ((0, 0), (1, 2)):
                rates = [one[n] for one in good]
                cells.append(f"{statistics.median(rates):,.{digits}f}" if rates else "-")
                cells.append(", ".join(f"{rate:,.{digits}f}" for rate in rates) or "-")
            table.add_row(str(count), *cells, "; ".join(one for one in found if isinstance(one, str)) or "-")
        return table


def run(
    workers: int = WORKERS, jobs: int = JOBS, commands: int = COMMANDS, rounds: int = ROUNDS, seconds: int = SECONDS
) -> None:
    began = time.monotonic()
    bench = Bench(workers, jobs, commands, began + seconds - END_S)
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        console.print(f"  starting a broker, a coordinator, 4 validators and {workers} workers")
        stage = Stage(folder, 1, "classic")
        ends.callback(stage.close)
        try:
            bench.open(stage)
            console.print(f"  all have joined after {time.monotonic() - began:.0f} s")
            bench.rounds(rounds)
        except (bitsage.BitsageError, StreamError, subprocess.SubprocessError) as error:
            console.print(f"  [red]broken off[/red]: {error}")
        finally:
            console.print(bench.table())


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--jobs", type=int, default=JOBS, help="jobs a turn")
    parser.add_argument("--commands", type=int, default=COMMANDS, help="commands of the backlog of a turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="no turn goes on after this time")
    run(**vars(parser.parse_args(words)))


if __name__ == "__main__":
    main()
