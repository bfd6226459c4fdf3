"""One read model's SQLite file: opening it, and applying records to it in one transaction with the offsets.

Several processes may write: every batch takes the write lock first and reloads what another one changed.
"""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import blake3
from sqlite_utils import Database

from .errors import ForeignFile, LogMismatch, PositionsMoved
from .records import Checked
from .rows import WorkingSet
from .schema import ANOMALIES, COMMON_TABLES, HEADS, Model, put

FORMAT = 1
_BUSY_MS = 30_000
_BASE = """
create table meta (name text primary key, value text not null) without rowid;
create table positions (
  topic text, partition integer, next_offset integer not null, last_offset integer not null, last_digest text not null,
  records integer not null, rolling text not null, primary key (topic, partition)
) without rowid;
"""
_PUT_POSITION = """
insert into positions values (?, ?, ?, ?, ?, ?, ?) on conflict (topic, partition) do update set
  next_offset = excluded.next_offset, last_offset = excluded.last_offset, last_digest = excluded.last_digest,
  records = excluded.records, rolling = excluded.rolling
"""

Place = tuple[str, int]


class Position:
    """How far a partition is folded: the next offset, the last record's offset and digest, and the rolling hash."""

    __slots__ = ("last_digest", "last_offset", "next_offset", "records", "rolling")

    def __init__(self, next_offset: int, last_offset: int, last_digest: str, records: int, rolling: str) -> None:
        self.next_offset = next_offset
        self.last_offset = last_offset
        self.last_digest = last_digest
        self.records = records
        self.rolling = rolling


def empty_position() -> Position:
    """Nothing folded yet."""
    return Position(0, -1, "", 0, bytes(32).hex())


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def read_positions(connection: sqlite3.Connection) -> dict[Place, Position]:
    """(topic without prefix, partition) -> position, as `connection` sees them."""
    rows = connection.execute("select * from positions order by topic, partition").fetchall()
    return {(topic, partition): Position(*rest) for topic, partition, *rest in rows}


