"""A group member whose events and offsets are committed together (KIP-98, KIP-447), with librdkafka.

One static transactional id per instance: the group metadata that travels with the offsets fences a member that lost its
partitions, so an id per input partition (needed before KIP-447) would only cost producers. After any error whose outcome
is unknown the whole client is thrown away; `init_transactions` of the next one fences what may still be under way
(librdkafka has no KIP-890 yet).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from .errors import ClientLost, HistoryLost
from .kafka_reader import to_record
from .kafka_transactions import TRANSACTION_SECONDS, TransactionalProducer
from .log import Assigned, Outgoing, Place, Record

Note = Callable[[KafkaError], None]
CLOSE_SECONDS: Final = 10.0
logger = structlog.get_logger(__name__)


#: A member that is silent for this long loses its partitions (classic protocol; with KIP-848 the broker says how long).
SESSION_MS: Final = 6_000
CLASSIC: Final = "classic"
#: The brokers' own group protocol (KIP-848).
CONSUMER: Final = "consumer"


def _member(settings: Mapping[str, Any], protocol: str, group: str, instance: str, note: Note) -> dict[str, Any]:
    """The client settings of a static group member; `note` hears of what no call reports."""
    terms: dict[str, Any] = {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": 1_000,
    }
    return {
        **settings,
        # With the new protocol these are the broker's to say, and librdkafka refuses them.
        **({"group.protocol": CONSUMER} if protocol == CONSUMER else terms),
        "error_cb": note,
        "group.id": group,
        "group.instance.id": instance,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "max.poll.interval.ms": 600_000,
        "fetch.wait.max.ms": 20,
        "fetch.queue.backoff.ms": 10,
    }


class KafkaProcessor:
    """One consumer and one transactional producer, for the thread that made them."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        group: str,
        topics: Sequence[str],
        transactional_id: str,
        on_assign: Assigned,
        on_revoke: Assigned,
        protocol: str = CLASSIC,
    ) -> None:
        self._callbacks = (on_assign, on_revoke)
        self._failure: Exception | None = None
        self._rebalances = 0
        self._membership: Any = None
        self._closing = False
        self._producer = TransactionalProducer(settings, transactional_id)
        try:
            self._consumer = Consumer(_member(settings, protocol, group, transactional_id, self._noted))
            self._consumer.subscribe(
                list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
        except BaseException:
            self._producer.close()
            raise

    def _noted(self, error: KafkaError) -> None:
        # A member that another one of its name has fenced polls nothing for ever, and no call says why.
        if error.fatal() or error.code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID):
            self._failure = ClientLost(f"another process has this one's name: {error.str()}")

    # ---- assignment ----

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        if self._closing:
            # It had just joined again. A closing consumer gets no answer to a question for offsets.
            return
        try:
            placed = [self._place(consumer, tp) for tp in consumer.committed(partitions, TRANSACTION_SECONDS)]
            self._callbacks[0](sorted({tp.partition for tp in placed}))
            consumer.incremental_assign(placed)
        # An exception must not pass through librdkafka's callback; poll_batch raises it.
        except Exception as error:  # noqa: BLE001
            self._failure = error

    def _place(self, consumer: Consumer, tp: TopicPartition) -> TopicPartition:
        low, _ = consumer.get_watermark_offsets(tp, timeout=TRANSACTION_SECONDS)
        if tp.offset < 0:
            if low > 0:
                raise HistoryLost(f"{tp.topic}[{tp.partition}] begins at {low}: a new group would miss what was before")
            return TopicPartition(tp.topic, tp.partition, 0)
        if tp.offset < low:
            raise HistoryLost(f"{tp.topic}[{tp.partition}]: offset {tp.offset} is below the log's start {low}")
        return TopicPartition(tp.topic, tp.partition, tp.offset)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        if self._closing:
            return
        try:
            self._callbacks[1](sorted({tp.partition for tp in partitions}))
        except Exception as error:  # noqa: BLE001
            self._failure = error

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Another member may have written to them already: what was folded of them is not to be kept, as a revocation
        # would have it kept, so the client is thrown away.
        self._rebalances += 1
        self._failure = ClientLost(f"{len(partitions)} partitions were lost: this process was silent for too long")

    # ---- records ----

    def poll_batch(self, max_records: int, timeout: float) -> list[Record]:
        """The next records: one poll, then what is there already (waiting for a full batch costs its time-out)."""
        first = self._consumer.poll(timeout)
        self._raise_failure()
        if first is None:
            return []
        before = self._rebalances
        messages = [first, *(self._consumer.consume(max_records - 1, 0) if max_records > 1 else ())]
        self._raise_failure()
        if self._rebalances != before:
            # Some of these may belong to another member by now, or come again to this one.
            self.rewind()
            return []
        # As of now, when these records are ours: then the broker sees at the commit whether the group has moved on since. (The
        # library waits for our callbacks before it joins again, but nothing here has to rest on that.)
        self._membership = self._consumer.consumer_group_metadata()
        return [to_record(message) for message in messages if self._is_record(message)]

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            if isinstance(failure, KafkaException):
                raise ClientLost(str(failure.args[0])) from failure
            raise failure

    def _is_record(self, message: Any) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise HistoryLost(str(error))
        # A fatal error that poll hands out does not call itself fatal; only its code says so. (With KIP-848: the place of a
        # process that was killed is not free yet. The next client of this name asks again.)
        if error.fatal() or error.code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID):
            raise ClientLost(str(error))
        return False

    # ---- transactions ----

    def commit(self, outgoing: Sequence[Outgoing], offsets: Mapping[Place, int]) -> dict[Place, int]:
        """Write `outgoing` and the offsets in one transaction; the broker refuses it once the group has moved on."""
        return self._producer.commit(outgoing, offsets, self._membership)

    def rewind(self) -> None:
        """Seek back to the last committed offsets."""
        try:
            for tp in self._consumer.committed(self._consumer.assignment(), TRANSACTION_SECONDS):
                self._consumer.seek(TopicPartition(tp.topic, tp.partition, max(tp.offset, 0)))
        except KafkaException as error:
            raise ClientLost(f"cannot rewind: {error.args[0].str()}") from error

    def close(self) -> None:
        """Abort what is open and leave (a static member keeps its place until the session times out).

        No callback comes any more: whatever is to be kept is kept before.
        """
        self._closing = True
        self._producer.close()
        # librdkafka may wait for ever, when it lost its partitions and had just joined again. Whoever comes next under
        # this name fences the member that then stays behind.
        closing = threading.Thread(target=self._consumer.close, name="close-consumer", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            logger.warning("consumer_not_closed", waited_s=CLOSE_SECONDS)
