"""A node's own files: made anew when they are damaged, left alone when something else is wrong, closed in every case."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from testnetwork import FAST, TestNetwork

from bitsage.nodes.cache import StateCache
from bitsage.nodes.errors import NotConfigured
from bitsage.nodes.follower import Follower, Keep
from bitsage.nodes.network import read_network, write_network
from bitsage.projections.errors import ForeignFile
from bitsage.projections.sandbox import open_reader
from bitsage.streams.errors import BrokerUnreachable
from bitsage.streams.log import Record
from bitsage.streams.memory_log import InMemoryLog, MemoryReader


def follower(path: Path, log: Any = None) -> Follower:
    network = TestNetwork(InMemoryLog(), path.parent).network
    fold = lambda record, envelope, body: (envelope.subject, Keep.IGNORE)  # noqa: E731
    return Follower(log or InMemoryLog(), network.seal_check(), ("accounts",), path, "i", fold)


OPENERS: list[Callable[[Path], Any]] = [follower, lambda path: StateCache(path, "i")]


def close(opened: Any) -> None:
    opened._db.conn.close()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Every connection that is opened."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def kept(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    return opened


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("select 1")
    except sqlite3.ProgrammingError:
        return True
    return False


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("content", [b"no database at all" * 100, b"other columns"])
def test_a_damaged_file_is_made_anew_and_its_connection_closed(
    tmp_path: Path, connections: list[sqlite3.Connection], opener: Callable[[Path], Any], content: bytes
) -> None:
    path = tmp_path / "node.db"
    if content == b"other columns":
        other = sqlite3.connect(path)
        other.executescript("create table meta (something text); create table positions (another text);")
        other.close()
        connections.clear()
    else:
        path.write_bytes(content)
    opened = opener(path)
    assert [is_closed(connection) for connection in connections] == [True, False]
    assert opened._db.execute("select value from meta").fetchone()[0].startswith("i")
    close(opened)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_file_that_is_locked_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opener: Callable[[Path], Any]
) -> None:
    path = tmp_path / "node.db"
    close(opener(path))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.executescript("pragma journal_mode=delete; begin exclusive; create table witness (n integer); commit;")
    holder.execute("begin exclusive")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.05}))
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        opener(path)
    holder.execute("commit")
    assert holder.execute("select count(*) from witness").fetchone() == (0,)
    holder.close()


def test_a_follower_that_cannot_start_closes_its_file(tmp_path: Path) -> None:
    class Unreachable(InMemoryLog):
        def reader(self, positions: Any, *, follow: bool) -> MemoryReader:
            raise BrokerUnreachable("nobody answers")

    node = follower(tmp_path / "node.db", Unreachable())
    with pytest.raises(BrokerUnreachable):
        node.run(threading.Event())
    assert is_closed(node._db.conn)


def test_a_question_to_a_file_that_is_no_database_leaves_nothing_open(
    tmp_path: Path, connections: list[sqlite3.Connection]
) -> None:
    (tmp_path / "other").write_bytes(b"no database at all" * 100)
    with pytest.raises(ForeignFile):
        open_reader(tmp_path / "other")
    assert [is_closed(connection) for connection in connections] == [True]


class SlowLog(InMemoryLog):
    """A broker whose first answers are empty, as a real one's may be."""

    empty = 3

    def reader(self, positions: Any, *, follow: bool) -> MemoryReader:
        log = self

        class Slow(MemoryReader):
            def read(self, max_records: int, timeout: float) -> list[Record]:
                if log.empty > 0:
                    log.empty -= 1
                    return []
                return super().read(max_records, timeout)

        return Slow(self, positions, follow)


def test_a_follower_has_caught_up_only_when_the_backlog_is_folded(tmp_path: Path) -> None:
    log = InMemoryLog()
    network = TestNetwork(log, tmp_path)
    network.coordinator()
    network.client(1).create_wallet()
    network.close()
    slow = SlowLog()
    slow.partitions = log.partitions
    folded: list[str] = []

    def fold(record: Record, envelope: Any, body: Any) -> tuple[str, Keep]:
        folded.append(envelope.type)
        return envelope.subject, Keep.IGNORE

    node = Follower(slow, network.network.seal_check(), ("accounts",), tmp_path / "slow.db", "i", fold)
    stop, seen = threading.Event(), []

    def progress() -> None:
        seen.append(list(folded))
        stop.set()

    node.run(stop, progress)
    assert seen == [["WalletCreated"]]


@pytest.mark.parametrize("changes", [{"worker_percent": 0}, {"validators_max": 769}, {"consensus_timeout_ms": 0}])
def test_a_network_file_with_numbers_that_fit_no_network(tmp_path: Path, changes: dict[str, int]) -> None:
    network, file = TestNetwork(InMemoryLog(), tmp_path).network, tmp_path / "network.json"
    write_network(file, network)
    assert read_network(file) == network
    write_network(file, replace(network, parameters=replace(FAST, **changes)))
    with pytest.raises(NotConfigured, match=f"network.json: {next(iter(changes))} must"):
        read_network(file)
