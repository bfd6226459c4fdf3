"""Several members of one group on the real broker, by both group protocols: sharing, moving, and zombies."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from echo import ACCOUNTS, COMMANDS, Echo, Running, send, values, wait

from bitsage.streams.errors import BadSettings
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.kafka_processor import CLASSIC, CONSUMER, _member
from bitsage.streams.kafka_transactions import transactional_settings
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.local_kafka_config import TRANSACTION_MAX_MS
from bitsage.streams.log import Outgoing
from bitsage.streams.topics import partition_for

SUPPORT = Path(__file__).parents[1] / "support"
KEYS = [f"key-{n}".encode() for n in range(30)]


@pytest.fixture(params=["classic", "consumer"])
def log(request: pytest.FixtureRequest, fresh_topics: LocalKafka) -> KafkaLog:
    return KafkaLog({"bootstrap.servers": fresh_topics.bootstrap, "group.protocol": request.param})


class Member(Echo):
    """An echo that knows its partitions."""

    def __init__(self) -> None:
        super().__init__()
        self.mine: set[int] = set()

    def assigned(self, partitions: Sequence[int], log: Any) -> None:
        super().assigned(partitions, log)
        self.mine |= set(partitions)

    def revoked(self, partitions: Sequence[int], *, clean: bool) -> None:
        super().revoked(partitions, clean=clean)
        self.mine -= set(partitions)


def test_a_protocol_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadSettings, match="classic"):
        KafkaLog({"bootstrap.servers": "127.0.0.1:1", "group.protocol": "share"})


@pytest.mark.kafka
@pytest.mark.timeout(200)
def test_members_that_come_and_go_answer_every_record_once(log: KafkaLog) -> None:
    """A second member comes in the middle of the work, a third one, and then the first one leaves."""
    producer, numbers = log.producer(), iter(range(1, 100))

    def more(rounds: int) -> None:
        for _ in range(rounds):
            n = next(numbers)
            producer.send_many([Outgoing(COMMANDS, partition_for(k), k, b"%d" % n) for k in KEYS])

    members = [Member() for _ in range(3)]
    with ExitStack() as others:
        with Running(log, members[0], transactional_id="m0", group=log._protocol, batch=20) as first:
            more(5)
            wait(lambda: members[0].mine == set(range(6)), 60)
            others.enter_context(Running(log, members[1], transactional_id="m1", group=log._protocol, batch=20))
            more(10)
            wait(lambda: len(members[0].mine) == len(members[1].mine) == 3, 60)
            more(5)
            others.enter_context(Running(log, members[2], transactional_id="m2", group=log._protocol, batch=20))
            more(10)
            wait(lambda: all(len(m.mine) == 2 for m in members), 60)
        more(5)
        wait(lambda: sorted(members[1].mine | members[2].mine) == list(range(6)), 60)
        wait(lambda: len(values(log)) == 35 * len(KEYS), 60)
    assert first.failure == []
    assert sorted(values(log)) == sorted(b"%d:%d" % (n, n) for n in range(1, 36) for _ in KEYS)
    producer.close()


@pytest.fixture
def zombie(log: KafkaLog, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    settings = log._settings["bootstrap.servers"], log._protocol, str(getattr(request, "param", 0))
    process = subprocess.Popen(
        [sys.executable, str(SUPPORT / "zombie_member.py"), *settings],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("zombie", [0, 4], indirect=True)
def test_an_old_owner_cannot_commit_after_its_partitions_moved(log: KafkaLog, zombie: subprocess.Popen[str]) -> None:
    """It holds a batch, is stopped until another has decided the same records, and then goes on; at once, or later."""
    assert zombie.stdin is not None
    assert zombie.stdout is not None
    send(log, "a", "b")
    assert zombie.stdout.readline().startswith("holds")
    zombie.send_signal(signal.SIGSTOP)
    with Running(log, Echo(), transactional_id="heir", group=log._protocol):
        wait(lambda: len(values(log)) == 2, 60)
        zombie.stdin.write("go\n")
        zombie.stdin.flush()
        zombie.send_signal(signal.SIGCONT)
        assert zombie.stdout.readline().startswith("refused")
        send(log, "c")
        wait(lambda: len(values(log)) == 3, 60)
    assert values(log) == [b"a:1", b"b:2", b"c:3"]
    assert log.committed(log._protocol, [(COMMANDS, 0)])
    assert values(log, ACCOUNTS) == [b"a:1", b"b:2", b"c:3"]


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_member_that_was_killed_takes_its_place_again(log: KafkaLog, zombie: subprocess.Popen[str]) -> None:
    """Under the same name, before its session is over: at once by the classic protocol, after the session by KIP-848."""
    assert zombie.stdout is not None
    send(log, "a")
    assert zombie.stdout.readline().startswith("holds")
    zombie.kill()
    zombie.wait()
    with Running(log, Echo(), transactional_id=f"zombie-{log._protocol}", group=log._protocol) as running:
        wait(lambda: len(values(log)) == 1, 60)
    assert running.failure == []
    assert values(log) == [b"a:1"]


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_group_changes_its_protocol_once_the_old_members_are_gone(fresh_topics: LocalKafka) -> None:
    settings = {"bootstrap.servers": fresh_topics.bootstrap}
    for n, protocol in enumerate(("classic", "consumer", "classic"), 1):
        log = KafkaLog(settings | {"group.protocol": protocol})
        send(log, protocol)
        # Other names than those before, whose places are kept for a session.
        with Running(log, Echo(), transactional_id=f"changing-{n}", group="changing"):
            wait(lambda log=log, n=n: len(values(log)) == n, 90)  # type: ignore[misc]
    assert values(log) == [b"classic:1", b"consumer:2", b"classic:3"]


def test_what_the_protocol_says_is_left_to_the_broker() -> None:
    classic, consumer = (_member({}, p, "g", "i", lambda _: None) for p in (CLASSIC, CONSUMER))
    assert classic["partition.assignment.strategy"] == "cooperative-sticky"
    assert (classic["session.timeout.ms"], classic.get("group.protocol")) == (6_000, None)
    assert consumer["group.protocol"] == "consumer"
    assert not {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"} & consumer.keys()
    assert classic["group.instance.id"] == consumer["group.instance.id"] == "i"


def test_a_transaction_lives_longer_than_a_request() -> None:
    settings = transactional_settings({}, "t")
    assert settings["transaction.timeout.ms"] >= settings["socket.timeout.ms"] - 100
    # The broker's most, or it would refuse the producer.
    assert settings["transaction.timeout.ms"] <= TRANSACTION_MAX_MS
