"""The exactly-once loop on the real broker: two instances, fencing, a crash inside a transaction, a broker that dies."""

import itertools
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from echo import ACCOUNTS, COMMANDS, DEAD, Echo, Running, send, values, wait
from rawheaders import produce_raw

from bitsage.streams import kafka_processor
from bitsage.streams.admin import create_topics
from bitsage.streams.deadletters import redrive, waiting
from bitsage.streams.errors import ClientLost, RecordTooLarge
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.kafka_processor import KafkaProcessor
from bitsage.streams.kafka_reader import UNREADABLE_HEADERS
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.log import Outgoing, Place, Record
from bitsage.streams.seal import HEADER, Sealer
from bitsage.streams.topics import partition_for

pytestmark = pytest.mark.kafka
KEYS = [f"key-{n}".encode() for n in range(30)]


@pytest.fixture
def log(fresh_topics: LocalKafka) -> KafkaLog:
    return KafkaLog({"bootstrap.servers": fresh_topics.bootstrap})


def send_numbered(log: KafkaLog, first: int, last: int) -> None:
    """Records `first` to `last` of every key."""
    producer = log.producer()
    producer.send_many(
        [Outgoing(COMMANDS, partition_for(key), key, str(n).encode()) for n in range(first, last + 1) for key in KEYS]
    )
    producer.close()


def check_numbered(found: Sequence[bytes], last: int) -> None:
    """Each key's record n was answered as its n-th, once."""
    assert len(found) == last * len(KEYS)
    assert sorted(found) == sorted(b"%d:%d" % (n, n) for n in range(1, last + 1) for _ in KEYS)


