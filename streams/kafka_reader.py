"""Reading committed records from given offsets: no group, no side effect."""

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not in its __all__

from .errors import BrokerUnreachable, HistoryLost, TopicDrift
from .log import Headers, Place, Record

EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LEADERLESS: Final = (
    KafkaError._NOENT,
    KafkaError.LEADER_NOT_AVAILABLE,
    # A new leader that does not know yet how far the log was acknowledged; it says so instead of an end that is too low.
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)
_SILENT: Final = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.REQUEST_TIMED_OUT,
)
#: Seconds for the first try's answers, and twice as many for each after it: the client asks whom it believes to lead, and
#: waits for a broker that has died as long as it is let.
_TRY_S: Final = 3.0
#: Seconds that the client is let to report a request of which the time is over.
_GRACE_S = 5.0
_ABSENT: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
#: Stands for the headers of a record of which one name is not UTF-8.
UNREADABLE_HEADERS: Final[Headers] = (("bitsage-unreadable-headers", None),)
LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


def offsets_of(
    admin: AdminClient,
    settings: Mapping[str, Any],
    places: Collection[Place],
    spec: Any,
    timeout: float,
    isolation: Any = None,
) -> dict[Place, int]:
    """The offsets that the partitions' leaders name.

    Raises:
        BrokerUnreachable: one did not answer in time, or none leads.
        TopicDrift: the cluster has no such topic or partition.
    """
    deadline, patience = time.monotonic() + timeout, _TRY_S
    while True:
        left = max(deadline - time.monotonic(), 0.1)
        found = _ask_once(admin, settings, dict.fromkeys(places, spec), min(patience, left), isolation)
        if not isinstance(found, str):
            return found
        left = deadline - time.monotonic()
        if left <= 0:
            raise BrokerUnreachable(unreachable(settings, found))
        patience *= 2
        time.sleep(min(left, 0.1))
        # Only a metadata request renews the leaders, and their epochs, that the client keeps.
        with contextlib.suppress(KafkaException):
            admin.list_topics(timeout=max(min(deadline - time.monotonic(), 5.0), 0.1))


def _ask_once(
    admin: AdminClient, settings: Mapping[str, Any], specs: Mapping[Place, Any], patience: float, isolation: Any
) -> dict[Place, int] | str:
    """One try of `offsets_of`: the offsets, or why it is worth another."""
    wanted = {TopicPartition(topic, partition): spec for (topic, partition), spec in specs.items()}
    options: dict[str, Any] = {} if isolation is None else {"isolation_level": isolation}
    try:
        found = admin.list_offsets(wanted, request_timeout=patience, **options)
        # The client ends a request by itself; the limit guards against one that it forgot.
        offsets = {(tp.topic, tp.partition): f.result(patience + _GRACE_S).offset for tp, f in found.items()}
    except TimeoutError:
        return "the client did not end a request in its time"
    except KafkaException as error:
        code = error.args[0].code()
        if code in _ABSENT:
            names = sorted({topic for topic, _ in specs})
            raise TopicDrift(f"the cluster lacks a partition of {', '.join(names)}: {error.args[0].str()}") from None
        # A broker that has just come back leads nothing for a moment.
        if code not in _LEADERLESS and code not in _SILENT:
            raise BrokerUnreachable(unreachable(settings, error.args[0].str())) from None
        return str(error.args[0].str())
    # A leader that died is no error to librdkafka 2.16: what it was asked for comes back as "invalid" (-1001).
    if all(offset >= 0 for offset in offsets.values()):
        return offsets
    return "a partition's leader did not answer"


def unreachable(settings: Mapping[str, Any], why: str) -> str:
    """One sentence for a broker that does not answer."""
    return f"no Kafka broker answered at {settings.get('bootstrap.servers')}: {why}"


def to_record(message: Any) -> Record:
    """A consumed message as a Record; headers that cannot be read leave `UNREADABLE_HEADERS` in their place."""
    try:
        headers: Headers = tuple((name, value) for name, value in (message.headers() or ()))
    # Anybody can write a name that is not UTF-8. The binding then raises one of these, and no reader would ever get past
    # the record; without its headers it has no seal, and a command does not need any.
    except (UnicodeDecodeError, SystemError):
        headers = UNREADABLE_HEADERS
    stamp = message.timestamp()[1]
    return Record(
        message.topic(), message.partition(), message.offset(), stamp, message.key(), message.value(), headers
    )


