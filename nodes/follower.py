"""Following event topics from where one left off, with a small memory of what still matters.

A node (worker, validator, timer, payer) folds sealed events as they come, each as the next link of its subject's chain:
the end of every chain is kept, so a copy of an old event that somebody appends is passed over. Records of unfinished
subjects are retained in its own SQLite file together with the offsets; after a restart they are folded again, then the
log continues. The file may be deleted: everything is then read from offset zero.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from enum import Enum
from pathlib import Path

from sqlite_utils import Database

from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.codec import decode_event
from bitsage.streams.log import Log, Record
from bitsage.streams.seal import SealCheck
from bitsage.streams.topics import TOPICS, topic_name

from .sealed import Link, pass_over, sealed_event
from .sqlite_file import open_or_remake

_BATCH = 500
#: Seconds between two looks at the log after which a follower counts as having been away.
_STALL_S = 5.0
#: A file of another layout is filled anew.
_LAYOUT = "3"
_SCHEMA = """
create table if not exists positions (
  topic text, partition integer, offset integer, primary key (topic, partition)
) without rowid;
create table if not exists retained (
  n integer primary key autoincrement, grp text, topic text, partition integer, offset integer, timestamp integer, value blob
);
create index if not exists retained_by_group on retained (grp);
create table if not exists heads (
  topic text, subject text, sequence integer, hash blob, primary key (topic, subject)
) without rowid;
create table if not exists done (grp text primary key) without rowid;
create table if not exists meta (name text primary key, value text) without rowid;
"""


class Keep(Enum):
    """What a fold says of an event: it still matters, its whole group is finished, or it never mattered."""

    RETAIN = 1
    DONE = 2
    IGNORE = 3


#: (record, envelope, body) -> (group, what to keep)
Fold = Callable[[Record, EventEnvelope, EventBody], tuple[str, Keep]]


class Follower:
    """Feeds `fold` with every sealed event of `topics`, in order per subject, each once per life of the process."""

    def __init__(
        self, log: Log, seals: SealCheck, topics: Iterable[str], path: Path, identity: str, fold: Fold
    ) -> None:
        self._log = log
        self._seals = seals
        self._topics = tuple(topics)
        self._fold = fold
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = _open(path, identity)
        self.caught_up = threading.Event()

    def run(self, stop: threading.Event, on_progress: Callable[[], None] | None = None) -> None:
        """Fold until `stop` is set; `on_progress` is called after every batch once the backlog is folded."""
        with closing(self._db.conn):
            positions = self._resume()
            with closing(self._log.reader(positions, follow=True)) as reader:
                ends, turn = reader.settled_ends(), time.monotonic()
                while not stop.is_set():
                    records = reader.read(_BATCH, 0.2)
                    before, turn = turn, time.monotonic()
                    if turn - before > _STALL_S:
                        # This process was stopped or very late. What it knows is old: it hears the rest before it acts.
                        self.caught_up.clear()
                        ends = reader.settled_ends()
                    if records:
                        self._batch(records, positions)
                    # An empty read says nothing: the broker may have been slow.
                    if not self.caught_up.is_set() and reader.has_read(ends):
                        self.caught_up.set()
                    if self.caught_up.is_set() and on_progress is not None:
                        on_progress()

    def is_done(self, group: str) -> bool:
        """Whether the group has finished, in this life of the process or an earlier one.

        Topics are read side by side, so an event may come after its group's end; who reads a long log from its beginning
        is through with the short records of one topic long before the large ones of another.
        """
        return self._db.execute("select 1 from done where grp = ?", (group,)).fetchone() is not None

    def _resume(self) -> dict[tuple[str, int], int]:
        positions = {(topic_name(t), p): 0 for t in self._topics for p in range(TOPICS[t].partitions)}
        rows = self._db.execute("select topic, partition, offset from positions").fetchall()
        positions |= {
            (topic, partition): offset for topic, partition, offset in rows if (topic, partition) in positions
        }
        retained = self._db.execute(
            "select topic, partition, offset, timestamp, value from retained order by n"
        ).fetchall()
        for topic, partition, offset, timestamp, value in retained:
            # Retained records were checked when they first came; the file is this node's own.
            record = Record(topic, partition, offset, timestamp, None, value, ())
            self._fold(record, *decode_event(value))
        return positions

    def _batch(self, records: list[Record], positions: dict[tuple[str, int], int]) -> None:
        with self._db.atomic():
            for record in records:
                self._one(record)
                positions[record.topic, record.partition] = record.offset + 1
            self._db.conn.executemany(
                "insert or replace into positions values (?, ?, ?)",
                [(topic, partition, offset) for (topic, partition), offset in positions.items()],
            )

    def _one(self, record: Record) -> None:
        found = sealed_event(record, self._seals)
        if found is None:
            return
        envelope, body = found
        head = self._head(record.topic, envelope.subject).then(record, envelope)
        if head is None:
            pass_over(record, "not_the_next_link")
            return
        self._db.execute("insert or replace into heads values (?, ?, ?, ?)", (record.topic, envelope.subject, *head))
        group, keep = self._fold(record, envelope, body)
        if keep is Keep.DONE:
            self._db.execute("delete from retained where grp = ?", (group,))
            self._db.execute("insert or ignore into done values (?)", (group,))
        elif keep is Keep.RETAIN and not self.is_done(group):
            self._db.execute(
                "insert into retained (grp, topic, partition, offset, timestamp, value) values (?, ?, ?, ?, ?, ?)",
                (group, record.topic, record.partition, record.offset, record.timestamp, record.value),
            )

    def _head(self, topic: str, subject: str) -> Link:
        row = self._db.execute(
            "select sequence, hash from heads where topic = ? and subject = ?", (topic, subject)
        ).fetchone()
        return Link() if row is None else Link(*row)


def _open(path: Path, identity: str) -> Database:
    identity = f"{identity} {_LAYOUT}"

    def prepare(connection: sqlite3.Connection) -> None:
        connection.executescript(_SCHEMA)
        row = connection.execute("select value from meta where name = 'identity'").fetchone()
        if row is None or row[0] != identity:
            connection.executescript(
                "delete from positions; delete from retained; delete from heads; delete from done; delete from meta;"
            )
            connection.execute("insert into meta values ('identity', ?)", (identity,))

    return open_or_remake(path, prepare)
