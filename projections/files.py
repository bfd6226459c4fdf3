"""A model's files in the data folder: opening them, setting unusable ones aside, and putting a rebuilt one in place."""

import contextlib
import os
import sqlite3
from pathlib import Path

from .errors import ForeignFile
from .records import Trust
from .schema import Model
from .store import Store

_COMPANIONS = ("", "-wal", "-shm")


def path_of(model: Model, folder: Path) -> Path:
    """Where the model lives."""
    return folder / model.file_name


def rebuild_path_of(model: Model, folder: Path) -> Path:
    """Where the model is rebuilt."""
    return folder / f"{model.name}@{model.version}.rebuild.db"


def open_store(model: Model, path: Path, authenticate: Trust | None) -> tuple[Store, Path | None]:
    """The model's store; a file that is damaged or not ours is set aside first, and its new path is the second value.

    Raises:
        ForeignFile: the new file cannot be made either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return Store(model, path, sealed=authenticate is not None), None
    except ForeignFile:
        if not path.is_file():
            raise
    aside = set_aside(path)
    return Store(model, path, sealed=authenticate is not None), aside


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be used, over an older one that was set aside; its new path."""
    aside = path.with_name(path.name + ".unusable")
    # The log of a database that goes away must not be taken for that of its successor.
    for companion in _COMPANIONS[1:]:
        path.with_name(path.name + companion).unlink(missing_ok=True)
    path.replace(aside)
    return aside


def remove(path: Path) -> None:
    """Delete a database with its companions."""
    for companion in reversed(_COMPANIONS):
        path.with_name(path.name + companion).unlink(missing_ok=True)


def put_in_place(rebuilt: Store, live: Store) -> None:
    """Replace the live file's content by the rebuilt one's in one transaction: readers see the old or the new state.

    The content is copied rather than the file renamed, because other processes may hold the live file open.

    Raises:
        sqlite3.Error: the live file stayed locked.
    """
    rebuilt.connection.backup(live.connection)
    live.forget()


def is_replaced(store: Store) -> bool:
    """Whether the store's file was deleted or replaced under its hands."""
    if store.path is None:
        return False
    try:
        return os.stat(store.path).st_ino != store.inode
    except FileNotFoundError:
        return True


def close_all(stores: list[Store]) -> None:
    """Close the stores; a file that is already gone does not matter."""
    for store in stores:
        with contextlib.suppress(sqlite3.Error):
            store.close()
