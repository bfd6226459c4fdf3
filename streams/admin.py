"""Topics on a cluster: make those of the table, compare, describe."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its __init__ re-exports without saying so
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from .errors import BadSettings, BrokerUnreachable, StreamError, TopicDrift
from .topics import PREFIX, TOPICS, Topic

PING_SECONDS: Final = 5.0
REPLICATION: Final = 3
"""Replicas of every topic on a cluster that has as many brokers."""
_REQUEST_SECONDS: Final = 30.0
_UNREACHABLE: Final = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.REQUEST_TIMED_OUT,
}
_NOT_YET: Final = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._NOENT,
}


@dataclass(frozen=True)
class TopicState:
    """A topic as the cluster has it; `config` holds the keys of the table and `min.insync.replicas`."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


@dataclass(frozen=True)
class Drift:
    """One difference between table and cluster; `what` is `topic`, `partitions`, `replication` or a config key."""

    topic: str
    what: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.actual}, not {self.expected}"


class _Admin:
    """An AdminClient that remembers why it cannot connect; librdkafka tells that to a callback only."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._why = ""
        own: dict[str, Any] = {"error_cb": self._note, "log_level": 0, "socket.connection.setup.timeout.ms": 4000}
        try:
            self.client = AdminClient({**own, **settings, "client.id": "bitsage-admin"})
        except KafkaException as error:
            raise BadSettings(f"Kafka's client refuses the settings: {error.args[0].str()}") from None
        self.where = settings.get("bootstrap.servers", "")

    def _note(self, error: KafkaError) -> None:
        self._why = error.str()

    @contextmanager
    def talking(self) -> Iterator[AdminClient]:
        """The client; failures to reach a broker become `BrokerUnreachable`, others `StreamError`."""
        try:
            yield self.client
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() in _UNREACHABLE:
                self.client.poll(0)
                raise BrokerUnreachable(
                    f"no Kafka broker answers at {self.where}: {self._why or cause.str()}"
                ) from None
            raise StreamError(f"the Kafka cluster refused: {cause.str()}") from None

    def brokers(self) -> int:
        """How many brokers the cluster has."""
        with self.talking() as client:
            return len(client.list_topics(timeout=PING_SECONDS).brokers)


def cluster_id_at(bootstrap: str, seconds: float) -> str | None:
    """The id of the cluster that answers there, or None when none answers in time."""
    settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0, "error_cb": lambda _: None}
    client = AdminClient(settings)
    try:
        answer: Any = client.describe_cluster(request_timeout=seconds).result(seconds + 1)
    except (KafkaException, TimeoutError):
        return None
    return str(answer.cluster_id) if answer.nodes else None


def _replicas(admin: _Admin, replication: int | None) -> int:
    return replication if replication is not None else min(REPLICATION, admin.brokers())


def _wanted(topic: Topic, replication: int) -> dict[str, str]:
    """The topic's configuration; with three replicas, a write needs two of them."""
    return topic.config | ({"min.insync.replicas": "2"} if replication >= REPLICATION else {})


def _configs(futures: Mapping[Any, "Future[dict[str, Any]]"]) -> Iterator[tuple[Any, dict[str, Any]]]:
    for resource, future in futures.items():
        try:
            yield resource, future.result(_REQUEST_SECONDS + 5)
        except KafkaException as error:
            # Deleted since it was listed: not there.
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise


def create_topics(settings: Mapping[str, Any], replication: int | None = None) -> list[str]:
    """Make the topics of the table that the cluster lacks, and wait until each has its leaders.

    Args:
        settings: librdkafka settings, as `client_settings` gives them.
        replication: replicas of each partition; None: three, or one per broker where there are fewer.

    Returns:
        The names of those made now, in the order of the table. Topics that exist are left as they are.

    Raises:
        BadSettings: librdkafka does not take the settings.
        BrokerUnreachable: no broker answered in time.
        StreamError: the cluster refused, or gave no leaders in time.
    """
    admin = _Admin(settings)
    replicas = _replicas(admin, replication)
    with admin.talking() as client:
        there = client.list_topics(timeout=PING_SECONDS).topics
        missing = [topic for topic in TOPICS.values() if topic.name not in there]
        fresh = [NewTopic(topic.name, topic.partitions, replicas, config=_wanted(topic, replicas)) for topic in missing]
        made = []
        futures = client.create_topics(fresh, request_timeout=_REQUEST_SECONDS) if fresh else {}
        for name, future in futures.items():
            try:
                future.result(_REQUEST_SECONDS + 5)
                made.append(name)
            except KafkaException as error:
                # Somebody else made it at the same time.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
    if made:
        # A client that saw the cluster before can go on believing that the topics have no leaders.
        wait_for(lambda: _led(_Admin(settings), made), "the new topics have no leaders yet")
    return made


