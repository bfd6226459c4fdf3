"""Long-running processes: signals, clean leaving, and waiting for a broker that went away."""

import fcntl
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import structlog

from bitsage.errors import InputError
from bitsage.obelysk import JOB_TYPES
from bitsage.schemas.types import EventBody
from bitsage.streams.errors import BrokerUnreachable, ClientLost, StreamError, TransactionAborted
from bitsage.streams.log import Log
from bitsage.wallet import Key, format_address

from . import logs
from .context import client_of, config, open_log
from .failures import INTERRUPTED

_RETRY_S = 2.0
logger = structlog.get_logger(__name__)


class Node(Protocol):
    """What `serve` runs: it works until `stop` is set."""

    stop: threading.Event

    def run(self) -> None:
        """Work until `stop` is set."""


class _Stopper:
    """SIGTERM and the first Ctrl-C ask the node to finish; a second Ctrl-C leaves at once with 130."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.node: Node | None = None

    def __call__(self, number: int, frame: Any) -> None:
        """The signal handler."""
        if self.asked.is_set() and number == signal.SIGINT:
            # An exception would only reach the main thread, and Python would then still wait for the coordinator's others.
            # Nothing is lost: what was not committed is decided anew at the next start.
            os._exit(INTERRUPTED)
        self.asked.set()
        if self.node is not None:
            self.node.stop.set()


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process for each name and home: two would fence each other and share a state file."""
    folder = config().node_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "running").open("a+", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            pid = handle.read(20).strip() or "unknown"
            raise InputError("already_running", f"{name} already runs with this home (process {pid})") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


@contextmanager
def _signals(stopper: _Stopper) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stopper) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(name: str, make: Callable[[Log], Node]) -> None:
    """Run the node that `make` builds until a signal asks it to leave.

    Raises:
        BrokerUnreachable: no broker answered at the start; later on it is waited for.
        InputError: a process of this name already runs with this home.
    """
    settings = config()
    logs.set_up(settings.log.level, settings.log.format)
    for sentence in JOB_TYPES.problems.values():
        logger.warning("job_type_unusable", why=sentence)
    stopper = _Stopper()
    log = open_log()
    with _alone(name), _signals(stopper), structlog.contextvars.bound_contextvars(node=name):
        logger.info("started")
        while not stopper.asked.is_set():
            node = stopper.node = make(log)
            if stopper.asked.is_set():
                break
            try:
                node.run()
                break
            except (BrokerUnreachable, ClientLost, TransactionAborted) as error:
                if stopper.asked.is_set():
                    break
                logger.warning("broker_lost", code=error.code, reason=str(error), retry_s=_RETRY_S)
                log = _reopen(stopper.asked, log)
        logger.info("stopped")


def serve_alone(name: str, node: Node) -> None:
    """Run a node that needs no log until a signal asks it to leave.

    Raises:
        InputError: a process of this name already runs with this home.
    """
    settings = config()
    logs.set_up(settings.log.level, settings.log.format)
    stopper = _Stopper()
    stopper.node = node
    with _alone(name), _signals(stopper), structlog.contextvars.bound_contextvars(node=name):
        logger.info("started")
        node.run()
        logger.info("stopped")


def _reopen(asked: threading.Event, log: Log) -> Log:
    while not asked.wait(_RETRY_S):
        try:
            log = open_log()
        except StreamError:
            continue
        logger.info("broker_found")
        break
    return log


def registered(key: Key, joined: type[EventBody], left: type[EventBody], hint: str) -> Any:
    """The event by which the account of `key` joined the network, unless it has left since.

    Raises:
        InputError: it is not registered (`not_registered`); `hint` says what to do.
        BrokerUnreachable, NotConfigured: the log cannot be read.
    """
    with client_of(key) as client:
        found = [a.body for a in client.history(("workers",), client.subject) if isinstance(a.body, joined | left)]
    if not found or isinstance(found[-1], left):
        raise InputError("not_registered", f"the account {format_address(key.address)} is not registered; {hint}")
    return found[-1]
