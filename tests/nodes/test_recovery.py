"""State after a restart: from the cache, from the log, and when the two disagree."""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from testnetwork import TestNetwork, key

from bitsage.nodes.audit import audit
from bitsage.nodes.cache import StateCache
from bitsage.nodes.checks import ProductChecks
from bitsage.nodes.coordinator import run_processors
from bitsage.nodes.errors import StateDivergence
from bitsage.nodes.handler import CoordinatorHandler
from bitsage.nodes.recovery import OUTPUT_TOPICS, Recovery
from bitsage.nodes.signing import CommandSigner
from bitsage.processors.kernel import Streams
from bitsage.schemas.commands import CreateWallet, RequestTokens, StakeTokens
from bitsage.schemas.events import CommandRejected, WalletCreated
from bitsage.schemas.parameters import SAGE
from bitsage.streams.log import Outgoing
from bitsage.streams.memory_log import InMemoryLog
from bitsage.streams.seal import HEADER, Sealer
from bitsage.streams.topics import topic_name


@pytest.fixture
def network(tmp_path: Path) -> TestNetwork:
    """A log with the decided commands of five accounts, and nobody running."""
    found = TestNetwork(InMemoryLog(), tmp_path)
    for n in range(5):
        client = found.client(n + 1)
        for body in (CreateWallet(), RequestTokens(), StakeTokens(amount=1_000 * SAGE, tier="consumer")):
            client.send(client.subject, body)
    work(found)
    return found


def work(network: TestNetwork) -> None:
    """Run the processors until every command is decided."""
    stop = threading.Event()
    arguments = (
        network.log,
        network.network,
        network.authority,
        network.authority.seal_secret,
        network.folder,
        "one",
        10,
    )
    thread = threading.Thread(target=run_processors, args=(*arguments, stop))
    thread.start()
    places = [(topic_name("commands"), p) for p in range(6)]
    ends = network.log.reader(dict.fromkeys(places, 0), follow=False).end_offsets()
    for _ in range(1000):
        done = network.log.committed("bitsage-coordinator", places)
        if all(done.get(p, 0) >= end for p, end in ends.items() if end):
            break
        stop.wait(0.01)
    stop.set()
    thread.join()


def recovered(network: TestNetwork, cache: StateCache | None = None) -> dict[Any, Any]:
    streams = Streams()
    recovery = Recovery(network.log, network.network.seal_check(), cache)
    for partition in range(6):
        recovery.recover(partition, streams)
    return dict(streams.items())


def open_cache(network: TestNetwork, identity: str | None = None) -> StateCache:
    from bitsage.nodes import __version__

    name = identity or f"{network.network.chain_id}/{network.network.seal_key}/{__version__}"
    return StateCache(network.folder / "state-one.db", name)


def test_the_cache_and_the_log_give_the_same_state(network: TestNetwork) -> None:
    cache = open_cache(network)
    assert sum(len(list(cache.streams(p))) for p in range(6)) == 5
    assert recovered(network, cache) == recovered(network)
    assert len(recovered(network)) == 5


def test_what_was_folded_at_a_start_is_there_at_the_next_one(network: TestNetwork) -> None:
    """A coordinator that was killed, or whose cache was deleted, starts twice: nothing may be decided without the past."""
    for suffix in ("", "-wal", "-shm"):
        (network.folder / f"state-one.db{suffix}").unlink(missing_ok=True)
    # It folds five accounts from the log, decides for a sixth, and leaves cleanly.
    client = network.client(6)
    client.send(client.subject, CreateWallet())
    work(network)
    assert recovered(network, open_cache(network)) == recovered(network)
    again = network.client(1)
    again.send(again.subject, CreateWallet())
    work(network)
    answered = [a for a in again.history(("accounts",), again.subject) if a.envelope.command == "CreateWallet"]
    assert [type(a.body) for a in answered] == [WalletCreated, CommandRejected]
    assert audit(network.log, network.network).findings == []


