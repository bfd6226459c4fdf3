"""What a read model is made of, as data: tables, typed columns with their sources, and the changes a fold asks for.

A fold never writes. It answers an event with changes of three kinds: `put` sets columns and is used only where one
subject's chain is the column's sole source; `add` and `least` commute. So the state does not depend on how the
partitions of the log were interleaved.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from bitsage.schemas.types import EventBody, EventEnvelope

Value = int | str | None
Key = tuple[int | str, ...]
Row = dict[str, Value]


class Kind(StrEnum):
    """How a column is kept and hashed: an amount is an int of any size, kept as canonical decimal text."""

    INTEGER = "integer"
    FLAG = "flag"
    TIME = "time"
    TEXT = "text"
    JSON = "json"
    AMOUNT = "amount"

    @property
    def sql(self) -> str:
        """The SQLite type."""
        return "integer" if self in (Kind.INTEGER, Kind.FLAG, Kind.TIME) else "text"


class Merge(StrEnum):
    """How a column takes in a value: the last one of its chain, the sum, or the least."""

    LAST = "last"
    SUM = "sum"
    LEAST = "least"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `source` is the topic (without prefix) that it comes from; a default of None means nullable."""

    name: str
    kind: Kind
    source: str
    doc: str
    default: Value = None
    merge: Merge = Merge.LAST

    @property
    def sql(self) -> str:
        """The column's definition."""
        if self.default is None:
            return f'"{self.name}" {self.kind.sql}'
        text = str(self.default) if self.kind.sql == "integer" else f"'{self.default}'"
        return f'"{self.name}" {self.kind.sql} not null default {text}'


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `key` are its first columns and its primary key."""

    name: str
    doc: str
    key: tuple[Column, ...]
    columns: tuple[Column, ...]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Key and other columns, in the order of the table."""
        return self.key + self.columns

    @property
    def sql(self) -> str:
        """The statement that makes the table."""
        columns = ",\n  ".join(column.sql for column in self.all_columns)
        key = ", ".join(f'"{column.name}"' for column in self.key)
        return f"create table {self.name} (\n  {columns},\n  primary key ({key})\n) without rowid"


class Change(NamedTuple):
    """What a fold asks for: merge `values` into the row `key` of `table`; the row is made when it is not there."""

    table: str
    key: Key
    merge: Merge
    values: Mapping[str, Value]


def put(table: str, key: Key, **values: Value) -> Change:
    """Set columns; only the chain of one subject may do so for a column of a row."""
    return Change(table, key, Merge.LAST, values)


def add(table: str, key: Key, **values: int) -> Change:
    """Add to columns."""
    return Change(table, key, Merge.SUM, values)


def least(table: str, key: Key, **values: int) -> Change:
    """Keep the smaller of what is there and the value; nothing there counts as larger than all."""
    return Change(table, key, Merge.LEAST, values)


#: Looks at a row of the event's own subject as the fold sees it; None when it is not there.
Read = Callable[[str, Key], Mapping[str, Value] | None]


class Event(NamedTuple):
    """A decoded event; `topic` without prefix."""

    topic: str
    envelope: EventEnvelope
    body: EventBody


B = TypeVar("B", bound=EventBody)
Handler = Callable[[EventEnvelope, B, Read], Iterable[Change]]


class Fold:
    """A model's fold: one pure function per event type. Calling it with any other event changes nothing."""

    def __init__(self) -> None:
        self._handlers: dict[type[EventBody], Handler[Any]] = {}

    def on(self, body: type[B]) -> Callable[[Handler[B]], Handler[B]]:
        """Decorator: the function answers events of type `body`."""

        def register(handler: Handler[B]) -> Handler[B]:
            self._handlers[body] = handler
            return handler

        return register

    def __call__(self, event: Event, read: Read) -> Iterable[Change]:
        """The changes that an event makes."""
        handler = self._handlers.get(type(event.body))
        return () if handler is None else handler(event.envelope, event.body, read)

    @property
    def events(self) -> list[str]:
        """The names of the events that it answers."""
        return sorted(body.__name__ for body in self._handlers)


@dataclass(frozen=True, slots=True)
class Model:
    """A read model. A change of its tables or its fold raises `version`.

    `main` is the table or view that people look at first, `brief` its columns that fit on a screen.
    """

    name: str
    version: int
    doc: str
    topics: tuple[str, ...]
    tables: tuple[Table, ...]
    fold: Fold
    main: str
    brief: tuple[str, ...]
    views: tuple[tuple[str, str], ...] = ()
    indexes: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The model's file in the data folder."""
        return f"{self.name}@{self.version}.db"

    @property
    def table_names(self) -> list[str]:
        """Views first, then tables."""
        return [name for name, _ in self.views] + [table.name for table in (*self.tables, *COMMON_TABLES)]

    @property
    def kinds(self) -> dict[str, Kind]:
        """Column name -> kind, of all tables (a name has one kind in a model)."""
        return {column.name: column.kind for table in (*self.tables, *COMMON_TABLES) for column in table.all_columns}

    @property
    def statements(self) -> list[str]:
        """The SQL that makes an empty model."""
        views = [f"create view {name} as {sql}" for name, sql in self.views]
        return [table.sql for table in (*self.tables, *COMMON_TABLES)] + views + list(self.indexes)


def _text(name: str, doc: str) -> Column:
    return Column(name, Kind.TEXT, "all", doc, "")


def _integer(name: str, doc: str) -> Column:
    return Column(name, Kind.INTEGER, "all", doc, 0)


HEADS = Table(
    "heads",
    "The end of every subject's chain: the next event must carry `sequence` + 1 and `previous`.",
    (_text("topic", "topic without prefix"), _text("subject", "whose chain")),
    (_integer("sequence", "of the last folded event"), _text("previous", "sha256 of its record, hex")),
)
ANOMALIES = Table(
    "anomalies",
    "Records that were not folded, and why.",
    (_text("topic", "topic without prefix"), _integer("partition", "its partition"), _integer("offset", "its offset")),
    (_text("code", "why, a stable code"), _text("subject", "whose event it claims to be; empty when unreadable")),
)
#: In every model, hashed after its own tables.
COMMON_TABLES = (HEADS, ANOMALIES)