def _led(admin: _Admin, names: list[str] | None = None) -> bool:
    """Whether every partition of these topics serves offsets; metadata names a leader before that leader is ready."""
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    with admin.talking() as client:
        there = client.list_topics(timeout=PING_SECONDS).topics
        chosen = list(there) if names is None else names
        if any(name not in there or not there[name].partitions for name in chosen):
            return False
        wanted = {TopicPartition(name, number): latest for name in chosen for number in there[name].partitions}
        for answer in client.list_offsets(wanted, request_timeout=_REQUEST_SECONDS).values() if wanted else ():
            try:
                # A leader that died is no error to librdkafka: its partitions come back as "invalid".
                if answer.result(_REQUEST_SECONDS + 5).offset < 0:
                    return False
            except KafkaException as error:
                if error.args[0].code() in _NOT_YET:
                    return False
                raise
    return True


def serves_all(settings: Mapping[str, Any]) -> bool:
    """Whether every partition that the cluster has can be read and written now.

    Raises:
        BadSettings, BrokerUnreachable, StreamError: as in `create_topics`.
    """
    return _led(_Admin(settings))


def wait_for(condition: Callable[[], bool], otherwise: str, seconds: float = 30.0) -> None:
    """Ask until it holds.

    Raises:
        StreamError: it did not hold in time; `otherwise` is the text.
    """
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise StreamError(otherwise)
        pause.wait(0.02)


def broker_count(settings: Mapping[str, Any]) -> int:
    """How many brokers the cluster has now.

    Raises:
        BadSettings, BrokerUnreachable, StreamError: as in `create_topics`.
    """
    return _Admin(settings).brokers()


def describe_topics(settings: Mapping[str, Any]) -> list[TopicState]:
    """Every topic of the cluster whose name has the prefix, sorted by name.

    Raises:
        BadSettings, BrokerUnreachable, StreamError: as in `create_topics`.
    """
    admin = _Admin(settings)
    with admin.talking() as client:
        there = {
            name: found
            for name, found in client.list_topics(timeout=PING_SECONDS).topics.items()
            if name.startswith(PREFIX)
        }
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in there]
        futures = client.describe_configs(resources, request_timeout=_REQUEST_SECONDS) if resources else {}
        configs = {resource.name: entries for resource, entries in _configs(futures)}
    keys = {key for topic in TOPICS.values() for key in topic.config} | {"min.insync.replicas"}
    return [
        TopicState(
            name,
            len(found.partitions),
            min((len(part.replicas) for part in found.partitions.values()), default=0),
            {key: str(entry.value) for key, entry in sorted(configs[name].items()) if key in keys},
        )
        for name, found in sorted(there.items())
        if name in configs
    ]


def check_topics(settings: Mapping[str, Any], replication: int | None = None) -> list[Drift]:
    """What differs between the table and the cluster; empty when they agree.

    Args:
        settings: librdkafka settings, as `client_settings` gives them.
        replication: the replicas to expect; None: three, or one per broker where there are fewer.

    Raises:
        BadSettings, BrokerUnreachable, StreamError: as in `create_topics`.
    """
    replicas = _replicas(_Admin(settings), replication)
    states = {state.name: state for state in describe_topics(settings)}
    drifts = []
    for topic in TOPICS.values():
        state = states.pop(topic.name, None)
        if state is None:
            drifts.append(Drift(topic.name, "topic", "present", "missing"))
        else:
            drifts += _compare(topic, state, replicas)
    return drifts + [Drift(name, "topic", "absent", "present") for name in states]


def _compare(topic: Topic, state: TopicState, replicas: int) -> Iterator[Drift]:
    if state.partitions != topic.partitions:
        yield Drift(topic.name, "partitions", str(topic.partitions), str(state.partitions))
    if state.replication != replicas:
        yield Drift(topic.name, "replication", str(replicas), str(state.replication))
    for key, expected in _wanted(topic, replicas).items():
        if (actual := state.config.get(key, "unset")) != expected:
            yield Drift(topic.name, key, expected, actual)


def require_topics(settings: Mapping[str, Any], replication: int | None = None) -> None:
    """Insist that the cluster has the topics of the table.

    Raises:
        TopicDrift: it differs; the text names the first differences.
        BadSettings, BrokerUnreachable, StreamError: as in `create_topics`.
    """
    if drifts := check_topics(settings, replication):
        more = f" and {len(drifts) - 3} more" if len(drifts) > 3 else ""
        raise TopicDrift("; ".join(map(str, drifts[:3])) + more)


__all__ = [
    "Drift",
    "TopicState",
    "broker_count",
    "check_topics",
    "cluster_id_at",
    "create_topics",
    "describe_topics",
    "require_topics",
    "serves_all",
    "wait_for",
]
