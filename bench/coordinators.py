"""Events per second with 1, 2 and 4 coordinator processes that share the partitions, on one backlog each, interleaved.

The processes are `run_processors` alone, as in the bench `loop`; brokers and coordinators share this machine's cores, so
beyond their number more processes bring nothing here.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from loop import GROUP, PLACES, backlog

from bitsage.streams.admin import create_topics
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_kafka import LocalKafka

ROUNDS, COMMANDS, COUNTS = 3, 6_000, (1, 2, 4)
LOOP = Path(__file__).parent / "loop.py"


def throughput(log: KafkaLog, bootstrap: str, folder: Path, count: int, seed: int) -> float:
    """Events per second from the first answer to the last; each of these commands has one event."""
    before = sum(log.committed(GROUP, PLACES).values())
    command = [sys.executable, str(LOOP), bootstrap, str(folder), "1000"]
    # Idle until all have their partitions: what is measured is the work and not the starting.
    members = [subprocess.Popen([*command, f"c{n}"], stdout=subprocess.DEVNULL) for n in range(count)]
    try:
        time.sleep(8 + 2 * count)
        started = time.perf_counter()
        total = backlog(log, COMMANDS, seed)
        sent = time.perf_counter()
        while sum(log.committed(GROUP, PLACES).values()) - before < total:
            time.sleep(0.02)
        # Signing the backlog takes this process's time, before the first of it is sent.
        return total / (time.perf_counter() - max(started, sent))
    finally:
        for member in members:
            member.terminate()
        for member in members:
            member.wait(60)
        # Static members keep their places for a session; the next round has others.
        time.sleep(7)


def run() -> None:
    rates: dict[int, list[float]] = {count: [] for count in COUNTS}
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka") as kafka:
        settings = {"bootstrap.servers": kafka.bootstrap}
        create_topics(settings)
        log = KafkaLog(settings)
        for n in range(ROUNDS):
            for count in COUNTS:
                rates[count].append(throughput(log, kafka.bootstrap, Path(folder), count, 100 + 10 * n + count))
    table = Table(
        "coordinators", "events/s (median)", "all rounds", title="one backlog, shared by coordinator processes"
    )
    for count, found in rates.items():
        table.add_row(str(count), f"{statistics.median(found):,.0f}", ", ".join(f"{r:,.0f}" for r in found))
    Console().print(table)
