"""A small handler for the exactly-once loop, and a loop running in a thread."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from bitsage.streams.errors import PermanentFailure
from bitsage.streams.log import Log, Outgoing, Record
from bitsage.streams.loop import Loop
from bitsage.streams.topics import topic_name

COMMANDS, ACCOUNTS, DEAD = (topic_name(t) for t in ("commands", "accounts", "deadletters"))


class Echo:
    """Writes one event a record, numbered per key; state is folded from its own output, like the coordinator's."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, bytes], int] = {}
        self.staged: dict[tuple[int, bytes], int] = {}
        self.broken = True

    def assigned(self, partitions: Sequence[int], log: Log) -> None:
        reader = log.reader({(ACCOUNTS, p): 0 for p in partitions}, follow=False)
        reader.settled_ends()
        reader.close()
        reader = log.reader({(ACCOUNTS, p): 0 for p in partitions}, follow=False)
        while records := reader.read(1_000, 1.0):
            for record in records:
                self.counts[record.partition, record.key or b""] = int((record.value or b"").rsplit(b":", 1)[1])
        reader.close()

    def revoked(self, partitions: Sequence[int], *, clean: bool) -> None:
        self.counts = {place: n for place, n in self.counts.items() if place[0] not in partitions}
        self.staged.clear()

    def keys(self) -> set[bytes]:
        return {key for _, key in self.counts}

    def handle(self, record: Record) -> Sequence[Outgoing]:
        key, place = record.key or b"", (record.partition, record.key or b"")
        if record.value == b"garbage":
            raise PermanentFailure("malformed", "garbage", park=False)
        if record.value == b"bug" and self.broken:
            raise PermanentFailure("decider_failed", "ValueError", park=True)
        n = self.staged.get(place, self.counts.get(place, 0)) + 1
        self.staged[place] = n
        value = (record.value or b"") * (2_000_000 if record.value == b"huge" else 1)
        return [Outgoing(ACCOUNTS, record.partition, key, value + b":%d" % n)]

    def committed(self, written: Any) -> None:
        self.counts |= self.staged
        self.staged.clear()

    def aborted(self) -> None:
        self.staged.clear()


class Running:
    """A loop in a thread, from `with` to its end; `failure` holds what ended it."""

    def __init__(
        self, log: Any, handler: Any, *, transactional_id: str = "t", batch: int = 10, group: str = "g", **options: Any
    ) -> None:
        self.stop = threading.Event()
        self.failure: list[BaseException] = []
        loop = Loop(
            log, handler, group=group, topics=[COMMANDS], transactional_id=transactional_id, batch=batch, version="7",
            **options,
        )  # fmt: skip

        def body() -> None:
            try:
                loop.run(self.stop)
            except BaseException as error:
                self.failure.append(error)

        self.thread = threading.Thread(target=body)

    def __enter__(self) -> "Running":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "the loop does not end"


def send(log: Any, *values: str, key: bytes | None = b"k", partition: int = 0) -> None:
    producer = log.producer()
    producer.send_many([Outgoing(COMMANDS, partition, key, v.encode(), (("h", b"1"),)) for v in values])
    producer.close()


def values(log: Any, topic: str = ACCOUNTS) -> list[bytes]:
    reader = log.reader({(topic, p): 0 for p in range(6)}, follow=False)
    found = []
    while records := reader.read(1_000, 1.0):
        found += [r.value or b"" for r in records]
    reader.close()
    return found


def wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)
