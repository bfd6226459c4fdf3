"""Several local brokers of one cluster (KRaft): every topic on three of them, a write on two, so that any one may die.

    with LocalCluster(folder, brokers=3) as kafka:
        client = Producer({"bootstrap.servers": kafka.bootstrap})

Each broker is a `LocalKafka` in a folder of its own, `broker-1` and so on; `cluster.json` holds the cluster's id and all
ports, because the brokers name each other's.
"""

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .admin import broker_count, cluster_id_at, serves_all
from .errors import BrokerUnreachable, KafkaSetupError, StreamError
from .local_kafka import READY_SECONDS, TRIES, LocalKafka, PortTaken, Status
from .local_kafka_config import HOST, Seat, cluster_id_of, new_cluster_id, port_free, read_state
from .local_kafka_jars import Progress, exclusive

MOST_BROKERS: Final = 9
_PLAN: Final = "cluster.json"
Ports = tuple[tuple[int, int], ...]


class LocalCluster:
    """The local brokers of one folder.

    Args:
        folder: where their data and logs lie; made when missing.
        brokers: how many; a folder that holds a cluster keeps its number.
        cache, progress: as of `LocalKafka`.

    Raises:
        KafkaSetupError: the folder holds another number of brokers, or the number is not 2 to 9.
    """

    def __init__(
        self, folder: Path, *, brokers: int = 3, cache: Path | None = None, progress: Progress | None = None
    ) -> None:
        self.folder = folder.resolve()
        self._cache, self._progress = cache, progress
        plan = _read_plan(self.folder)
        if not 2 <= brokers <= MOST_BROKERS:
            raise KafkaSetupError(f"a local cluster has 2 to {MOST_BROKERS} brokers")
        if (plan is None and cluster_id_of(self.folder) is not None) or (plan is not None and len(plan[1]) != brokers):
            raise KafkaSetupError(f"{self.folder} holds another number of brokers; choose another home for {brokers}")
        self._count = brokers
        self.members: list[LocalKafka] = [] if plan is None else self._seats(*plan)

    @property
    def bootstrap(self) -> str:
        """`host:port` of every broker, with commas between.

        Raises:
            KafkaSetupError: none was started here.
        """
        plan = _read_plan(self.folder)
        if plan is None:
            raise KafkaSetupError(f"no local cluster was started in {self.folder}")
        return _bootstrap(plan[1])

    def start(self) -> Self:
        """Start the brokers that do not run; return when the whole cluster answers. They end with this process.

        Raises:
            KafkaSetupError: no Java, wrong jars, or the cluster does not come up.
        """
        return self._start(detached=False)

    def start_detached(self) -> Self:
        """Start the brokers that do not run so that they outlive this process.

        Raises:
            KafkaSetupError: as in `start`.
        """
        return self._start(detached=True)

    def stop(self) -> bool:
        """Stop all brokers, whoever started them; False when none ran.

        Raises:
            KafkaSetupError: one does not end.
        """
        # All are asked before one is waited for: whoever is last has no majority left to take leave of.
        for member in self.members:
            member.ask_to_stop()
        stopped = [member.stop() for member in self.members]
        return any(stopped)

    def status(self) -> Status:
        """What runs here at this moment; `ready`: every broker answers. `pid` is the first one's."""
        found = [member.status() for member in self.members]
        plan = _read_plan(self.folder)
        if not found or plan is None:
            return Status(False, False, None, None, None, False, str(self.folder))
        running, ready = (all(getattr(one, name) for one in found) for name in ("running", "ready"))
        bootstrap = _bootstrap(plan[1]) if any(one.running for one in found) else None
        return Status(running, ready, bootstrap, found[0].pid, plan[0], found[0].detached, str(self.folder))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, *, detached: bool) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KafkaSetupError(f"the folder {self.folder} cannot be made: {error.strerror}") from error
        with exclusive(self.folder / "lock"):
            for _ in range(TRIES):
                try:
                    return self._try(detached)
                except PortTaken:
                    if self._running():
                        raise
        raise KafkaSetupError(f"no free ports were left to the local brokers in {TRIES} tries")

    def _try(self, detached: bool) -> Self:
        last = _read_plan(self.folder)
        cluster_id = new_cluster_id() if last is None else last[0]
        ports = () if last is None else last[1]
        # While one of them runs the ports are as they are: it knows the others by them.
        if not self._running():
            ports = _choose(ports, self._count)
            _write_plan(self.folder, cluster_id, ports)
            self.members = self._seats(cluster_id, ports)
        fresh = [member for member in self.members if not member.status().running]
        try:
            for member in self.members:
                member.start_detached() if detached else member.start()
            self._wait_ready(cluster_id, ports)
        except BaseException:
            # Those that ran before go on.
            for member in fresh:
                member.stop()
            raise
        return self

    def _running(self) -> bool:
        return any(member.status().running for member in self.members)

    def _seats(self, cluster_id: str, ports: Ports) -> list[LocalKafka]:
        return [
            LocalKafka(
                self.folder / f"broker-{n}",
                cache=self._cache,
                progress=self._progress,
                seat=Seat(n, cluster_id, ports),
            )
            for n in range(1, len(ports) + 1)
        ]

    def _wait_ready(self, cluster_id: str, ports: Ports) -> None:
        deadline = time.monotonic() + READY_SECONDS
        waiting = dict(zip((f"{HOST}:{port}" for port, _ in ports), self.members, strict=True))
        settings = {"bootstrap.servers": _bootstrap(ports)}
        while time.monotonic() < deadline:
            for where, member in list(waiting.items()):
                member.check_alive()
                if _listens(where) and cluster_id_at(where, 5.0) == cluster_id:
                    del waiting[where]
            with contextlib.suppress(BrokerUnreachable, StreamError):
                if not waiting and broker_count(settings) == len(ports) and serves_all(settings):
                    return
            time.sleep(0.05)
        raise KafkaSetupError(f"the local cluster did not answer within {READY_SECONDS:.0f} s (see {self.folder})")


