"""A transactional producer (KIP-98, KIP-447), with librdkafka.

After any error whose outcome is unknown the producer is thrown away; `init_transactions` of the next one with its id
fences what may still be under way (librdkafka has no KIP-890 yet).
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from .errors import ClientLost, RecordTooLarge, TransactionAborted
from .log import Outgoing, Place
from .topics import LARGE_RECORD_BYTES

TRANSACTION_SECONDS: Final = 20.0
OFFSETS_SECONDS: Final = 10.0
#: After this time the broker ends the transaction of a process that was killed; until then nobody reads past it, and no
#: other member takes its partitions over. Not less: with 12 s a broker that stalled ended a transaction whose records were
#: still on their way, and those then stayed open for ever (a client without KIP-890 cannot prevent it).
TRANSACTION_MS: Final = 30_000
#: A request is given up long before.
SOCKET_MS: Final = 20_000
_TOO_LARGE: Final = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE)

Delivered = Callable[[KafkaError | None, Any], None]


def transactional_settings(settings: Mapping[str, Any], transactional_id: str) -> dict[str, Any]:
    """The producer's settings for exactly-once output."""
    return {
        "reconnect.backoff.max.ms": 1_000,
        **settings,
        # Back-to-back transactions meet the markers of the one before; the default back-off of 100 ms would be their pace.
        "retry.backoff.ms": 2,
        "retry.backoff.max.ms": 20,
        "transactional.id": transactional_id,
        "linger.ms": 0,
        "acks": "all",
        "socket.timeout.ms": SOCKET_MS,
        "transaction.timeout.ms": TRANSACTION_MS,
        "message.max.bytes": LARGE_RECORD_BYTES,
        "queue.buffering.max.messages": 500_000,
    }


def produce(producer: Producer, record: Outgoing, on_delivery: Delivered | None) -> None:
    """Hand one record to librdkafka, waiting while its queue is full.

    Raises:
        KafkaException: librdkafka does not take it.
    """
    while True:
        try:
            producer.produce(
                record.topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=list(record.headers),
                on_delivery=on_delivery,
            )
            return
        except BufferError:
            producer.poll(0.05)


def is_too_large(error: KafkaError) -> bool:
    """Whether a record was larger than client or topic take."""
    return error.code() in _TOO_LARGE


class TransactionalProducer:
    """One transactional id; everything of one `commit` is written, or nothing.

    Raises:
        ClientLost: the id could not be taken (no broker, not allowed).
    """

    def __init__(self, settings: Mapping[str, Any], transactional_id: str) -> None:
        self._producer = Producer(transactional_settings(settings, transactional_id))
        self._open = False
        try:
            self._producer.init_transactions(TRANSACTION_SECONDS)
        except KafkaException as error:
            raise ClientLost(f"the transactional producer could not start: {error.args[0].str()}") from error

    def commit(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Place, int] | None = None, member: Any = None
    ) -> dict[Place, int]:
        """Write `outgoing`, and the offsets of the group of `member` (its consumer_group_metadata).

        Returns:
            The offset behind the last record in each place that was written to.

        Raises:
            RecordTooLarge: nothing was written, and nothing will be with this record in it.
            TransactionAborted: nothing was written.
            ClientLost: the outcome is unknown, or another producer took the id over.
        """
        failed: list[tuple[int, KafkaError]] = []
        written: dict[Place, int] = {}
        try:
            self._producer.begin_transaction()
            self._open = True
            for index, record in enumerate(outgoing):
                self._write(index, record, failed, written)
            # Before the offsets: AddOffsetsToTxn then meets no unfinished AddPartitionsToTxn.
            self._producer.flush(TRANSACTION_SECONDS)
            if failed:
                raise KafkaException(failed[0][1])
            if offsets:
                places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
                self._send_offsets(places, member)
        except KafkaException as error:
            self._abort(error, failed)
        except SystemError as error:
            # The binding calls our callbacks with a fatal error already raised; that error is the cause.
            if not isinstance(error.__cause__, KafkaException):
                raise
            self._abort(error.__cause__, failed)
        self._end()
        return written

    def _send_offsets(self, places: list[TopicPartition], member: Any) -> None:
        """Ask for the offsets, giving up by our own clock: librdkafka's time-out is not kept (its issue 5456)."""
        failure: list[BaseException] = []

        def ask() -> None:
            try:
                self._producer.send_offsets_to_transaction(places, member, TRANSACTION_SECONDS)
            # Raised again in the thread that asked.
            except BaseException as error:  # noqa: BLE001
                failure.append(error)

        asking = threading.Thread(target=ask, name="send-offsets", daemon=True)
        asking.start()
        asking.join(OFFSETS_SECONDS)
        if asking.is_alive():
            # The call still holds the producer: no abort is possible, the next one with its id fences it.
            self._open = False
            raise ClientLost("the group's coordinator did not answer in time")
        if failure:
            raise failure[0]

    def _write(
        self, index: int, record: Outgoing, failed: list[tuple[int, KafkaError]], written: dict[Place, int]
    ) -> None:
        place = (record.topic, record.partition)

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                failed.append((index, error))
            else:
                written[place] = max(written.get(place, 0), message.offset() + 1)

        try:
            produce(self._producer, record, delivered)
        except KafkaException as error:
            failed.append((index, error.args[0]))
            raise

    def _end(self) -> None:
        try:
            self._producer.commit_transaction(TRANSACTION_SECONDS)
            self._open = False
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._abort(error, [])
            raise ClientLost(f"the outcome of a commit is unknown: {error.args[0].str()}") from error

    def _abort(self, cause: KafkaException, failed: Sequence[tuple[int, KafkaError]]) -> None:
        error = cause.args[0]
        if error.fatal():
            raise ClientLost(f"fenced or fatal: {error.str()}") from cause
        try:
            self._producer.abort_transaction(TRANSACTION_SECONDS)
            self._open = False
        except KafkaException as again:
            raise ClientLost(f"the outcome of an abort is unknown: {again.args[0].str()}") from cause
        # One failure fails what is queued behind it too; the size is the cause.
        for index, failure in failed:
            if is_too_large(failure):
                raise RecordTooLarge(f"a record is larger than its topic takes: {failure.str()}", index) from cause
        raise TransactionAborted(error.str()) from cause

    def close(self) -> None:
        """Abort what is open."""
        if self._open:
            with contextlib.suppress(KafkaException):
                self._producer.abort_transaction(TRANSACTION_SECONDS)
            self._open = False


__all__ = ["TRANSACTION_SECONDS", "TransactionalProducer", "is_too_large", "produce", "transactional_settings"]