class KafkaReader:
    """Reads with assign(); read_committed; no group is joined and no offset committed."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        admin: AdminClient,
        positions: Mapping[Place, int],
        follow: bool,
        timeout: float,
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._timeout = timeout
        self._consumer = Consumer(
            {
                **settings,
                "group.id": "bitsage-reader-never-committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 10,
            }
        )
        self._positions = dict(positions)
        try:
            self._check_start()
            self._ends = None if follow else self.end_offsets()
            self._consumer.assign([TopicPartition(t, p, offset) for (t, p), offset in positions.items()])
        except BaseException:
            self._consumer.close()
            raise

    def _check_start(self) -> None:
        starts = self._offsets(EARLIEST)
        for place, position in self._positions.items():
            if position < starts[place]:
                raise HistoryLost(f"{place[0]}[{place[1]}]: offset {position} is below the log's start {starts[place]}")

    def _offsets(self, spec: Any, isolation: Any = None) -> dict[Place, int]:
        return offsets_of(self._admin, self._settings, self._positions, spec, self._timeout, isolation)

    def read(self, max_records: int, timeout: float) -> list[Record]:
        """The next records."""
        deadline = time.monotonic() + (timeout if self._ends is None else self._timeout)
        while True:
            if self._finished():
                return []
            messages = self._poll(max_records, deadline)
            found = self._take(messages)
            if found:
                return found
            if time.monotonic() >= deadline:
                if self._ends is not None and not self._finished():
                    raise BrokerUnreachable(
                        f"the broker at {self._settings.get('bootstrap.servers')} stopped answering"
                    )
                return []

    def _poll(self, most: int, deadline: float) -> list[Any]:
        first = self._consumer.poll(max(0.0, min(0.1, deadline - time.monotonic())))
        if first is None:
            if self._ends is not None:
                self._advance()
            return []
        return [first, *(self._consumer.consume(most - 1, 0) if most > 1 else ())]

    def _take(self, messages: Sequence[Any]) -> list[Record]:
        found = []
        for message in messages:
            error = message.error()
            if error is None:
                place = (message.topic(), message.partition())
                self._positions[place] = message.offset() + 1
                if self._ends is None or message.offset() < self._ends[place]:
                    found.append(to_record(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                place = (message.topic(), message.partition())
                self._positions[place] = max(self._positions[place], message.offset())
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                raise HistoryLost(str(error))
            elif error.fatal() or error.code() == KafkaError._FATAL:
                raise BrokerUnreachable(str(error))
        return found

    def _advance(self) -> None:
        # Control records at the end move the position without a message.
        for tp in self._consumer.position([TopicPartition(t, p) for t, p in self._positions]):
            if tp.offset >= 0:
                place = (tp.topic, tp.partition)
                self._positions[place] = max(self._positions[place], tp.offset)

    def _finished(self) -> bool:
        return self._ends is not None and all(self._positions[p] >= end for p, end in self._ends.items())

    def high_watermarks(self) -> dict[Place, int]:
        """The ends, open transactions included."""
        return self._offsets(LATEST, isolation=IsolationLevel.READ_UNCOMMITTED)

    def has_read(self, ends: Mapping[Place, int]) -> bool:
        """Whether everything below these ends has been read."""
        self._advance()
        return all(self._positions[place] >= end for place, end in ends.items())

    def end_offsets(self) -> dict[Place, int]:
        """The last stable offsets."""
        return self._offsets(LATEST, isolation=IsolationLevel.READ_COMMITTED)

    def settled_ends(self) -> dict[Place, int]:
        """The ends once every transaction that is open now has ended."""
        deadline = time.monotonic() + 120
        # Once: under load some transaction is open at every moment, and those that begin later are nobody's concern here.
        high = self.high_watermarks()
        while True:
            ends = self.end_offsets()
            if all(ends[place] >= end for place, end in high.items()):
                return ends
            if time.monotonic() > deadline:
                raise BrokerUnreachable("a transaction stays open; its producer neither ends it nor times out")
            time.sleep(0.01)

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()
