"""Sealed events that a stranger copies: to another partition, under another key, or once more where they stand."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testnetwork import TestNetwork, wait

from bitsage.nodes.coordinator import run_processors
from bitsage.nodes.errors import AnswerTimeout
from bitsage.nodes.follower import Follower, Keep
from bitsage.nodes.recovery import Recovery
from bitsage.processors.kernel import Streams
from bitsage.processors.model import job_subject
from bitsage.schemas.commands import CreateWallet, RequestTokens, StakeTokens
from bitsage.schemas.events import JobCancelled, TokensGranted
from bitsage.schemas.parameters import SAGE
from bitsage.schemas.types import EventEnvelope
from bitsage.streams.codec import encode_event
from bitsage.streams.envelope import chain_hash
from bitsage.streams.log import Outgoing, Record
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.seal import HEADER, Sealer
from bitsage.streams.topics import partition_for, topic_name

ACCOUNTS, PEOPLE = topic_name("accounts"), 8


@pytest.fixture
def network(tmp_path: Path) -> TestNetwork:
    """A log with three events of each of eight accounts, and nobody running."""
    found = TestNetwork(InMemoryLog(), tmp_path)
    for n in range(PEOPLE):
        client = found.client(n + 1)
        for body in (CreateWallet(), RequestTokens(), StakeTokens(amount=1_000 * SAGE, tier="consumer")):
            client.send(client.subject, body)
    stop = threading.Event()
    arguments = (found.log, found.network, found.authority, found.authority.seal_secret, tmp_path / "c", "one", 10)
    (tmp_path / "c").mkdir()
    thread = threading.Thread(target=run_processors, args=(*arguments, stop))
    thread.start()
    wait(lambda: len(events(found)) == 3 * PEOPLE)
    stop.set()
    thread.join()
    return found


def events(network: TestNetwork) -> list[Record]:
    reader = network.log.reader({(ACCOUNTS, p): 0 for p in range(6)}, follow=False)
    found: list[Record] = []
    while records := reader.read(1_000, 1.0):
        found += records
    return found


def copy(network: TestNetwork, record: Record, *, partition: int | None = None, key: bytes | None = None) -> None:
    place = record.partition if partition is None else partition
    network.log.producer().send(Outgoing(record.topic, place, key or record.key, record.value, record.headers))


def elsewhere(network: TestNetwork, record: Record) -> None:
    """To every other partition, with its own key and with one that belongs there."""
    for partition in set(range(6)) - {record.partition}:
        stranger = next(k for n in range(1_000) if partition_for(k := f"0x{n:064x}".encode()) == partition)
        copy(network, record, partition=partition)
        copy(network, record, partition=partition, key=stranger)


def recovered(network: TestNetwork) -> dict[Any, Any]:
    streams = Streams()
    for partition in range(6):
        Recovery(network.log, network.network.seal_check()).recover(partition, streams)
    return dict(streams.items())


def test_a_coordinator_starts_over_copies_in_other_partitions(network: TestNetwork) -> None:
    """Sequence 2 or 3 of a subject that the partition has never seen is no gap: it does not belong there."""
    expected = recovered(network)
    client = network.client(1)
    for record in events(network):
        copy(network, record)
        if (answer := client.read(record)) and answer.envelope.sequence > 1:
            elsewhere(network, record)
    assert recovered(network) == expected
    assert len(expected) == PEOPLE


Seen = list[tuple[str, int]]


def follow(network: TestNetwork, seen: Seen) -> Callable[[], None]:
    """Start a follower of `accounts`; what is returned waits until it has read everything, and ends it."""

    def fold(record: Record, envelope: EventEnvelope, body: Any) -> tuple[str, Keep]:
        seen.append((envelope.subject, envelope.sequence))
        return envelope.subject, Keep.RETAIN if isinstance(body, TokensGranted) else Keep.IGNORE

    path = network.folder / "follower.db"
    follower = Follower(network.log, network.network.seal_check(), ("accounts",), path, "i", fold)
    stop = threading.Event()
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()

    def end() -> None:
        wait(follower.caught_up.is_set)
        stop.set()
        thread.join()

    return end


def test_a_follower_folds_every_event_once_whatever_is_appended(network: TestNetwork) -> None:
    seen: Seen = []
    follow(network, seen)()
    subjects = {(record.key or b"").decode() for record in events(network)}
    assert sorted(seen) == sorted((subject, n) for subject in subjects for n in (1, 2, 3))
    for record in events(network):
        elsewhere(network, record)
        copy(network, record)
    again: Seen = []
    follow(network, again)()
    # What was retained is folded again after a restart; of the copies, nothing.
    assert sorted(again) == sorted((subject, 2) for subject in subjects)
    (network.folder / "follower.db").unlink()
    anew: Seen = []
    follow(network, anew)()
    assert sorted(anew) == sorted(seen)


def test_a_follower_goes_on_with_the_next_link_after_a_restart(network: TestNetwork) -> None:
    follow(network, [])()
    client = network.client(1)
    last = [r for r in events(network) if r.key == client.subject.encode()][-1]
    copy(network, last)
    answer = client.read(last)
    assert answer is not None
    fourth = replace(answer.envelope, sequence=4, previous=chain_hash(last.value or b""))
    broken = replace(fourth, previous=bytes(32))
    for head in (broken, fourth, fourth):
        send_sealed(network, ACCOUNTS, head, answer.body)
    seen: Seen = []
    follow(network, seen)()
    assert [entry for entry in seen if entry[1] != 2] == [(client.subject, 4)]


def send_sealed(
    network: TestNetwork, topic: str, envelope: EventEnvelope, body: Any, *, subject: str | None = None
) -> None:
    value, key = encode_event(envelope, body), (subject or envelope.subject).encode()
    headers = ((HEADER, Sealer(network.authority.seal_secret, "test").seal(topic, value)),)
    network.log.producer().send(Outgoing(topic, partition_for(key), key, value, headers))


def test_a_client_believes_an_event_only_under_its_own_subject(network: TestNetwork) -> None:
    one, other = network.client(1), network.client(2)
    expected = {c.subject: c.history(("accounts",), c.subject) for c in (one, other)}
    assert [len(answers) for answers in expected.values()] == [3, 3]
    originals = events(network)
    for record in originals:
        for client in (one, other):
            key = client.subject.encode()
            copy(network, record, partition=partition_for(key), key=key)
        elsewhere(network, record)
    assert {c.subject: c.history(("accounts",), c.subject) for c in (one, other)} == expected
    for record in originals:
        for changed in (replace(record, partition=(record.partition + 1) % 6), replace(record, key=b"k")):
            assert one.read(record) is not None
            assert one.read(changed) is None


def test_the_end_of_one_job_is_not_the_end_of_another(network: TestNetwork) -> None:
    mine, other = b"m" * 16, b"o" * 16
    client = network.client(1)
    head = client.history(("accounts",), client.subject)[0].envelope
    body = JobCancelled(job_id=other, attempt=0)
    end = replace(head, type="JobCancelled", subject=job_subject(other), sequence=1, previous=bytes(32))
    send_sealed(network, topic_name("jobs"), end, body, subject=job_subject(mine))
    with pytest.raises(AnswerTimeout):
        client.wait_job(mine, 0.5)
    send_sealed(network, topic_name("jobs"), end, body)
    assert client.wait_job(other, 5.0).body == body


def test_events_of_another_chain_under_the_same_key_are_nothing(network: TestNetwork, tmp_path: Path) -> None:
    """One wallet may coordinate two networks; what one of them sealed gives nobody anything on the other."""
    other = TestNetwork(InMemoryLog(), tmp_path / "other", chain_id="another")
    assert other.network.seal_key == network.network.seal_key
    for record in events(network):
        copy(other, record)
    assert recovered(other) == {}
    client = other.client(1)
    assert client.history(("accounts",), client.subject) == []
    seen: Seen = []
    follow(other, seen)()
    assert seen == []
