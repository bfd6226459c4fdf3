"""A read model as an object: catch up, follow, ask, hash."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bitsage.streams.log import Log

from . import feed
from .canonical import state_hash
from .errors import UnknownColumn, UnknownTable
from .files import open_store, path_of, put_in_place, rebuild_path_of, remove
from .models import model_named, models_of
from .records import Trust
from .sandbox import Rows, ask, open_reader
from .schema import Model
from .store import Place, Position, read_positions


@dataclass(frozen=True, slots=True)
class State:
    """A model's hash and where it stands, from one snapshot."""

    model: str
    version: int
    hash: str
    positions: dict[Place, Position]


class Projection:
    """One read model in its file; `with Projection("jobs", folder) as jobs: jobs.catch_up(log)`.

    `authenticate` tells the network's own records from others (`streams.seal.SealCheck`); without it every well-formed
    record counts. A file that is damaged or foreign is set aside (`set_aside` names it then) and the model starts anew.
    One thread at a time may write; `query`, `rows` and `state` may be called from any thread.
    """

    def __init__(
        self, model: str | Model, folder: Path, authenticate: Trust | None = None, *, path: Path | None = None
    ) -> None:
        self.model = model_named(model) if isinstance(model, str) else model
        self.folder = folder
        self.path = path or path_of(self.model, folder)
        self._authenticate = authenticate
        self.store, self.set_aside = open_store(self.model, self.path, authenticate)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def catch_up(self, log: Log, progress: feed.Progress | None = None) -> int:
        """Fold everything up to the end that the log has now; how many records were folded.

        Raises:
            LogMismatch: the file was folded from another log.
            StreamError: the log cannot be read.
        """
        return feed.catch_up(log, [self.store], self._authenticate, progress)

    def follow(self, log: Log, stop: threading.Event) -> None:
        """Fold until `stop` is set.

        Raises:
            LogMismatch: the file was folded from another log.
            PositionsMoved: another process replaced the file's content; call again.
            StreamError: the log cannot be read.
        """
        reader = log.reader(feed.start_of([self.store]), follow=True)
        try:
            while not stop.is_set():
                if records := reader.read(feed.BATCH, 0.2):
                    feed.deliver(records, [self.store], self._authenticate)
        finally:
            reader.close()

    def lag(self, log: Log) -> int:
        """How many offsets of the log are not folded yet.

        Raises:
            StreamError: the log cannot be read.
        """
        return feed.lag_of(log, self.store)

    def state(self) -> State:
        """The state hash with the positions that it stands for."""
        connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.execute("begin")
            found = state_hash(self.model, connection)
            return State(self.model.name, self.model.version, found, read_positions(connection))
        finally:
            connection.close()

    def state_hash(self) -> str:
        """BLAKE3 over the canonical rows, 64 hex digits (docs/projections.md defines it)."""
        return self.state().hash

    def query(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        *,
        seconds: float = 10.0,
        limit: int = 100_000,
    ) -> Rows:
        """The rows of one SELECT; it can only read, for `seconds` at most.

        Raises:
            QueryRefused: not valid, or not only reading.
            QueryTimeout: it took longer than it may.
        """
        connection = open_reader(self.path)
        try:
            return ask(connection, sql, parameters, seconds=seconds, limit=limit)
        finally:
            connection.close()

    def rows(self, where: Mapping[str, str] | None = None, *, limit: int = 100_000, table: str | None = None) -> Rows:
        """Rows of the model's main table (or of `table`) whose columns equal the given texts, in key order.

        Raises:
            UnknownColumn: a filter names no column.
            UnknownTable: the model has no such table.
        """
        source = table or self.model.main
        columns = list(self.columns(source))
        for name in where or {}:
            if name not in columns:
                raise UnknownColumn(name, columns)
        # Compared as text, so that a filter typed by a person fits numbers too.
        condition = " and ".join(f'cast("{name}" as text) = ?' for name in where or {}) or "true"
        sql = f'select * from "{source}" where {condition} order by 1 limit ?'
        return self.query(sql, [*(where or {}).values(), limit], limit=limit)

    def columns(self, table: str | None = None) -> list[str]:
        """The column names of the main table (or of `table`).

        Raises:
            UnknownTable: the model has no such table.
        """
        if table is not None and table not in self.model.table_names:
            raise UnknownTable(table, self.model.table_names)
        connection = open_reader(self.path)
        try:
            cursor = connection.execute(f'select * from "{table or self.model.main}" limit 0')
            return [entry[0] for entry in cursor.description]
        finally:
            connection.close()

    def snapshot(self, *tables: str) -> list[Rows]:
        """All rows of each of the tables, as they stood at one moment."""
        connection = open_reader(self.path)
        try:
            return [ask(connection, f'select * from "{table}"', limit=10**9, seconds=600) for table in tables]
        finally:
            connection.close()


def rebuild(
    log: Log,
    folder: Path,
    models: Sequence[str | Model] = (),
    authenticate: Trust | None = None,
    progress: feed.Progress | None = None,
) -> dict[str, State]:
    """Fold models anew from offset zero beside their files, then put them in place; an interrupted rebuild goes on.

    Without names: every model. All of them are fed from one reading of the log.

    Raises:
        UnknownModel: a name is not a model's.
        StreamError: the log cannot be read.
    """
    fresh = [
        Projection(model, folder, authenticate, path=rebuild_path_of(model, folder)) for model in models_of(models)
    ]
    states: dict[str, State] = {}
    try:
        feed.catch_up(log, [one.store for one in fresh], authenticate, progress)
        for one in fresh:
            with Projection(one.model, folder, authenticate) as live:
                put_in_place(one.store, live.store)
                states[one.model.name] = live.state()
    finally:
        for one in fresh:
            one.close()
    for one in fresh:
        remove(one.path)
    return states
