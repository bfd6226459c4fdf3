"""The state hash: BLAKE3 over the canonical rows of a model (defined byte by byte in docs/projections.md).

state = "bitsage state v1" text(model) u32(version) table* ; table = 0x02 text(name) u32(columns) text(column)* row* ;
row = 0x01 value* ; value = 0x00 (null) | 0x01 i64 | 0x02 text | 0x03 text (an amount's canonical decimal) ;
text(s) = u32(length of the UTF-8 bytes) bytes. Integers are big-endian. Rows ascend by key.
"""

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence

import blake3

from .schema import COMMON_TABLES, Kind, Model, Table, Value

_PREFIX = b"bitsage state v1"
_NULL = b"\x00"


def text(value: str) -> bytes:
    """u32 length and UTF-8 bytes."""
    raw = value.encode("utf-8")
    return struct.pack(">I", len(raw)) + raw


def cell(kind: Kind, value: Value) -> bytes:
    """One typed value.

    Raises:
        TypeError: the value is not of the column's kind.
    """
    if value is None:
        return _NULL
    if kind.sql == "integer":
        if not isinstance(value, int):
            raise TypeError(f"a {kind} column holds {type(value).__name__}")
        return b"\x01" + struct.pack(">q", value)
    if not isinstance(value, str):
        raise TypeError(f"a {kind} column holds {type(value).__name__}")
    return (b"\x03" if kind is Kind.AMOUNT else b"\x02") + text(value)


def table_bytes(table: Table, rows: Iterable[Sequence[Value]]) -> Iterator[bytes]:
    """The encoding of a table whose rows (values in column order) ascend by key."""
    names = [column.name for column in table.all_columns]
    kinds = [column.kind for column in table.all_columns]
    yield b"\x02" + text(table.name) + struct.pack(">I", len(names)) + b"".join(map(text, names))
    for row in rows:
        yield b"\x01" + b"".join(map(cell, kinds, row))


def state_hash(model: Model, connection: sqlite3.Connection) -> str:
    """The hash (64 hex digits) of the model's tables, its heads and its anomalies, as `connection` sees them.

    Raises:
        TypeError: a row holds a value of another type than its column.
    """
    hasher = blake3.blake3(_PREFIX + text(model.name) + struct.pack(">I", model.version))
    for table in (*model.tables, *COMMON_TABLES):
        columns = ", ".join(f'"{column.name}"' for column in table.all_columns)
        order = ", ".join(f'"{column.name}"' for column in table.key)
        rows = connection.execute(f"select {columns} from {table.name} order by {order}")
        for part in table_bytes(table, rows):
            hasher.update(part)
    return hasher.hexdigest()
