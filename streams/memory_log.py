"""InMemoryLog: a stand-in for Kafka in tests, with Kafka's rules.

It keeps: partitions with offsets, control records that leave gaps, transactions with last stable offset and aborts,
fencing by transactional id, group offsets committed with the transaction, rebalancing, the log's start offset, the
size of records, and timestamps (LogAppendTime). It leaves out: disks, networks, time-outs, retention by time, and every
other failure of a distributed system; those are tested on the real broker.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .errors import ClientLost, HistoryLost, RecordTooLarge, TransactionAborted
from .log import Assigned, Outgoing, Place, Record, record_bytes
from .topics import LARGE_RECORD_BYTES, TOPICS, topic_name


@dataclass(slots=True)
class _Entry:
    record: Record | None  # None: a control record
    transaction: int = 0  # 0: not transactional


@dataclass(slots=True)
class _Partition:
    entries: list[_Entry] = field(default_factory=list)
    start: int = 0


@dataclass(slots=True)
class _Group:
    offsets: dict[Place, int] = field(default_factory=dict)
    members: list["MemoryProcessor"] = field(default_factory=list)
    generation: int = 0


class InMemoryLog:
    """One cluster in this process; every method is safe to call from several threads."""

    def __init__(self, clock: "Clock | None" = None) -> None:
        self.lock = threading.RLock()
        self.partitions: dict[Place, _Partition] = {
            (topic_name(name), p): _Partition() for name, topic in TOPICS.items() for p in range(topic.partitions)
        }
        self.groups: dict[str, _Group] = {}
        self.epochs: dict[str, int] = {}
        self.open: dict[int, set[Place]] = {}
        self.first: dict[int, dict[Place, int]] = {}
        self.aborted: set[int] = set()
        self._transactions = 0
        self._clock = clock or Clock()

    # ---- Log ----

    def producer(self) -> "MemoryProducer":
        """A plain producer."""
        return MemoryProducer(self)

    def reader(self, positions: Mapping[Place, int], *, follow: bool) -> "MemoryReader":
        """A reader that starts at these offsets."""
        return MemoryReader(self, positions, follow)

    def processor(
        self, group: str, topics: Sequence[str], transactional_id: str, on_assign: Assigned, on_revoke: Assigned
    ) -> "MemoryProcessor":
        """Join `group`."""
        return MemoryProcessor(self, group, tuple(topics), transactional_id, on_assign, on_revoke)

    def send_atomically(self, transactional_id: str, records: Sequence[Outgoing]) -> None:
        """Write records in one transaction."""
        self.transact(transactional_id, self.fence(transactional_id), records, None, {})

    def first_offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Where each partition begins."""
        with self.lock:
            return {place: self.partitions[place].start for place in places}

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        """The group's committed next offsets."""
        with self.lock:
            offsets = self.groups[group].offsets if group in self.groups else {}
            return {place: offsets[place] for place in places if place in offsets}

    # ---- the broker's side ----

    def fence(self, transactional_id: str) -> int:
        """init_transactions: a new epoch; older producers of this id are fenced."""
        with self.lock:
            self.epochs[transactional_id] = self.epochs.get(transactional_id, 0) + 1
            return self.epochs[transactional_id]

    def append(self, out: Outgoing, transaction: int = 0) -> int:
        """Append one record."""
        with self.lock:
            partition = self.partitions[out.topic, out.partition]
            offset = partition.start + len(partition.entries)
            record = Record(
                out.topic, out.partition, offset, self._clock.now_ms(), out.key, out.value, tuple(out.headers)
            )
            partition.entries.append(_Entry(record, transaction))
            if transaction:
                self.open[transaction].add((out.topic, out.partition))
                self.first[transaction].setdefault((out.topic, out.partition), offset)
            return offset

    def begin(self) -> int:
        """Open a transaction; its number."""
        with self.lock:
            self._transactions += 1
            self.open[self._transactions] = set()
            self.first[self._transactions] = {}
            return self._transactions

    def end(self, transaction: int, *, commit: bool) -> None:
        """Write the control records; they take an offset in every partition that was touched."""
        with self.lock:
            if not commit:
                self.aborted.add(transaction)
            for place in self.open.pop(transaction):
                self.partitions[place].entries.append(_Entry(None, transaction))
            self.first.pop(transaction)

    def transact(
        self,
        transactional_id: str,
        epoch: int,
        records: Sequence[Outgoing],
        group: str | None,
        offsets: Mapping[Place, int],
        *,
        fail: bool = False,
    ) -> dict[Place, int]:
        """A whole transaction; with `fail` it is aborted after its records were written."""
        written: dict[Place, int] = {}
        with self.lock:
            if self.epochs.get(transactional_id) != epoch:
                raise ClientLost(f"{transactional_id} was fenced")
            transaction = self.begin()
            for index, record in enumerate(records):
                if is_too_large(record):
                    self.end(transaction, commit=False)
                    raise RecordTooLarge("a record is larger than its topic takes", index)
                written[record.topic, record.partition] = self.append(record, transaction) + 1
            self.end(transaction, commit=not fail)
            if fail:
                raise TransactionAborted("the transaction was aborted")
            if group is not None:
                self.groups[group].offsets.update(offsets)
            return written

    def stable_end(self, place: Place) -> int:
        """The last stable offset: where the oldest open transaction begins, else the end."""
        with self.lock:
            return min([self.end_of(place), *(f[place] for f in self.first.values() if place in f)])

    def end_of(self, place: Place) -> int:
        """The high watermark."""
        partition = self.partitions[place]
        return partition.start + len(partition.entries)

    def trim(self, place: Place, start: int) -> None:
        """Delete records below `start`, as retention does."""
        with self.lock:
            partition = self.partitions[place]
            del partition.entries[: start - partition.start]
            partition.start = start

    def fetch(self, place: Place, position: int, most: int) -> tuple[list[Record], int]:
        """Committed records from `position` on, and the position after them."""
        with self.lock:
            partition = self.partitions[place]
            if position < partition.start:
                raise HistoryLost(f"{place[0]}[{place[1]}]: offset {position} is below {partition.start}")
            found: list[Record] = []
            stable = self.stable_end(place)
            while position < stable and len(found) < most:
                entry = partition.entries[position - partition.start]
                position += 1
                if entry.record is not None and entry.transaction not in self.aborted:
                    found.append(entry.record)
            return found, position