def test_only_what_is_new_is_written_at_a_start(network: TestNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start does not write the whole cache anew."""
    saved: list[int] = []
    original = StateCache.save

    def counted(self: StateCache, streams: Iterable[Any], positions: Any) -> None:
        rows = list(streams)
        saved.append(len(rows))
        original(self, rows, positions)

    monkeypatch.setattr(StateCache, "save", counted)
    recovered(network, open_cache(network))
    assert saved == [0] * 6


def test_a_deleted_a_damaged_and_a_foreign_cache_change_nothing(network: TestNetwork) -> None:
    expected = recovered(network)
    path = network.folder / "state-one.db"
    path.write_bytes(b"this is no database" * 1000)
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink(missing_ok=True)
    assert recovered(network, open_cache(network)) == expected
    assert recovered(network, open_cache(network, "another chain")) == expected


def test_unreadable_rows_are_folded_anew(network: TestNetwork) -> None:
    expected = recovered(network)
    open_cache(network).close()
    with sqlite3.connect(network.folder / "state-one.db") as db:
        db.execute("update streams set state = '{\"nonsense\": 1}'")
    db.close()
    assert recovered(network, open_cache(network)) == expected


def test_a_cache_that_is_ahead_of_the_log_or_beside_it_loses(network: TestNetwork) -> None:
    expected = recovered(network)
    open_cache(network).close()
    with sqlite3.connect(network.folder / "state-one.db") as db:
        db.execute("update streams set previous = x'00', sequence = 1")
        db.execute("update positions set offset = 0")
    db.close()
    assert recovered(network, open_cache(network)) == expected


def test_a_cache_of_a_longer_log_loses(network: TestNetwork) -> None:
    expected = recovered(network)
    open_cache(network).close()
    with sqlite3.connect(network.folder / "state-one.db") as db:
        db.execute("update positions set offset = offset + 1000")
        db.execute("update streams set sequence = sequence + 1000")
    db.close()
    assert recovered(network, open_cache(network)) == expected


def test_a_commit_that_is_still_on_its_way_is_waited_for(network: TestNetwork) -> None:
    """The last owner died between its commit and the markers: what it wrote belongs to the state."""
    expected = recovered(network)
    place = next(p for p, part in network.log.partitions.items() if p[0] == topic_name("accounts") and part.entries)
    entries = network.log.partitions[place].entries
    last = max(n for n, entry in enumerate(entries) if entry.record is not None)
    transaction = network.log.begin()
    held = entries[last:]
    del entries[last:]
    network.log.open[transaction] = {place}
    network.log.first[transaction] = {place: last}
    entries += held

    def markers_come() -> None:
        network.log.end(transaction, commit=True)

    threading.Timer(0.3, markers_come).start()
    assert recovered(network) == expected


def test_a_cache_that_lags_is_caught_up(network: TestNetwork) -> None:
    cache = open_cache(network)
    late = network.client(9)
    late.send(late.subject, CreateWallet())
    stale = {p: cache.positions(p) for p in range(6)}
    work(network)
    assert any(stale.values())
    assert recovered(network, open_cache(network)) == recovered(network)
    assert len(recovered(network)) == 6


def test_a_gap_in_the_log_itself_is_loud(network: TestNetwork) -> None:
    partition = next(
        p for (t, p), part in network.log.partitions.items() if t == topic_name("accounts") and part.entries
    )
    network.log.trim((topic_name("accounts"), partition), 0)
    entries = network.log.partitions[topic_name("accounts"), partition].entries
    first = next(e for e in entries if e.record is not None)
    first.record = None
    with pytest.raises(StateDivergence, match="goes from sequence 0 to 2"):
        recovered(network)


def test_unsealed_and_undecodable_records_are_passed_over(network: TestNetwork) -> None:
    expected = recovered(network)
    seal = Sealer(network.authority.seal_secret, "test")
    stranger = Sealer(key(77).seal_secret, "test")
    for topic in OUTPUT_TOPICS:
        name = topic_name(topic)
        garbage = b"\xc3\x01garbage"
        for headers in ((), ((HEADER, stranger.seal(name, garbage)),), ((HEADER, seal.seal(name, garbage)),)):
            network.log.producer().send(Outgoing(name, 0, b"k", garbage, headers))
    assert recovered(network) == expected


def test_what_was_not_committed_is_not_cached(network: TestNetwork) -> None:
    cache = open_cache(network)
    rules = network.network.rules(ProductChecks())
    recovery = Recovery(network.log, network.network.seal_check(), cache)
    signer = CommandSigner(network.authority, "test")
    handler = CoordinatorHandler(rules, signer, Sealer(network.authority.seal_secret, "test"), recovery, cache)
    handler.assigned(range(6), network.log)
    before = dict(handler.streams.items())
    client = network.client(30)
    client.send(client.subject, CreateWallet())
    partition = client.signer.sign(client.subject, CreateWallet()).record.partition
    place = (topic_name("commands"), partition)
    record = network.log.reader({place: 0}, follow=False).read(1000, 1.0)[-1]
    assert handler.handle(record)
    handler.aborted()
    assert dict(handler.streams.items()) == before
    assert handler.handle(record)
    handler.revoked(range(6), clean=False)
    assert recovered(network, open_cache(network)) == before
