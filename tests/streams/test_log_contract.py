"""One suite for both logs: what holds for the stand-in holds for Kafka."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bitsage.streams.errors import ClientLost, HistoryLost
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.log import Log, Outgoing, ProcessorClient
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.topics import topic_name

COMMANDS = topic_name("commands")
ACCOUNTS = topic_name("accounts")


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    if request.param == "memory":
        yield InMemoryLog()
    else:
        request.getfixturevalue("fresh_topics")
        yield KafkaLog({"bootstrap.servers": request.getfixturevalue("kafka").bootstrap})


def out(value: str, partition: int = 0, topic: str = COMMANDS) -> Outgoing:
    return Outgoing(topic, partition, b"key", value.encode(), (("h", b"1"), ("h", b"2"), ("empty", b"")))


def settle(log: Log, topic: str) -> None:
    """Kafka answers a commit before its control records are in every partition."""
    reader = log.reader({(topic, 0): 0}, follow=False)
    reader.settled_ends()
    reader.close()


def everything(log: Log, topic: str, partition: int = 0) -> list[bytes | None]:
    reader = log.reader({(topic, partition): 0}, follow=False)
    try:
        found = []
        while records := reader.read(7, 5.0):
            found += [r.value for r in records]
        return found
    finally:
        reader.close()


class Member:
    def __init__(self, log: Log, name: str = "one") -> None:
        self.assigned: list[int] = []
        self.client: ProcessorClient = log.processor(
            "group", [COMMANDS], f"contract-{name}", self.assigned.extend, self._revoked
        )

    def _revoked(self, partitions: Any) -> None:
        self.assigned = [p for p in self.assigned if p not in partitions]

    def batch(self, n: int, until: Callable[[], bool] = lambda: False) -> list[Any]:
        for _ in range(200):
            if records := self.client.poll_batch(n, 0.2):
                return records
            if until():
                return []
        return []


def test_what_is_sent_is_read_with_key_headers_and_rising_offsets(log: Log) -> None:
    producer = log.producer()
    offsets = [producer.send(out(f"v{n}")) for n in range(3)]
    producer.close()
    reader = log.reader({(COMMANDS, 0): 0}, follow=False)
    records = []
    while found := reader.read(2, 5.0):
        assert len(found) <= 2
        records += found
    reader.close()
    assert [r.value for r in records] == [b"v0", b"v1", b"v2"]
    assert [r.offset for r in records] == offsets
    assert records[0].key == b"key"
    assert records[0].headers == (("h", b"1"), ("h", b"2"), ("empty", b""))
    assert records[0].timestamp > 1_600_000_000_000


def test_a_following_reader_sees_what_comes_later(log: Log) -> None:
    reader = log.reader({(COMMANDS, 0): 0}, follow=True)
    assert reader.read(10, 0.1) == []
    producer = log.producer()
    producer.send(out("late"))
    found = []
    for _ in range(50):
        found += reader.read(10, 0.2)
        if found:
            break
    assert [r.value for r in found] == [b"late"]
    producer.close()
    reader.close()


def test_a_reader_that_does_not_follow_ends_where_the_log_ended(log: Log) -> None:
    producer = log.producer()
    producer.send_many([out(f"v{n}") for n in range(20)])
    assert everything(log, COMMANDS) == [f"v{n}".encode() for n in range(20)]
    assert everything(log, ACCOUNTS) == []
    producer.close()


def test_output_and_offsets_are_committed_together(log: Log) -> None:
    producer = log.producer()
    producer.send_many([out("a"), out("b")])
    member = Member(log)
    records = member.batch(10)
    while len(records) < 2:
        records += member.batch(10)
    member.client.commit([out("A", topic=ACCOUNTS), out("B", topic=ACCOUNTS)], {(COMMANDS, 0): records[-1].offset + 1})
    settle(log, ACCOUNTS)
    assert everything(log, ACCOUNTS) == [b"A", b"B"]
    assert log.committed("group", [(COMMANDS, 0), (COMMANDS, 1)]) == {(COMMANDS, 0): records[-1].offset + 1}
    member.client.close()
    producer.close()


def test_rewind_delivers_again_what_was_not_committed(log: Log) -> None:
    producer = log.producer()
    producer.send_many([out("a"), out("b"), out("c")])
    member = Member(log)
    first = member.batch(1)
    member.client.commit([], {(COMMANDS, 0): first[-1].offset + 1})
    seen = member.batch(10)
    while len(seen) < 2:
        seen += member.batch(10)
    member.client.rewind()
    again = member.batch(10)
    while len(again) < 2:
        again += member.batch(10)
    assert [r.value for r in again] == [b"b", b"c"]
    member.client.close()
    producer.close()


def test_a_second_client_with_the_same_id_fences_the_first(log: Log) -> None:
    producer = log.producer()
    producer.send(out("a"))
    old = Member(log, "same")
    records = old.batch(1)
    assert [r.value for r in records] == [b"a"]
    new = Member(log, "same")
    with pytest.raises(ClientLost):
        for _ in range(3):
            old.client.commit([out("zombie", topic=ACCOUNTS)], {(COMMANDS, 0): 1})
    assert [r.value for r in new.batch(1)] == [b"a"]
    new.client.commit([out("A", topic=ACCOUNTS)], {(COMMANDS, 0): 1})
    settle(log, ACCOUNTS)
    assert everything(log, ACCOUNTS) == [b"A"]
    new.client.close()
    old.client.close()
    producer.close()


def test_control_records_leave_gaps_and_settled_ends_reach_the_end(log: Log) -> None:
    log.send_atomically("atomic", [out("a", topic=ACCOUNTS), out("b", topic=ACCOUNTS)])
    log.send_atomically("atomic", [out("c", topic=ACCOUNTS)])
    reader = log.reader({(ACCOUNTS, 0): 0}, follow=False)
    assert reader.settled_ends() == {(ACCOUNTS, 0): 5}
    reader.close()
    reader = log.reader({(ACCOUNTS, 0): 0}, follow=False)
    offsets = []
    while records := reader.read(10, 5.0):
        offsets += [r.offset for r in records]
    reader.close()
    assert offsets == [0, 1, 3]


def test_partitions_are_shared_between_members(log: Log) -> None:
    one = Member(log, "one")
    one.batch(1, lambda: sorted(one.assigned) == [0, 1, 2, 3, 4, 5])
    assert sorted(one.assigned) == [0, 1, 2, 3, 4, 5]
    two = Member(log, "two")
    done = threading.Event()

    def settled() -> bool:
        return bool(two.assigned) and sorted(one.assigned + two.assigned) == [0, 1, 2, 3, 4, 5]

    for _ in range(150):
        one.client.poll_batch(1, 0.1)
        two.client.poll_batch(1, 0.1)
        if settled():
            done.set()
            break
    assert done.is_set(), (one.assigned, two.assigned)
    one.client.close()
    two.client.close()


def test_an_open_transaction_hides_what_follows_it() -> None:
    log = InMemoryLog()
    transaction = log.begin()
    log.append(out("open", topic=ACCOUNTS), transaction)
    log.append(out("plain", topic=ACCOUNTS))
    assert everything(log, ACCOUNTS) == []
    log.end(transaction, commit=False)
    assert everything(log, ACCOUNTS) == [b"plain"]


def test_an_offset_below_the_log_start_fails_loudly() -> None:
    log = InMemoryLog()
    log.producer().send_many([out("a"), out("b"), out("c")])
    log.trim((COMMANDS, 0), 2)
    with pytest.raises(HistoryLost, match="below"):
        log.reader({(COMMANDS, 0): 1}, follow=False)
    assert everything_from(log, 2) == [b"c"]


def everything_from(log: Log, offset: int) -> list[bytes | None]:
    reader = log.reader({(COMMANDS, 0): offset}, follow=False)
    found = []
    while records := reader.read(7, 5.0):
        found += [r.value for r in records]
    return found


def test_has_read_means_past_the_ends_with_control_records_and_open_transactions(log: Log) -> None:
    place = (ACCOUNTS, 0)
    producer = log.producer()
    producer.send(out("one", topic=ACCOUNTS))
    producer.close()
    log.send_atomically("contract-ends", [out("two", topic=ACCOUNTS)])
    settle(log, ACCOUNTS)
    reader = log.reader({place: 0}, follow=True)
    try:
        ends = reader.high_watermarks()
        assert ends == {place: 3}
        assert not reader.has_read(ends)
        found: list[bytes | None] = []
        for _ in range(100):
            found += [r.value for r in reader.read(1, 0.2)]
            if reader.has_read(ends):
                break
        assert found == [b"one", b"two"]
        assert reader.has_read(ends)
        assert not reader.has_read({place: 4})
    finally:
        reader.close()
