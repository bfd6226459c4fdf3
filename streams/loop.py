"""The exactly-once loop: records in, events out, offsets with them, in one transaction (KIP-98, KIP-447).

A record that can never be handled becomes a dead letter in the same transaction, and the loop goes on. Nothing that a
stranger writes and nothing that a broker does ends it; only lost history does, because a person has to decide then.
"""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from .deadletters import dead_letter
from .errors import BrokerUnreachable, ClientLost, PermanentFailure, RecordTooLarge, TransactionAborted
from .log import Log, Outgoing, Place, ProcessorClient, Record
from .parked import ParkedKeys
from .seal import Sealer

logger = structlog.get_logger(__name__)
_POLL_S: Final = 0.25
_BACKOFF_S: Final = (0.05, 5.0)
_MOST_FAILURES: Final = 10


class Handler(Protocol):
    """What the loop drives. State changes of a batch are staged until `committed`."""

    def assigned(self, partitions: Sequence[int], log: Log) -> None:
        """These partitions are ours: fold their output topics up to the end."""

    def revoked(self, partitions: Sequence[int], *, clean: bool) -> None:
        """These partitions are no longer ours; unless `clean`, the log may be ahead of the state."""

    def handle(self, record: Record) -> Sequence[Outgoing]:
        """Answer one record.

        Raises:
            PermanentFailure: it can never be handled.
        """

    def committed(self, written: Mapping[Place, int]) -> None:
        """The batch is durable; `written`: the offset behind its last record in each partition that it wrote to."""

    def aborted(self) -> None:
        """The batch left no trace."""


@dataclass(slots=True)
class _Answers:
    """What a batch entails; `sources[i]` is the record that `outgoing[i]` answers."""

    outgoing: list[Outgoing] = field(default_factory=list)
    sources: list[Record] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)

    def add(self, record: Record, outgoing: Sequence[Outgoing]) -> None:
        self.outgoing += outgoing
        self.sources += [record] * len(outgoing)


class Loop:
    """Drives one handler; one consumer and one producer, in the thread that calls `run`.

    Args:
        log: the cluster.
        handler: what answers.
        group: the consumer group.
        topics: its input topics; all have the same number of partitions.
        transactional_id: this instance's own, the same at every start; also its static name in the group.
        batch: the most records of one transaction.
        version: the processor's, for dead letters.
        sealer: seals dead letters; a letter or redrive mark without a good seal then counts for nothing.
        never_parked: records that are handled even if their key waits, and never make it wait (votes).
    """

    def __init__(
        self,
        log: Log,
        handler: Handler,
        *,
        group: str,
        topics: Sequence[str],
        transactional_id: str,
        batch: int = 1000,
        version: str = "0",
        sealer: Sealer | None = None,
        never_parked: Callable[[Record], bool] = lambda _: False,
    ) -> None:
        self._log = log
        self._handler = handler
        self._group = group
        self._topics = topics
        self._transactional_id = transactional_id
        self._batch = batch
        self._version = version
        self._sealer = sealer
        self._never_parked = never_parked
        self._partitions: set[int] = set()
        self._parked = ParkedKeys(log, None if sealer is None else sealer.check())
        #: (topic, partition, offset) of records whose answer no topic takes
        self._unanswerable: set[tuple[str, int, int]] = set()
        self._failures = 0

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set; the open batch is finished first.

        Raises:
            HistoryLost: records that were never handled are gone; a person has to decide.
        """
        while not stop.is_set():
            client: ProcessorClient | None = None
            try:
                client = self._log.processor(
                    self._group, self._topics, self._transactional_id, self._on_assign, self._on_revoke
                )
                self._serve(client, stop)
                # While the partitions are still ours: afterwards another member may write to them.
                self._leave()
            except (ClientLost, BrokerUnreachable) as error:
                # The last batch may or may not be in the log: only folding it again tells.
                logger.warning("client_lost", error=str(error), group=self._group)
                self._handler.aborted()
                self._lose(clean=False)
                self._pause(stop)
            finally:
                if client is not None:
                    client.close()

    def _serve(self, client: ProcessorClient, stop: threading.Event) -> None:
        while not stop.is_set():
            # Smaller batches after failures: one that cannot be written in time would fail for ever.
            records = client.poll_batch(max(1, self._batch >> self._failures), _POLL_S)
            if not records:
                continue
            self._parked.refresh(records)
            answers = self._answer(records)
            try:
                written = client.commit(answers.outgoing, answers.offsets)
            except (TransactionAborted, RecordTooLarge) as error:
                logger.warning("transaction_aborted", error=str(error), records=len(records))
                if isinstance(error, RecordTooLarge):
                    self._unanswerable.add(_place(answers.sources[error.index]))
                self._handler.aborted()
                self._parked.aborted()
                client.rewind()
                self._pause(stop)
                continue
            self._failures = 0
            self._unanswerable.clear()
            self._parked.committed()
            self._handler.committed(written)

    def _answer(self, records: Sequence[Record]) -> _Answers:
        answers = _Answers()
        for record in records:
            answers.offsets[record.topic, record.partition] = record.offset + 1
            try:
                answers.add(record, self._handle(record))
            except PermanentFailure as error:
                park = error.park and not self._never_parked(record)
                topic, partition, offset = _place(record)
                logger.error(
                    "dead_letter",
                    subject=record.subject,
                    topic=topic,
                    partition=partition,
                    offset=offset,
                    code=error.code,
                )
                letter = dead_letter(record, error.code, str(error), park, self._version, self._sealer)
                answers.add(record, [letter])
                if park:
                    self._parked.park(record)
        return answers

    def _handle(self, record: Record) -> Sequence[Outgoing]:
        if _place(record) in self._unanswerable:
            raise PermanentFailure("answer_too_large", "its answer is larger than a topic takes", park=False)
        if record in self._parked and not self._never_parked(record):
            raise PermanentFailure("parked", "its key waits for a redrive", park=True)
        return self._handler.handle(record)

    def _on_assign(self, partitions: Sequence[int]) -> None:
        self._parked.assigned(partitions)
        self._handler.assigned(partitions, self._log)
        self._partitions.update(partitions)

    def _on_revoke(self, partitions: Sequence[int]) -> None:
        mine = [p for p in partitions if p in self._partitions]
        self._partitions.difference_update(mine)
        self._parked.revoked(mine)
        self._handler.revoked(mine, clean=True)

    def _lose(self, *, clean: bool) -> None:
        mine = sorted(self._partitions)
        self._partitions.clear()
        self._parked.revoked(mine)
        self._handler.revoked(mine, clean=clean)

    def _leave(self) -> None:
        try:
            self._lose(clean=True)
        except BrokerUnreachable as error:
            # What the handler would still have kept is only a shortcut for its next start.
            logger.warning("left_without_broker", error=str(error), group=self._group)

    def _pause(self, stop: threading.Event) -> None:
        low, high = _BACKOFF_S
        stop.wait(random.uniform(0.5, 1.0) * min(high, low * 2**self._failures))  # jitter only, nothing secret
        self._failures = min(self._failures + 1, _MOST_FAILURES)


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset
