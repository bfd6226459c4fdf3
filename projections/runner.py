"""The runner: one thread that keeps all read models up to date with the log, as the coordinator's process does."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from bitsage.streams.errors import StreamError
from bitsage.streams.log import Log, Place, Reader, Record

from . import feed
from .errors import LogMismatch, PositionsMoved, ProjectionError
from .files import close_all, is_replaced, open_store, path_of, set_aside
from .models import models_of
from .records import Trust
from .schema import Model
from .store import Store

logger = structlog.get_logger(__name__)
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)


class ProjectionRunner:
    """Follows every model (or those named) until `stop`; survives a lost broker, deleted files and rebuilt models.

    Each record is read and checked once for all models. `caught_up` is set when the log's end was first reached;
    `failure` holds what the thread is currently backing off from.
    """

    def __init__(
        self, log: Log, folder: Path, models: Sequence[str | Model] = (), authenticate: Trust | None = None
    ) -> None:
        self._log = log
        self._folder = folder
        self._models = models_of(models)
        self._authenticate = authenticate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, args=(self._stop,), name="projections", daemon=True)
        self.caught_up = threading.Event()
        self.failure: Exception | None = None
        self._folded = 0

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the open batch and close the files; False when the thread is still busy after `timeout` seconds."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set, in the caller's thread."""
        failures = 0
        while not stop.is_set():
            try:
                if self._session(stop):
                    failures = 0
                self.failure = None
            except (StreamError, ProjectionError, sqlite3.Error, OSError) as error:
                self.failure = error
                wait = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
                failures += 1
                logger.warning("projections_interrupted", error=type(error).__name__, reason=str(error), retry_s=wait)
                stop.wait(wait)

    def _session(self, stop: threading.Event) -> bool:
        """Follow with one reader until something has to be opened anew; True when records were folded."""
        stores: list[Store] = []
        reader = None
        folded = self._folded
        try:
            for model in self._models:
                stores.append(self._open(path_of(model, self._folder), len(stores)))
            reader = self._log.reader(feed.start_of(stores), follow=True)
            self._follow(reader, stores, stop)
        except PositionsMoved as moved:
            logger.info("projection_rebuilt_elsewhere", reason=str(moved))
        finally:
            if reader is not None:
                reader.close()
            close_all(stores)
        return self._folded > folded

    def _follow(self, reader: Reader, stores: list[Store], stop: threading.Event) -> None:
        ends: dict[Place, int] = {}
        settled = False
        while not stop.is_set():
            if records := reader.read(feed.BATCH, 0.2):
                self._deliver(records, stores)
                self._folded += len(records)
                self.failure, settled = None, False
                continue
            if not settled:
                # Ends that were known before an empty read lie behind everything that was read: what is left up to
                # them are the marks of transactions.
                feed.settle(stores, ends)
                before, ends = ends, reader.end_offsets()
                settled = before == ends
            self.caught_up.set()
            if any(is_replaced(store) for store in stores):
                logger.info("projection_files_replaced")
                return

    def _open(self, path: Path, index: int) -> Store:
        store, aside = open_store(self._models[index], path, self._authenticate)
        if aside is not None:
            logger.warning("projection_file_unusable", file=path.name, set_aside=aside.name)
        return store

    def _deliver(self, records: Sequence[Record], stores: list[Store]) -> None:
        checked = feed.check_all(records, self._authenticate)
        for store in stores:
            try:
                feed.fold_into(store, checked)
            except (LogMismatch, sqlite3.DatabaseError) as error:
                # The log wins: a file that was folded from another one, or is damaged, is folded anew. A lock or a
                # full disk (OperationalError) says nothing against the file.
                if store.path is not None and store.path.exists() and not isinstance(error, sqlite3.OperationalError):
                    store.close()
                    set_aside(store.path)
                raise
