"""The rows that a batch touches: read from the file once, merged in memory, written back together.

Reading and writing row by row would cost most of a replay's time.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from . import amounts
from .schema import Change, Key, Kind, Merge, Row, Table, Value

_CACHED_ROWS = 20_000


class WorkingSet:
    """Rows of `tables` between the file and a fold."""

    def __init__(self, connection: sqlite3.Connection, tables: Iterable[Table]) -> None:
        self._connection = connection
        self._sql = {table.name: _Statements(table) for table in tables}
        self._rows: dict[tuple[str, Key], Row] = {}
        self._dirty: set[tuple[str, Key]] = set()

    def get(self, table: str, key: Key) -> Row | None:
        """The row as the open batch sees it."""
        row = self._rows.get((table, key))
        if row is None:
            row = self._sql[table].load(self._connection, key)
            if row is not None:
                self._rows[table, key] = row
        return row

    def read(self, table: str, key: Key) -> Mapping[str, Value] | None:
        """The same for folds, which must not change it."""
        row = self.get(table, key)
        return None if row is None else MappingProxyType(row)

    def merge(self, change: Change) -> None:
        """Merge a change into its row."""
        row = self.get(change.table, change.key)
        if row is None:
            row = self._rows[change.table, change.key] = self._sql[change.table].new(change.key)
        for name, value in change.values.items():
            row[name] = value if change.merge is Merge.LAST else _merged(change.merge, row[name], value)
        self._dirty.add((change.table, change.key))

    def flush(self) -> None:
        """Write the changed rows; the caller holds the transaction."""
        by_table: dict[str, list[list[Value]]] = {}
        for table, key in self._dirty:
            by_table.setdefault(table, []).append(self._sql[table].encode(self._rows[table, key]))
        for table, rows in by_table.items():
            self._connection.executemany(self._sql[table].upsert, rows)
        self._dirty.clear()

    def trim(self) -> None:
        """Keep memory bounded between batches."""
        if len(self._rows) > _CACHED_ROWS:
            self._rows.clear()

    def clear(self) -> None:
        """Forget every row."""
        self._rows.clear()
        self._dirty.clear()


def _merged(merge: Merge, current: Value, value: Value) -> Value:
    assert isinstance(value, int)
    if current is None:
        return value
    assert isinstance(current, int)
    return current + value if merge is Merge.SUM else min(current, value)


class _Statements:
    """The SQL of one table, and its rows between Python and SQLite: amounts are ints here and text there."""

    def __init__(self, table: Table) -> None:
        names = [column.name for column in table.all_columns]
        columns = ", ".join(f'"{name}"' for name in names)
        where = " and ".join(f'"{column.name}" = ?' for column in table.key)
        key = ", ".join(f'"{column.name}"' for column in table.key)
        updates = ", ".join(f'"{column.name}" = excluded."{column.name}"' for column in table.columns)
        self.select = f"select {columns} from {table.name} where {where}"
        self.upsert = (
            f"insert into {table.name} ({columns}) values ({', '.join('?' * len(names))}) "
            f"on conflict ({key}) do update set {updates}"
        )
        self._names = names
        self._amounts = [column.name for column in table.all_columns if column.kind is Kind.AMOUNT]
        self._defaults: Row = {column.name: column.default for column in table.columns}
        self._keys = [column.name for column in table.key]

    def new(self, key: Key) -> Row:
        """A row with nothing but its key."""
        return dict(zip(self._keys, key, strict=True)) | self._defaults

    def load(self, connection: sqlite3.Connection, key: Key) -> Row | None:
        """The row as it stands in the file."""
        found = connection.execute(self.select, key).fetchone()
        if found is None:
            return None
        row: Row = dict(zip(self._names, found, strict=True))
        for name in self._amounts:
            value = row[name]
            row[name] = amounts.decode(value) if isinstance(value, str) else None
        return row

    def encode(self, row: Row) -> list[Value]:
        """The row's values as SQLite keeps them."""
        values = dict(row)
        for name in self._amounts:
            value = values[name]
            values[name] = amounts.encode(value) if isinstance(value, int) else None
        return [values[name] for name in self._names]
