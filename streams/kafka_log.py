"""KafkaLog: the real log, by confluent-kafka (librdkafka)."""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from .errors import BadSettings, BrokerUnreachable, RecordTooLarge
from .kafka_processor import CLASSIC, CONSUMER, KafkaProcessor
from .kafka_reader import EARLIEST, KafkaReader, offsets_of, unreachable
from .kafka_transactions import TransactionalProducer, is_too_large, produce
from .log import Assigned, Outgoing, Place
from .topics import LARGE_RECORD_BYTES

_TIMEOUT_S = 30.0
#: A broker that has just started looks for the group's coordinator, and that one loads the group.
_COORDINATOR_COMES = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE}
)
#: What librdkafka would print on stderr goes to this logger; what matters comes back as errors of the calls.
_LIBRARY_LOG = logging.getLogger("librdkafka")
_LIBRARY_LOG.addHandler(logging.NullHandler())


def _note(error: KafkaError) -> None:
    # Without an own callback a fatal error is raised in the middle of other callbacks; the calls report it themselves.
    _LIBRARY_LOG.debug("%s", error.str())


_QUIET: dict[str, Any] = {"log_level": 3, "logger": _LIBRARY_LOG, "error_cb": _note}


class KafkaLog:
    """One cluster; `settings` are confluent-kafka's own keys (bootstrap.servers, SASL, TLS).

    Raises:
        BadSettings: `group.protocol` is neither `classic` nor `consumer` (KIP-848).
    """

    def __init__(self, settings: Mapping[str, Any], *, timeout: float = _TIMEOUT_S) -> None:
        # A member's alone: readers and producers would warn that it is not for them.
        self._protocol = str(settings.get("group.protocol", CLASSIC)).lower()
        if self._protocol not in (CLASSIC, CONSUMER):
            raise BadSettings("group.protocol is 'classic' or 'consumer'")
        self._settings = {**_QUIET, **{key: value for key, value in settings.items() if key != "group.protocol"}}
        self._timeout = timeout

    def check(self) -> None:
        """Ask the cluster for its metadata.

        Raises:
            BrokerUnreachable: no broker answered.
        """
        try:
            self._admin.list_topics(timeout=min(5.0, self._timeout))
        except KafkaException as error:
            raise BrokerUnreachable(unreachable(self._settings, error.args[0].str())) from None

    def producer(self) -> "KafkaProducer":
        """An idempotent producer with acks=all."""
        return KafkaProducer(self._settings, self._timeout)

    def reader(self, positions: Mapping[Place, int], *, follow: bool) -> "KafkaReader":
        """A reader that starts at these offsets."""
        return KafkaReader(self._settings, self._admin, positions, follow, self._timeout)

    def processor(
        self, group: str, topics: Sequence[str], transactional_id: str, on_assign: Assigned, on_revoke: Assigned
    ) -> KafkaProcessor:
        """Join `group`."""
        return KafkaProcessor(self._settings, group, topics, transactional_id, on_assign, on_revoke, self._protocol)

    def send_atomically(self, transactional_id: str, records: Sequence[Outgoing]) -> None:
        """Write records in one transaction."""
        producer = TransactionalProducer(self._settings, transactional_id)
        try:
            producer.commit(records)
        finally:
            producer.close()

    def first_offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Where each partition begins."""
        return offsets_of(self._admin, self._settings, places, EARLIEST, self._timeout)

    @cached_property
    def _admin(self) -> AdminClient:
        """One connection for all questions; librdkafka's clients are safe to call from several threads."""
        admin = AdminClient(self._settings)
        # Without metadata librdkafka's first list_offsets may wait for seconds (its back-off) before it asks anybody.
        with contextlib.suppress(KafkaException):
            admin.list_topics(timeout=min(5.0, self._timeout))
        return admin

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        """The group's committed next offsets."""
        # Not the admin client's list_consumer_group_offsets: librdkafka ends the process when its answer is
        # COORDINATOR_LOAD_IN_PROGRESS (seen with 2.16). This consumer joins nothing; it only asks.
        consumer = Consumer({**self._settings, "group.id": group, "enable.auto.commit": False})
        wanted = [TopicPartition(topic, partition) for topic, partition in places]
        deadline = time.monotonic() + self._timeout
        try:
            while True:
                try:
                    answer = consumer.committed(wanted, self._timeout)
                    return {(t.topic, t.partition): t.offset for t in answer if t.offset >= 0}
                except KafkaException as error:
                    if error.args[0].code() not in _COORDINATOR_COMES or time.monotonic() > deadline:
                        raise BrokerUnreachable(unreachable(self._settings, error.args[0].str())) from None
                    time.sleep(0.1)
        finally:
            consumer.close()


class KafkaProducer:
    """A plain producer."""

    def __init__(self, settings: Mapping[str, Any], timeout: float) -> None:
        self._settings = settings
        self._timeout = timeout
        self._producer = Producer(
            {
                **settings,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
                "delivery.timeout.ms": int(timeout * 1000),
                "message.max.bytes": LARGE_RECORD_BYTES,
            }
        )

    def send(self, record: Outgoing) -> int:
        """Write one record; its offset."""
        return self._send([record])[0]

    def send_many(self, records: Sequence[Outgoing]) -> None:
        """Write records in order and wait for all."""
        self._send(records)

    def _send(self, records: Sequence[Outgoing]) -> list[int]:
        offsets: list[int] = []
        failed: list[tuple[int, KafkaError]] = []

        def delivered(error: KafkaError | None, message: Any, index: int) -> None:
            if error is not None:
                failed.append((index, error))
            else:
                offsets.append(message.offset())

        for index, record in enumerate(records):
            try:
                produce(self._producer, record, partial(delivered, index=index))
            except KafkaException as error:
                failed.append((index, error.args[0]))
                break
        self._producer.flush(self._timeout)
        self._raise(failed, len(records) - len(offsets))
        return offsets

    def _raise(self, failed: Sequence[tuple[int, KafkaError]], missing: int) -> None:
        for index, error in failed:
            if is_too_large(error):
                raise RecordTooLarge(f"the record is larger than its topic takes: {error.str()}", index)
        if missing:
            detail = failed[0][1].str() if failed else "no acknowledgement came in time"
            where = self._settings.get("bootstrap.servers")
            raise BrokerUnreachable(f"the record was not acknowledged by the broker at {where}: {detail}")

    def close(self) -> None:
        """Wait for what is under way."""
        self._producer.flush(self._timeout)
