"""The state cache: folded streams and the output offsets they stand at, in one SQLite file.

Only a shortcut: a coordinator starts from it and catches up with the log; when it is missing, damaged or ahead of the
log, everything is folded anew from offset zero. The log wins.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bitsage.processors.bindings import binding_for
from bitsage.processors.kernel import Key, Stream, subject_kind
from bitsage.processors.serialise import dump, load

from .sqlite_file import open_or_remake

#: What the rows mean; a change empties caches that were written before.
_FORMAT = 2
_SCHEMA = """
create table if not exists meta (name text primary key, value text) without rowid;
create table if not exists streams (
  partition integer, topic text, subject text, sequence integer, previous blob, nonces text, state blob,
  primary key (topic, subject)
) without rowid;
create index if not exists streams_by_partition on streams (partition);
create table if not exists positions (
  topic text, partition integer, offset integer, primary key (topic, partition)
) without rowid;
"""

Positions = Mapping[tuple[str, int], int]


class StateCache:
    """Streams by partition; `identity` names what the states depend on (chain id, code version): a change empties it."""

    def __init__(self, path: Path, identity: str) -> None:
        self._identity = f"{identity}/{_FORMAT}"
        self._db = open_or_remake(path, self._prepare)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.executescript(_SCHEMA)
        row = connection.execute("select value from meta where name = 'identity'").fetchone()
        if row is None or row[0] != self._identity:
            connection.executescript("delete from streams; delete from positions; delete from meta;")
            connection.execute("insert into meta values ('identity', ?)", (self._identity,))

    def positions(self, partition: int) -> dict[str, int]:
        """topic -> offset after the last folded record of this partition."""
        rows = self._db.execute("select topic, offset from positions where partition = ?", (partition,))
        return dict(rows.fetchall())

    def streams(self, partition: int) -> Iterator[tuple[Key, Stream]]:
        """The cached streams of a partition.

        Raises:
            ValueError: a row that this version cannot read.
        """
        rows = self._db.execute(
            "select topic, subject, sequence, previous, nonces, state from streams where partition = ?", (partition,)
        )
        for topic, subject, sequence, previous, nonces, state in rows.fetchall():
            kind = subject_kind(subject)
            binding = binding_for(topic, kind) if kind else None
            if binding is None:
                raise ValueError(f"no decider writes {topic} for {subject}")
            yield (topic, subject), Stream(load(binding.state, state), sequence, previous, json.loads(nonces))

    def save(self, streams: Iterable[tuple[int, Key, Stream]], positions: Positions) -> None:
        """Keep these streams and positions, all or nothing."""
        with self._db.atomic():
            self._db.conn.executemany(
                "insert or replace into streams values (?, ?, ?, ?, ?, ?, ?)",
                (
                    (partition, topic, subject, s.sequence, s.previous, json.dumps(s.nonces), dump(s.state))
                    for partition, (topic, subject), s in streams
                ),
            )
            self._db.conn.executemany(
                "insert or replace into positions values (?, ?, ?)",
                ((topic, partition, offset) for (topic, partition), offset in positions.items()),
            )

    def forget(self, partition: int) -> None:
        """Drop a partition's streams and positions."""
        with self._db.atomic():
            self._db.execute("delete from streams where partition = ?", (partition,))
            self._db.execute("delete from positions where partition = ?", (partition,))

    def close(self) -> None:
        """Close the file."""
        self._db.conn.close()