def test_every_record_is_answered_once_through_aborts_crashes_and_fencing(
    log: KafkaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few commits one goes wrong: before it, in the middle with the transaction left open, or after it."""
    original, turn = KafkaProcessor.commit, itertools.count()

    def shaky(self: KafkaProcessor, outgoing: Sequence[Outgoing], offsets: Any) -> None:
        match next(turn) % 8:
            case 2:
                raise ClientLost("crashed before anything was written")
            case 4:
                inner = self._producer._producer
                inner.begin_transaction()
                for out in outgoing:
                    inner.produce(out.topic, value=out.value, key=out.key, partition=out.partition)
                inner.flush(10)
                raise ClientLost("crashed with the transaction open")
            case 6:
                original(self, outgoing, offsets)
                raise ClientLost("the outcome of a commit is unknown")
            case _:
                original(self, outgoing, offsets)

    monkeypatch.setattr(KafkaProcessor, "commit", shaky)
    send_numbered(log, 1, 20)
    with Running(log, Echo(), batch=40) as running:
        wait(lambda: len(values(log)) >= 20 * len(KEYS), 90)
    assert running.failure == []
    check_numbered(values(log), 20)
    assert next(turn) > 16


def test_a_second_instance_takes_partitions_over_and_back(log: KafkaLog) -> None:
    one, two = Echo(), Echo()
    with Running(log, one, transactional_id="one"):
        send_numbered(log, 1, 5)
        wait(lambda: len(values(log)) == 5 * len(KEYS), 30)
        with Running(log, two, transactional_id="two"):
            wait(lambda: bool(two.counts), 30)
            send_numbered(log, 6, 10)
            wait(lambda: len(values(log)) == 10 * len(KEYS), 30)
            assert one.keys() & two.keys() == set()
            assert one.keys() | two.keys() == set(KEYS)
        send_numbered(log, 11, 12)
        wait(lambda: len(values(log)) == 12 * len(KEYS), 60)
    check_numbered(values(log), 12)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first member of a group may be silent for two seconds only."""
    settings, turn = kafka_processor._member, itertools.count()
    short = {"session.timeout.ms": 2_000, "heartbeat.interval.ms": 200, "max.poll.interval.ms": 2_000}

    def member(*words: Any) -> dict[str, Any]:
        return {**settings(*words), **(short if next(turn) == 0 else {})}

    monkeypatch.setattr(kafka_processor, "_member", member)


@pytest.mark.usefixtures("impatient")
@pytest.mark.timeout(120)
def test_partitions_that_are_lost_are_not_given_up_cleanly(log: KafkaLog) -> None:
    """Whoever was silent for too long must not keep its state as that of the log: another may have gone on."""
    assigned: list[int] = []
    revoked: list[int] = []
    client = log.processor("impatient", [COMMANDS], "impatient-0", assigned.extend, revoked.extend)
    try:
        with pytest.raises(ClientLost, match="6 partitions were lost"):
            wait(lambda: client.poll_batch(1, 0.2) == [] and len(assigned) == 6, 30)
            # Longer than it may be silent; only the next poll hears of it.
            time.sleep(3)
            wait(lambda: bool(client.poll_batch(1, 0.2)), 30)
        assert revoked == []
    finally:
        client.close()
    # A member that joins again while it closes asks for no offsets: a closing consumer waits for them in vain.
    assert isinstance(client, KafkaProcessor)
    assigned.clear()
    client._assigned(None, [TopicPartition(COMMANDS, 0)])  # type: ignore[arg-type]
    assert (assigned, client._failure) == ([], None)


@pytest.mark.usefixtures("impatient")
@pytest.mark.timeout(180)
def test_a_handler_that_takes_too_long_loses_its_partitions_and_folds_them_anew(log: KafkaLog) -> None:
    class Slow(Echo):
        slow = True
        cleanly: ClassVar[list[bool]] = []

        def handle(self, record: Record) -> Sequence[Outgoing]:
            if self.slow:
                self.slow = False
                time.sleep(3)
            return super().handle(record)

        def revoked(self, partitions: Sequence[int], *, clean: bool) -> None:
            if partitions:
                self.cleanly.append(clean)
            super().revoked(partitions, clean=clean)

    with Running(log, Slow()) as running:
        send(log, "a", "b")
        wait(lambda: len(values(log)) == 2, 60)
    assert running.failure == []
    assert values(log) == [b"a:1", b"b:2"]
    assert Slow.cleanly[0] is False


def test_the_later_of_two_processes_with_one_name_wins(log: KafkaLog) -> None:
    send_numbered(log, 1, 2)
    with Running(log, Echo(), transactional_id="same") as old:
        wait(lambda: len(values(log)) == 2 * len(KEYS), 30)
        with Running(log, Echo(), transactional_id="same") as new:
            for n in range(3, 6):
                send_numbered(log, n, n)
                time.sleep(1.0)
            old.stop.set()
            wait(lambda: len(values(log)) == 5 * len(KEYS), 60)
    assert old.failure == new.failure == []
    check_numbered(values(log), 5)


def test_dead_letters_and_redrive_on_the_real_broker(log: KafkaLog) -> None:
    handler = Echo()
    with Running(log, handler):
        send(log, "a", "garbage", "bug", "b")
        wait(lambda: len(values(log, DEAD)) == 3, 30)
    assert [(d.value, d.parked) for d in waiting(log)] == [(b"garbage", False), (b"bug", True), (b"b", True)]
    handler = Echo()
    handler.broken = False
    with Running(log, handler):
        send(log, "c")
        wait(lambda: len(values(log, DEAD)) == 4, 30)
        assert redrive(log, b"k") == 4
        wait(lambda: len(values(log)) == 4, 30)
        send(log, "d")
        wait(lambda: len(values(log)) == 5, 30)
    assert values(log) == [b"a:1", b"bug:2", b"b:3", b"c:4", b"d:5"]


def test_the_broker_refuses_a_small_batch_that_unpacks_to_a_huge_record(log: KafkaLog, kafka: LocalKafka) -> None:
    settings: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap, "compression.type": "zstd", "message.max.bytes": 100_000_000,
    }  # fmt: skip
    refused: list[Any] = []
    bomb = Producer(settings)
    bomb.produce(COMMANDS, value=bytes(20_000_000), key=b"k", partition=0, on_delivery=lambda e, _: refused.append(e))
    bomb.flush(30)
    assert refused[0] is not None
    assert "size" in refused[0].str()
    # The largest that the broker takes cannot be a dead letter whole, and stops nobody.
    log.producer().send(Outgoing(COMMANDS, 0, b"k", bytes(1_310_000)))
    with pytest.raises(RecordTooLarge):
        log.producer().send(Outgoing(COMMANDS, 0, b"k", bytes(1_400_000)))

    class Picky(Echo):
        def handle(self, record: Any) -> Sequence[Outgoing]:
            return super().handle(record if len(record.value) < 100 else _garbage(record))

    with Running(log, Picky()):
        send(log, "after", "huge", "end")
        wait(lambda: len(values(log)) == 2, 60)
    assert values(log) == [b"after:1", b"end:2"]
    assert [(d.code, bool(d.digest)) for d in waiting(log)] == [("malformed", True), ("answer_too_large", False)]