class Store:
    """The writing side of a model's file."""

    def __init__(self, model: Model, path: Path | None, *, sealed: bool = False) -> None:
        """Open or make the file; `path` None keeps it in memory. `sealed`: whether its records' seals are checked.

        Raises:
            ForeignFile: the file is not SQLite, is damaged, or is not this model's at this version.
            sqlite3.OperationalError: the file cannot be opened now (permission, disk, a lock that is not given up).
        """
        self.model = model
        self.path = path
        self._positions: dict[Place, Position] = {}
        self._unverified: set[Place] = set()
        self._version = -1
        self._identity = {
            "format": str(FORMAT),
            "model": model.name,
            "version": str(model.version),
            "shape": blake3.blake3("\n".join(model.statements).encode()).hexdigest(),
            "sealed": str(int(sealed)),
        }
        self._db = self._open()
        self._rows = WorkingSet(self.connection, (*model.tables, *COMMON_TABLES))
        self.inode = None if path is None else path.stat().st_ino

    def _open(self) -> Database:
        deadline = time.monotonic() + _BUSY_MS / 1000
        while True:
            try:
                return self._connect()
            except sqlite3.OperationalError as error:
                # SQLite does not wait for another process that is just making the same file.
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _connect(self) -> Database:
        connection = sqlite3.connect(self.path or ":memory:", check_same_thread=False, timeout=_BUSY_MS / 1000)
        try:
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=normal")
            database = Database(connection)
            self._prepare(database)
        except ForeignFile:
            connection.close()
            raise
        except sqlite3.DatabaseError as error:
            connection.close()
            # A lock, a full disk or a missing permission says nothing against the file.
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise ForeignFile(f"{self._name} is not a readable read model: {error}") from error
        return database

    @property
    def _name(self) -> str:
        return self.model.file_name if self.path is None else self.path.name

    def _prepare(self, database: Database) -> None:
        connection = database.conn
        connection.execute("begin immediate")
        found = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        if not found:
            for statement in (*_BASE.split(";"), *self.model.statements):
                connection.execute(statement)
            connection.executemany("insert into meta values (?, ?)", sorted(self._identity.items()))
        connection.commit()
        if found and ("meta",) not in found:
            raise ForeignFile(f"{self._name} is a database, but not a read model")
        meta = dict(connection.execute("select name, value from meta").fetchall())
        for name, value in self._identity.items():
            if meta.get(name) != value:
                raise ForeignFile(f"{self._name} is another read model: its {name} is {meta.get(name)}, not {value}")

    @property
    def connection(self) -> sqlite3.Connection:
        """The writing connection."""
        connection: sqlite3.Connection = self._db.conn
        return connection

    def positions(self) -> dict[Place, Position]:
        """(topic without prefix, partition) -> position, as they stand in the file now."""
        return read_positions(self.connection)

    def apply(self, batch: Sequence[Checked]) -> int:
        """Fold the records that are not folded yet, in one transaction with the offsets; how many were folded.

        Raises:
            LogMismatch: the log has another record where the file's last one was.
            PositionsMoved: another process replaced the file's content by an older state.
            sqlite3.Error: the file cannot be written; nothing of the batch is kept.
        """
        if not batch:
            return 0
        try:
            with self._db.atomic():
                self._begin()
                folded = sum(self._record(record) for record in batch)
                self._rows.flush()
                self._save(batch)
        except BaseException:
            self.forget()
            raise
        self._rows.trim()
        return folded

    def settle(self, ends: Mapping[Place, int]) -> None:
        """The log holds no further records below these offsets: a partition's end may lie behind its last record."""
        try:
            with self._db.atomic():
                self._begin()
                for place, end in ends.items():
                    position = self._positions.setdefault(place, empty_position())
                    position.next_offset = max(position.next_offset, end)
                    self._put_position(place, position)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drop what is remembered of the file; the next batch reads it anew."""
        self._rows.clear()
        self._positions.clear()
        self._version = -1

    def close(self) -> None:
        """Close the file."""
        self._db.conn.close()

    def _begin(self) -> None:
        # A write first: the lock is taken before anything is read, so no other writer can come in between.
        self._db.execute("update meta set value = value where name = 'format'")
        version = self.connection.execute("pragma data_version").fetchone()[0]
        if version != self._version:
            known = dict(self._positions)
            self.forget()
            self._positions = self.positions()
            self._unverified = {place for place, position in self._positions.items() if position.last_offset >= 0}
            self._version = version
            if any(
                self._positions.get(place, empty_position()).last_offset < p.last_offset for place, p in known.items()
            ):
                raise PositionsMoved(f"{self._name} was replaced by another process")

    def _record(self, record: Checked) -> bool:
        place = (record.topic, record.partition)
        position = self._positions.get(place)
        if position is None:
            position = self._positions[place] = empty_position()
        if record.offset <= position.last_offset:
            if record.offset == position.last_offset:
                self._unverified.discard(place)
                if record.digest.hex() != position.last_digest:
                    raise LogMismatch(
                        f"{self._name} was folded from another log: {record.topic}[{record.partition}] differs"
                    )
            return False
        if place in self._unverified:
            raise LogMismatch(f"{self._name}: {record.topic}[{record.partition}] lacks offset {position.last_offset}")
        code = record.code or self._chain(record)
        if not code and record.event is not None:
            for change in self.model.fold(record.event, self._rows.read):
                self._rows.merge(change)
        else:
            subject = "" if record.event is None else record.event.envelope.subject
            key = (record.topic, record.partition, record.offset)
            self._rows.merge(put(ANOMALIES.name, key, code=code, subject=subject))
        position.next_offset = record.offset + 1
        position.last_offset = record.offset
        position.last_digest = record.digest.hex()
        position.records += 1
        position.rolling = blake3.blake3(bytes.fromhex(position.rolling) + record.digest).hexdigest()
        return True

    def _chain(self, record: Checked) -> str:
        """Check the subject's chain and move its head; the code of what is wrong with it, or nothing."""
        assert record.event is not None
        envelope = record.event.envelope
        key = (record.topic, envelope.subject)
        head = self._rows.get(HEADS.name, key)
        sequence, previous = (0, bytes(32).hex()) if head is None else (head["sequence"], head["previous"])
        assert isinstance(sequence, int)
        if envelope.sequence <= sequence:
            return "sequence_repeated"
        if envelope.sequence != sequence + 1:
            return "sequence_gap"
        if envelope.previous.hex() != previous:
            return "chain_broken"
        self._rows.merge(put(HEADS.name, key, sequence=envelope.sequence, previous=record.chain))
        return ""

    def _save(self, batch: Iterable[Checked]) -> None:
        for place in {(record.topic, record.partition) for record in batch}:
            self._put_position(place, self._positions[place])

    def _put_position(self, place: Place, position: Position) -> None:
        values = (position.next_offset, position.last_offset, position.last_digest, position.records, position.rolling)
        self._db.execute(_PUT_POSITION, (*place, *values))
