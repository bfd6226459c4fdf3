"""What the product asks of a log. `KafkaLog` is the real one; `InMemoryLog` stands in for it in tests.

Both pass one contract suite (tests/streams/test_log_contract.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

Headers = tuple[tuple[str, bytes | None], ...]
#: (topic, partition)
Place = tuple[str, int]
#: Lengths around a header, and around a record in its batch (Kafka's record format, version 2), rounded up.
_HEADER_BYTES: Final = 12
_RECORD_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it stands in the log; `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def subject(self) -> str:
        """The key as text, for a log line: what it is about, as far as whoever wrote it tells; at most 80 characters."""
        text = (self.key or b"")[:80].decode("ascii", "replace")
        return "".join(c if c.isprintable() else "?" for c in text)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be written."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def record_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """An upper bound of what a record takes in a batch."""
    named = sum(len(name.encode()) + len(content or b"") + _HEADER_BYTES for name, content in headers)
    return len(key or b"") + len(value or b"") + named + _RECORD_BYTES


class Producer(Protocol):
    """Idempotent, acknowledged by all replicas; for people's commands, votes and heartbeats."""

    def send(self, record: Outgoing) -> int:
        """Write one record; its offset, once it is durable.

        Raises:
            RecordTooLarge: it is larger than its topic takes.
            BrokerUnreachable: no acknowledgement came in time.
        """

    def send_many(self, records: Sequence[Outgoing]) -> None:
        """Write records in order and wait until all are durable.

        Raises:
            RecordTooLarge: one is larger than its topic takes; others may have been written.
            BrokerUnreachable: no acknowledgement came in time.
        """

    def close(self) -> None:
        """Give the connection back."""


class Reader(Protocol):
    """Reads committed records from given offsets; no group, no side effect."""

    def read(self, max_records: int, timeout: float) -> list[Record]:
        """The next records, in order per partition.

        A following reader returns [] when nothing came in `timeout` seconds. Another returns [] only when everything
        that was committed when it was opened has been read.

        Raises:
            HistoryLost: an offset lies below the log's start.
            BrokerUnreachable: no broker answered.
        """

    def end_offsets(self) -> dict[Place, int]:
        """The last stable offset of each partition now."""

    def high_watermarks(self) -> dict[Place, int]:
        """The end of each partition now, open transactions included.

        Raises:
            BrokerUnreachable: no broker answered.
        """

    def has_read(self, ends: Mapping[Place, int]) -> bool:
        """Whether `read` has returned everything below these ends that it ever will."""

    def settled_ends(self) -> dict[Place, int]:
        """The end of each partition once no transaction is open in it of those open now (waits for that)."""

    def close(self) -> None:
        """Give the connection back."""


class ProcessorClient(Protocol):
    """A member of a consumer group whose output and offsets are committed together."""

    def poll_batch(self, max_records: int, timeout: float) -> list[Record]:
        """The next records of the assigned partitions; may call the assignment callbacks.

        Raises:
            HistoryLost: the group's offset lies below the log's start, or a new group would start above 0.
            ClientLost: the member is fenced or the connection is lost for good.
        """

    def commit(self, outgoing: Sequence[Outgoing], offsets: Mapping[Place, int]) -> dict[Place, int]:
        """Write `outgoing` and the group's next offsets in one transaction; the offset behind the last record of each place.

        Raises:
            TransactionAborted: nothing was written; `rewind` and try again.
            RecordTooLarge: the same, and it would happen again.
            ClientLost: the outcome is unknown, or another member took over.
        """

    def rewind(self) -> None:
        """Seek back to the last committed offsets."""

    def close(self) -> None:
        """Leave; an open transaction is aborted."""


Assigned = Callable[[Sequence[int]], None]


class Log(Protocol):
    """A cluster."""

    def producer(self) -> Producer:
        """A plain producer."""

    def reader(self, positions: Mapping[Place, int], *, follow: bool) -> Reader:
        """A reader that starts at these offsets."""

    def processor(
        self, group: str, topics: Sequence[str], transactional_id: str, on_assign: Assigned, on_revoke: Assigned
    ) -> ProcessorClient:
        """Join `group`; the callbacks are told partition numbers (the topics share them)."""

    def send_atomically(self, transactional_id: str, records: Sequence[Outgoing]) -> None:
        """Write records in one transaction.

        Raises:
            TransactionAborted: nothing was written (`RecordTooLarge`: nor will it be).
            ClientLost: the outcome is unknown.
        """

    def first_offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Where each partition begins: 0, or above it once retention has removed records.

        Raises:
            BrokerUnreachable: no broker answered.
        """

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        """The group's committed next offsets; places without one are left out."""