class Clock:
    """The broker's clock; tests set `offset_ms` to move it."""

    def __init__(self) -> None:
        self.offset_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000 + self.offset_ms


def is_too_large(record: Outgoing) -> bool:
    """Whether the record's topic would refuse it (every topic here takes as much as the largest does)."""
    return record_bytes(record.key, record.value, record.headers) > LARGE_RECORD_BYTES


class MemoryProducer:
    """A plain producer of an InMemoryLog."""

    def __init__(self, log: InMemoryLog) -> None:
        self._log = log
        self._last = -1

    def send(self, record: Outgoing) -> int:
        """Write one record."""
        self.send_many([record])
        with self._log.lock:
            return self._last

    def send_many(self, records: Sequence[Outgoing]) -> None:
        """Write records in order."""
        with self._log.lock:
            for index, record in enumerate(records):
                if is_too_large(record):
                    raise RecordTooLarge("the record is larger than its topic takes", index)
                self._last = self._log.append(record)

    def close(self) -> None:
        """Nothing to give back."""


class MemoryReader:
    """A reader of an InMemoryLog."""

    def __init__(self, log: InMemoryLog, positions: Mapping[Place, int], follow: bool) -> None:
        self._log = log
        self._positions = dict(positions)
        self._ends = None if follow else self.end_offsets()
        for place in self._positions:
            log.fetch(place, self._positions[place], 0)

    def read(self, max_records: int, timeout: float) -> list[Record]:
        """The next records."""
        deadline = time.monotonic() + timeout
        while True:
            found: list[Record] = []
            for place in self._positions:
                if self._ends is not None and self._positions[place] >= self._ends[place]:
                    continue
                records, self._positions[place] = self._log.fetch(
                    place, self._positions[place], max_records - len(found)
                )
                found += records
            if found or self._ends is not None or time.monotonic() >= deadline:
                return found
            time.sleep(0.002)

    def end_offsets(self) -> dict[Place, int]:
        """The last stable offsets."""
        return {place: self._log.stable_end(place) for place in self._positions}

    def high_watermarks(self) -> dict[Place, int]:
        """The ends, open transactions included."""
        with self._log.lock:
            return {place: self._log.end_of(place) for place in self._positions}

    def has_read(self, ends: Mapping[Place, int]) -> bool:
        """Whether everything below these ends has been read."""
        return all(self._positions[place] >= end for place, end in ends.items())

    def settled_ends(self) -> dict[Place, int]:
        """The ends once every transaction that is open now has ended."""
        high = self.high_watermarks()
        while True:
            with self._log.lock:
                ends = self.end_offsets()
                if all(ends[place] >= end for place, end in high.items()):
                    return ends
            time.sleep(0.002)

    def close(self) -> None:
        """Nothing to give back."""


