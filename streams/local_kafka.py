"""A one-node Apache Kafka on this machine, in a folder of its own (KRaft mode; KIP-833).

    with LocalKafka(folder) as kafka:
        client = Producer({"bootstrap.servers": kafka.bootstrap})

The folder holds `data/`, `broker.log`, `broker.out` (what the JVM itself says), `server.properties` and `broker.json`
(which process runs it and where it listens). A later start finds the same data and, when it is free, takes the same
port. A broker that `start` made ends with its process; one that `start_detached` made stays until `stop`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .admin import cluster_id_at, serves_all
from .errors import BrokerUnreachable, KafkaSetupError
from .local_kafka_config import (
    HOST,
    BrokerState,
    Seat,
    choose_ports,
    cluster_id_of,
    format_data,
    java_words,
    marker,
    read_state,
    write_logging,
    write_properties,
    write_state,
)
from .local_kafka_jars import Progress, Runtime, exclusive, prepare
from .local_kafka_process import dismiss_guard, start_guard, start_mark, terminate

HEAP: Final = "-Xmx512m"
READY_SECONDS: Final = 90.0
STOP_SECONDS: Final = 20.0
TRIES: Final = 5
_detached: list[subprocess.Popen[bytes]] = []  # Held, or Python would warn about a child that still runs.


@dataclass(frozen=True)
class Status:
    """What is known about the broker of a folder; `ready` means that it answered with its own cluster id."""

    running: bool
    ready: bool
    bootstrap: str | None
    pid: int | None
    cluster_id: str | None
    detached: bool
    folder: str


class PortTaken(KafkaSetupError):
    """Another process took a port between our choice and the broker's start."""


