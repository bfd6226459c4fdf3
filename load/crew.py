"""A process of several workers, as a machine with many cards runs them: HOME BOOTSTRAP CREW. Ends with SIGTERM.

The workers are the product's (`nodes/crew.py`). What this adds is one connection for all of them, and a file with the ids
of the commands that the broker acknowledged, which the run counts afterwards.
"""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import bitsage
from bitsage.cli.process import serve
from bitsage.nodes.crew import Crew
from bitsage.nodes.jobwork import ProofWork, prove_attempt
from bitsage.nodes.openjobs import OpenJob
from bitsage.nodes.worker import Progress, WorkerNode
from bitsage.streams.kafka_log import KafkaLog, KafkaProducer
from bitsage.streams.log import Log, Outgoing
from bitsage.streams.topics import topic_name

COMMANDS = topic_name("commands")


class SharedProducer:
    """One producer for all accounts of a process; `acknowledged` gets a line for every command that is durable."""

    def __init__(self, producer: KafkaProducer, acknowledged: Path) -> None:
        self._producer = producer
        # Unbuffered appends of one line each: a process that is killed leaves no half of one.
        self._file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def send(self, record: Outgoing) -> int:
        offset = self._producer.send(record)
        self._note([record])
        return offset

    def send_many(self, records: Sequence[Outgoing]) -> None:
        self._producer.send_many(records)
        self._note(records)

    def _note(self, records: Sequence[Outgoing]) -> None:
        ids = [dict(r.headers)["ce_id"] or b"" for r in records if r.topic == COMMANDS]
        if ids:
            os.write(self._file, b"".join(identifier + b"\n" for identifier in ids))

    def close(self) -> None:
        """Left open: the others go on using it, and every send waits for its own acknowledgement."""


class SharedLog(KafkaLog):
    """A log whose producers are one."""

    def __init__(self, bootstrap: str, acknowledged: Path) -> None:
        super().__init__({"bootstrap.servers": bootstrap})
        self._shared = SharedProducer(super().producer(), acknowledged)

    def producer(self) -> SharedProducer:
        return self._shared


_turn = threading.Semaphore(1)


def one_at_a_time(job: OpenJob, worker: bytes, progress: Progress | None) -> ProofWork:
    """The product's prover; the accounts of a process share its interpreter, so proofs side by side would only all be late."""
    with _turn:
        return prove_attempt(job, worker, progress)


def main() -> None:
    home, bootstrap, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    network = bitsage.read_network(home / "network.json")
    keystores = sorted((home / "keystores").glob(f"{name}-*.json"))
    keys = {path.stem: bitsage.load_keystore(path, os.environ["SAGE_PASSWORD"]) for path in keystores}
    folder = home / "nodes" / name

    def make(_: Log) -> Crew:
        log = SharedLog(bootstrap, home / f"acknowledged-{name}.txt")
        nodes = [
            WorkerNode(bitsage.Client(log, network, key), folder / stem, produce=one_at_a_time)
            for stem, key in keys.items()
        ]
        return Crew(nodes, folder)

    serve(name, make)


if __name__ == "__main__":
    main()