class MemoryProcessor:
    """A group member of an InMemoryLog."""

    def __init__(
        self,
        log: InMemoryLog,
        group: str,
        topics: tuple[str, ...],
        transactional_id: str,
        on_assign: Assigned,
        on_revoke: Assigned,
    ) -> None:
        self._log = log
        self._name = group
        self._topics = topics
        self._transactional_id = transactional_id
        self._callbacks = (on_assign, on_revoke)
        self._epoch = log.fence(transactional_id)
        self._positions: dict[Place, int] = {}
        self._generation = -1
        #: Tests set it to make the next commits abort.
        self.fail_commits = 0
        with log.lock:
            self._group = log.groups.setdefault(group, _Group())
            # A static member that comes back takes its old place.
            self._group.members[:] = [m for m in self._group.members if m._transactional_id != transactional_id]
            self._group.members.append(self)
            self._group.generation += 1

    def poll_batch(self, max_records: int, timeout: float) -> list[Record]:
        """The next records of the assigned partitions."""
        deadline = time.monotonic() + timeout
        while True:
            self._rebalance()
            found: list[Record] = []
            for place, position in self._positions.items():
                records, self._positions[place] = self._log.fetch(place, position, max_records - len(found))
                found += records
            if found or time.monotonic() >= deadline:
                return found
            time.sleep(0.002)

    def _rebalance(self) -> None:
        with self._log.lock:
            if self._generation == self._group.generation:
                return
            self._generation = self._group.generation
            if self not in self._group.members:
                raise ClientLost(f"{self._transactional_id} was fenced")
            members, me = self._group.members, self._group.members.index(self)
            places = sorted(p for p in self._log.partitions if p[0] in self._topics)
            mine = {p for p in places if p[1] % len(members) == me}
            offsets = {p: self._group.offsets.get(p, 0) for p in mine}
        gone = sorted({p for _, p in self._positions.keys() - mine})
        fresh = sorted({p for _, p in mine - self._positions.keys()})
        self._positions = {p: self._positions.get(p, offsets[p]) for p in mine}
        if gone:
            self._callbacks[1](gone)
        if fresh:
            self._callbacks[0](fresh)

    def commit(self, outgoing: Sequence[Outgoing], offsets: Mapping[Place, int]) -> dict[Place, int]:
        """Write `outgoing` and the offsets in one transaction."""
        with self._log.lock:
            if self._log.epochs[self._transactional_id] != self._epoch:
                raise ClientLost(f"{self._transactional_id} was fenced")
            if self._generation != self._group.generation:
                raise TransactionAborted("the group was rebalanced")
            fail, self.fail_commits = self.fail_commits > 0, max(0, self.fail_commits - 1)
            return self._log.transact(self._transactional_id, self._epoch, outgoing, self._name, offsets, fail=fail)

    def rewind(self) -> None:
        """Seek back to the last committed offsets."""
        with self._log.lock:
            self._positions = {p: self._group.offsets.get(p, 0) for p in self._positions}

    def close(self) -> None:
        """Leave the group."""
        with self._log.lock:
            if self in self._group.members:
                self._group.members.remove(self)
                self._group.generation += 1