class LocalKafka:
    """The local broker of one folder.

    Args:
        folder: where its data and logs lie; made when missing.
        cache: where the jars are kept; None takes `$SAGE_CACHE` or the user's cache folder.
        progress: is told in a sentence what takes long.
        seat: its place in a cluster of several (`LocalCluster`); it then starts without waiting for an answer, which one
            broker alone cannot give.
    """

    def __init__(
        self, folder: Path, *, cache: Path | None = None, progress: Progress | None = None, seat: Seat | None = None
    ) -> None:
        self.folder = folder.resolve()
        self._seat = seat
        self._cache = cache
        self._progress: Progress = progress or (lambda _: None)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._state: BrokerState | None = None
        self._log_before = 0

    @property
    def bootstrap(self) -> str:
        """`host:port` of the running broker.

        Raises:
            KafkaSetupError: it is not running.
        """
        return self._running_state().bootstrap

    @property
    def cluster_id(self) -> str:
        """The cluster id of the running broker.

        Raises:
            KafkaSetupError: it is not running.
        """
        return self._running_state().cluster_id

    def start(self) -> Self:
        """Start the broker, or take the one that already runs here; return when it answers.

        What this starts ends with this process, at the latest. A broker left over by a process that is gone is stopped
        first.

        Raises:
            KafkaSetupError: no Java, wrong jars, or the broker does not come up.
        """
        return self._start(detached=False)

    def start_detached(self) -> Self:
        """Start the broker so that it outlives this process, or take the one that already runs here.

        Raises:
            KafkaSetupError: as in `start`.
        """
        return self._start(detached=True)

    def stop(self) -> bool:
        """Stop the broker of this folder, whoever started it; False when none ran.

        SIGTERM first; SIGKILL when it still runs after `STOP_SECONDS`.

        Raises:
            KafkaSetupError: it outlived even that.
        """
        if not self.folder.is_dir():
            return False
        with exclusive(self.folder / "lock"):
            return self._stop()

    def ask_to_stop(self) -> None:
        """Tell the broker to end, and do not wait for it."""
        state = read_state(self.folder)
        if state is not None and state.running(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGTERM)

    def status(self) -> Status:
        """What runs in this folder at this moment."""
        state = read_state(self.folder)
        if state is None or not state.running(self.folder):
            return Status(False, False, None, None, cluster_id_of(self.folder), False, str(self.folder))
        ready = cluster_id_at(state.bootstrap, 2.0) == state.cluster_id
        return Status(True, ready, state.bootstrap, state.pid, state.cluster_id, state.detached, str(self.folder))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with exclusive(self.folder / "lock"):
                self._stop(only=self._process.pid)

    def _running_state(self) -> BrokerState:
        state = self._state or read_state(self.folder)
        if state is None or not state.running(self.folder):
            raise KafkaSetupError(f"no local broker runs in {self.folder}")
        return state

    def _start(self, *, detached: bool) -> Self:
        runtime = prepare(self._cache, self._progress)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KafkaSetupError(f"the folder {self.folder} cannot be made: {error.strerror}") from error
        with exclusive(self.folder / "lock"):
            last = read_state(self.folder)
            if last and last.running(self.folder):
                if not last.orphaned():
                    return self._join(last)
                self._progress("stopping a broker that was left over")
                self._stop()
            self._bury()
            cluster_id = cluster_id_of(self.folder) or format_data(self.folder, runtime, self._seat)
            write_logging(self.folder)
            self._launch(runtime, cluster_id, last, detached)
        return self

    def _bury(self) -> None:
        """Wait for a broker of this process that somebody killed, and end its guard."""
        if self._guard is not None:
            dismiss_guard(self._guard)
        if self._process is not None:
            self._process.wait()
        self._guard = self._process = self._state = None

    def _join(self, state: BrokerState) -> Self:
        if self._seat is None and cluster_id_at(state.bootstrap, 10.0) != state.cluster_id:
            raise KafkaSetupError(
                f"a local broker runs in {self.folder} (pid {state.pid}) but does not answer: stop it"
            )
        self._state = state
        return self

    def _launch(self, runtime: Runtime, cluster_id: str, last: BrokerState | None, detached: bool) -> None:
        if self._seat is not None:
            write_properties(self.folder, self._seat.own_ports, seat=self._seat)
            self._run(runtime, self._seat.own_ports, cluster_id, detached)
            return
        for _ in range(TRIES):
            ports = choose_ports(last)
            write_properties(self.folder, ports)
            try:
                self._run(runtime, ports, cluster_id, detached)
            except PortTaken:
                continue
            return
        raise KafkaSetupError(f"no free port was left to the local broker in {TRIES} tries")

    def _run(self, runtime: Runtime, ports: tuple[int, int], cluster_id: str, detached: bool) -> None:
        """One process, up to its first answer."""
        self._log_before = self._log_size()
        words = java_words(runtime)
        archive = "" if runtime.archive.is_file() else str(runtime.new_archive())
        if archive:
            words.insert(1, runtime.archive_option(archive))
        words[1:1] = [HEAP, marker(self.folder)]
        with (self.folder / "broker.out").open("wb") as output:
            process = subprocess.Popen(
                [*words, "kafka.Kafka", "server.properties"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal is for the clients, which still need the broker.
            )
        started, me = start_mark(process.pid) or "", os.getpid()
        state = BrokerState(process.pid, started, *ports, cluster_id, detached, me, start_mark(me) or "", archive)
        write_state(self.folder, state)
        self._state = state
        if detached:
            _detached.append(process)
        else:
            self._process, self._guard = process, start_guard(process.pid, started)
        if self._seat is not None:
            return
        try:
            self._wait_ready(process, state)
        except BaseException:
            self._stop()
            raise

    def _wait_ready(self, process: subprocess.Popen[bytes], state: BrokerState) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check_alive(process)
            with contextlib.suppress(OSError, BrokerUnreachable), socket.create_connection((HOST, state.port), 0.2):
                settings = {"bootstrap.servers": state.bootstrap}
                if cluster_id_at(state.bootstrap, 5.0) == state.cluster_id and serves_all(settings):
                    return
            time.sleep(0.05)
        raise KafkaSetupError(f"the local broker did not answer within {READY_SECONDS:.0f} s (see {self.folder})")

    def check_alive(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Insist that the process that was started here still runs.

        Raises:
            PortTaken: it ended because another process has one of its ports.
            KafkaSetupError: it ended for another reason.
        """
        state = self._state
        ended = process.poll() is not None if process is not None else state and not state.running(self.folder)
        if not ended:
            return
        reason = self._last_words()
        if "Address already in use" in reason:
            raise PortTaken(f"another process took a port of the local broker in {self.folder}")
        raise KafkaSetupError(f"the local broker ended while starting (see {self.folder}): {reason[-300:]}")

    def _last_words(self) -> str:
        """The end of what this start of the broker said."""
        said = []
        for name, before in (("broker.log", self._log_before), ("broker.out", 0)):
            with contextlib.suppress(OSError):
                said.append((self.folder / name).read_bytes()[before:][-8000:].decode(errors="replace").strip())
        return "\n".join(said)

    def _log_size(self) -> int:
        try:
            return (self.folder / "broker.log").stat().st_size
        except OSError:
            return 0

    def _stop(self, only: int | None = None) -> bool:
        """`stop` for a caller that holds the lock; `only`: leave a broker with another pid alone."""
        state, process = read_state(self.folder), self._process
        if self._guard is not None:
            dismiss_guard(self._guard)
        self._guard = self._process = self._state = None
        ran = state is not None and only in (None, state.pid) and state.running(self.folder)
        if state is not None and ran:
            clean = terminate(state.pid, state.started, STOP_SECONDS)
            if state.running(self.folder):
                raise KafkaSetupError(f"the local broker with pid {state.pid} does not end")
            self._keep_archive(state, clean)
        if process is not None:
            process.wait()
        _detached[:] = [child for child in _detached if child.poll() is None]
        return ran

    def _keep_archive(self, state: BrokerState, clean: bool) -> None:
        """Give the class-data archive that the broker wrote at its end the name under which later starts use it."""
        if not state.archive:
            return
        written = Path(state.archive)
        with contextlib.suppress(OSError):
            if clean:
                os.replace(written, written.with_suffix(""))
            else:
                written.unlink()
        write_state(self.folder, replace(state, archive=""))


__all__ = ["HEAP", "READY_SECONDS", "STOP_SECONDS", "LocalKafka", "PortTaken", "Status"]