def local_broker(
    folder: Path, *, brokers: int | None = None, progress: Progress | None = None
) -> LocalKafka | LocalCluster:
    """The local broker of a folder, or its brokers; `brokers` None: as many as it holds, else one.

    Raises:
        KafkaSetupError: the folder holds another number.
    """
    plan = _read_plan(folder.resolve())
    count = brokers if brokers is not None else 1 if plan is None else len(plan[1])
    if count == 1 and plan is None:
        return LocalKafka(folder, progress=progress)
    if count == 1:
        raise KafkaSetupError(f"{folder} holds another number of brokers; choose another home for 1")
    return LocalCluster(folder, brokers=count, progress=progress)


def running_bootstrap(folder: Path) -> str | None:
    """The addresses of the local broker or brokers of a folder; None when none runs there."""
    folder = folder.resolve()
    plan = _read_plan(folder)
    if plan is None:
        state = read_state(folder)
        return state.bootstrap if state is not None and state.running(folder) else None
    homes = [folder / f"broker-{n}" for n in range(1, len(plan[1]) + 1)]
    states = [(home, read_state(home)) for home in homes]
    return _bootstrap(plan[1]) if any(state is not None and state.running(home) for home, state in states) else None


def _bootstrap(ports: Ports) -> str:
    return ",".join(f"{HOST}:{port}" for port, _ in ports)


def _listens(where: str) -> bool:
    try:
        with socket.create_connection((HOST, int(where.rpartition(":")[2])), 0.2):
            return True
    except OSError:
        return False


def _choose(last: Ports, count: int) -> Ports:
    """The ports of last time when all are free, else as many pairs that the system picks."""
    if last and all(port_free(port) for pair in last for port in pair):
        return last
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(2 * count)]
        for probe in probes:
            probe.bind((HOST, 0))
        free = [probe.getsockname()[1] for probe in probes]
    return tuple(zip(free[:count], free[count:], strict=True))


def _read_plan(folder: Path) -> tuple[str, Ports] | None:
    try:
        plan = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
        return str(plan["cluster_id"]), tuple((int(a), int(b)) for a, b in plan["ports"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write_plan(folder: Path, cluster_id: str, ports: Ports) -> None:
    fresh = folder / f"{_PLAN}.new"
    fresh.write_text(json.dumps({"cluster_id": cluster_id, "ports": ports}) + "\n", encoding="utf-8")
    os.replace(fresh, folder / _PLAN)


__all__ = ["MOST_BROKERS", "LocalCluster", "local_broker", "running_bootstrap"]
