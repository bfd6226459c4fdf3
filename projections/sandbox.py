"""Questions in SQL that can do nothing but read, for a limited time, in limited memory."""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import amounts
from .errors import ForeignFile, QueryRefused, QueryTimeout

Rows = list[dict[str, Any]]
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
#: Functions that reach outside the database or load code.
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}
_MAX_VALUE_BYTES = 16 * 1024 * 1024
_STEPS = 10_000


def _authorize(action: int, first: str | None, second: str | None, schema: str | None, trigger: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, attach, or change settings.

    Raises:
        ForeignFile: the file is missing or is not a database.
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)
        connection.execute("pragma query_only = on")
        # One snapshot for as long as the connection lives; the authorizer below forbids to begin another.
        connection.execute("begin")
        connection.execute("select count(*) from sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        raise ForeignFile(f"{path.name} cannot be read: {error}") from error
    connection.row_factory = sqlite3.Row
    amounts.register(connection)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    connection.set_authorizer(_authorize)
    return connection


def ask(
    connection: sqlite3.Connection,
    sql: str,
    parameters: Sequence[Any] | Mapping[str, Any] = (),
    *,
    seconds: float = 10.0,
    limit: int = 100_000,
) -> Rows:
    """At most `limit` rows of one SELECT, as dicts, computed within `seconds`.

    Raises:
        QueryRefused: the SQL is not valid, writes, attaches, asks for a pragma, or is more than one statement.
        QueryTimeout: it took longer than it may.
    """
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
    try:
        cursor = connection.execute(sql, parameters)
        if cursor.description is None:
            raise QueryRefused("the statement returns no rows; only SELECT is answered")
        return [dict(row) for row in cursor.fetchmany(limit)]
    except (sqlite3.Error, sqlite3.Warning) as error:
        if str(error) == "interrupted":
            raise QueryTimeout(f"the query ran longer than {seconds:g} s") from error
        raise QueryRefused(f"the query was refused: {error}") from error
    except (OverflowError, ValueError) as error:
        # A parameter beyond 64 bits, or text that is no amount given to an amount function.
        raise QueryRefused(f"the query was refused: {error}") from error
    finally:
        connection.set_progress_handler(None, 0)
