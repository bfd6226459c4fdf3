"""A node's own SQLite file: a shortcut that may be made anew, but only when the file itself is to blame."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlite_utils import Database


def open_or_remake(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> Database:
    """The database at `path` after `prepare`; a file that is no database, is damaged or has other columns is replaced.

    Raises:
        sqlite3.OperationalError: a lock, a full disk or a missing permission; it says nothing against the file, which
            stays as it is.
    """
    try:
        return _open(path, prepare)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _open(path, prepare)


def _open(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> Database:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        connection.executescript("pragma journal_mode=wal; pragma synchronous=normal;")
        prepare(connection)
        return Database(connection)
    except BaseException:
        connection.close()
        raise