@pytest.mark.parametrize("name", [b"\xff\xfe\xfd", b"\xed\xa0\x80", b"ok\xc3"])
def test_a_header_name_that_is_not_utf_8_stops_no_reader(log: KafkaLog, kafka: LocalKafka, name: bytes) -> None:
    """Everybody meets the record: the group's members, plain readers, and whoever reads its dead letter."""
    headers = [(b"before", b"1"), (name, b"x"), (b"after", b"2")]
    produce_raw(kafka.bootstrap, COMMANDS, 0, b"k", b"garbage", headers)
    produce_raw(kafka.bootstrap, COMMANDS, 0, b"k", b"good", headers)
    with Running(log, Echo()) as running:
        send(log, "next")
        wait(lambda: len(values(log)) == 2, 30)
    assert running.failure == []
    assert values(log) == [b"good:1", b"next:2"]
    assert [(d.code, d.value, d.headers) for d in waiting(log)] == [("malformed", b"garbage", UNREADABLE_HEADERS)]
    reader = log.reader({(COMMANDS, 0): 0}, follow=False)
    found = reader.read(10, 5.0)
    reader.close()
    assert [(r.value, r.headers) for r in found[:2]] == [
        (b"garbage", UNREADABLE_HEADERS),
        (b"good", UNREADABLE_HEADERS),
    ]


def test_a_seal_beside_an_unreadable_header_is_none(log: KafkaLog, kafka: LocalKafka) -> None:
    sealer = Sealer(bytes(range(32)), "chain")
    seal = (HEADER.encode(), sealer.seal(ACCOUNTS, b"v"))
    produce_raw(kafka.bootstrap, ACCOUNTS, 0, b"k", b"v", [seal])
    produce_raw(kafka.bootstrap, ACCOUNTS, 0, b"k", b"v", [seal, (b"\xff", b"")])
    reader = log.reader({(ACCOUNTS, 0): 0}, follow=False)
    found = reader.read(10, 5.0)
    reader.close()
    seals = sealer.check()
    assert [seals(r.topic, r.value, r.headers) for r in found] == [True, False]


def test_the_broker_ends_a_transaction_that_nobody_ends_after_a_minute(kafka: LocalKafka) -> None:
    """Nobody reads past an open transaction, so nobody may ask for a quarter of an hour."""

    def stranger(milliseconds: int) -> None:
        settings: dict[str, Any] = {
            "bootstrap.servers": kafka.bootstrap, "transactional.id": "stranger", "transaction.timeout.ms": milliseconds,
        }  # fmt: skip
        Producer(settings).init_transactions(20)

    with pytest.raises(KafkaException) as refused:
        stranger(60_001)
    assert refused.value.args[0].code() == KafkaError.INVALID_TRANSACTION_TIMEOUT
    stranger(60_000)


def _garbage(record: Any) -> Any:
    return type(record)(record.topic, record.partition, record.offset, record.timestamp, record.key, b"garbage", ())


@pytest.mark.timeout(200)
def test_a_broker_that_is_killed_and_started_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path / "kafka").start()
    try:
        create_topics({"bootstrap.servers": kafka.bootstrap})
        log = KafkaLog({"bootstrap.servers": kafka.bootstrap})
        send_numbered(log, 1, 60)
        with Running(log, Echo(), batch=50) as running:
            wait(lambda: len(values(log)) > 100, 30)
            pid = kafka.status().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            time.sleep(1.0)
            kafka.start()
            wait(lambda: len(values(log)) >= 60 * len(KEYS), 90)
        assert running.failure == []
        check_numbered(values(log), 60)
    finally:
        kafka.stop()


def test_offsets_and_output_agree_after_the_end(log: KafkaLog) -> None:
    send_numbered(log, 1, 3)
    with Running(log, Echo()):
        wait(lambda: len(values(log)) == 3 * len(KEYS), 30)
    places: list[Place] = [(COMMANDS, p) for p in range(6)]
    reader = log.reader(dict.fromkeys(places, 0), follow=False)
    assert log.committed("g", places) == {place: end for place, end in reader.end_offsets().items() if end}
    reader.close()
    assert log.first_offsets([(ACCOUNTS, 0)]) == {(ACCOUNTS, 0): 0}
