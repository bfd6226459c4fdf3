"""The local broker's files: server.properties, the formatted data folder, broker.json, free ports."""

import base64
import json
import os
import secrets
import socket
import subprocess
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from .errors import KafkaSetupError
from .local_kafka_jars import Runtime
from .local_kafka_process import alive, command_line
from .topics import LARGE_RECORD_BYTES

HOST: Final = "127.0.0.1"
#: Nobody reads past an open transaction, and anybody may open one: the broker ends it after this time. It is above what
#: the coordinator's own transactions take (30 s).
TRANSACTION_MAX_MS: Final = 60_000
_SETTINGS: Final = f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{HOST}:CPORT
listeners=PLAINTEXT://{HOST}:PORT,CONTROLLER://{HOST}:CPORT
advertised.listeners=PLAINTEXT://{HOST}:PORT,CONTROLLER://{HOST}:CPORT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=DATA
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
transaction.max.timeout.ms={TRANSACTION_MAX_MS}
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
auto.create.topics.enable=false
broker.session.timeout.ms=9000
broker.heartbeat.interval.ms=500
message.max.bytes={LARGE_RECORD_BYTES}
replica.fetch.max.bytes={LARGE_RECORD_BYTES}
"""
_FORMAT_SECONDS: Final = 120


@dataclass(frozen=True)
class Seat:
    """A broker's place in a cluster of several: its number from 1, and the ports of all, (clients', controllers') by number."""

    node: int
    cluster_id: str
    ports: tuple[tuple[int, int], ...]

    @property
    def own_ports(self) -> tuple[int, int]:
        """Where this broker listens."""
        return self.ports[self.node - 1]

    def settings(self, text: str) -> str:
        """The settings of a single broker, changed to those of this one: every topic on three, writes on two of them."""
        replicas = min(3, len(self.ports))
        voters = ",".join(f"{n}@{HOST}:{port}" for n, (_, port) in enumerate(self.ports, 1))
        changes = {"node.id": str(self.node), "controller.quorum.voters": voters}
        lines = []
        for line in text.splitlines():
            name, _, value = line.partition("=")
            if name.endswith("replication.factor"):
                value = str(replicas)
            elif name.endswith("min.isr"):
                value = str(min(2, replicas))
            lines.append(f"{name}={changes.get(name, value)}")
        lines += [f"default.replication.factor={replicas}", f"min.insync.replicas={min(2, replicas)}"]
        # Several Javas share the machine's cores: one that is late is not to be taken for dead at once.
        lines += ["controller.quorum.fetch.timeout.ms=6000", "controller.quorum.election.timeout.ms=3000"]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class BrokerState:
    """What `broker.json` holds: which process runs the broker of this folder, where it listens, who started it.

    `started` and `owner_started` tell a process from a later one with the same pid. `archive` names a class-data
    archive that the broker writes when it ends. `pid` 0: nothing was started yet, only the ports were chosen.
    """

    pid: int
    started: str
    port: int
    controller_port: int
    cluster_id: str
    detached: bool
    owner_pid: int
    owner_started: str
    archive: str = ""

    @property
    def bootstrap(self) -> str:
        """`host:port` of the broker."""
        return f"{HOST}:{self.port}"

    def running(self, folder: Path) -> bool:
        """Whether that very process still runs, and is the broker of this folder."""
        return alive(self.pid, self.started) and marker(folder) in command_line(self.pid)

    def orphaned(self) -> bool:
        """Whether it should have ended together with a process that is gone."""
        return not self.detached and not alive(self.owner_pid, self.owner_started)


def marker(folder: Path) -> str:
    """The word on the broker's command line that names its folder."""
    return f"-Dbitsage.kafka={folder}"


def read_state(folder: Path) -> BrokerState | None:
    """The state file's content; None when there is none, or none that can be read."""
    try:
        return BrokerState(**json.loads((folder / "broker.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_state(folder: Path, state: BrokerState) -> None:
    """Replace the state file in one step."""
    fresh = folder / "broker.json.new"
    fresh.write_text(json.dumps(asdict(state), indent=1) + "\n", encoding="utf-8")
    os.replace(fresh, folder / "broker.json")


def port_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_ports(last: BrokerState | None) -> tuple[int, int]:
    """The ports of last time when they are free, else two that the system picks."""
    if last and port_free(last.port) and port_free(last.controller_port):
        return last.port, last.controller_port
    with socket.socket() as first, socket.socket() as second:
        first.bind((HOST, last.port if last and port_free(last.port) else 0))
        second.bind((HOST, 0))
        return first.getsockname()[1], second.getsockname()[1]


def write_properties(
    folder: Path,
    ports: tuple[int, int],
    data: str = "data",
    name: str = "server.properties",
    seat: Seat | None = None,
) -> None:
    """Write the broker's settings; `data` is relative to the folder, which is the broker's working folder."""
    text = (
        _SETTINGS.replace("CPORT", str(ports[1]))
        .replace("PORT", str(ports[0]))
        .replace("log.dirs=DATA", f"log.dirs={data}")
    )
    (folder / name).write_text(text if seat is None else seat.settings(text), encoding="utf-8")


def write_logging(folder: Path) -> None:
    """Put the package's log4j2.properties beside the settings."""
    content = (files("bitsage.streams") / "log4j2.properties").read_bytes()
    (folder / "log4j2.properties").write_bytes(content)


def cluster_id_of(folder: Path) -> str | None:
    """The cluster id in the formatted data folder; None when it is not formatted."""
    try:
        lines = (folder / "data" / "meta.properties").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.removeprefix("cluster.id=").strip() for line in lines if line.startswith("cluster.id=")), None)


def new_cluster_id() -> str:
    """16 random bytes in url-safe base64; none begins with a dash, which Kafka's tools would take for an option."""
    while True:
        chosen = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not chosen.startswith("-"):
            return chosen


def java_words(runtime: Runtime) -> list[str]:
    """How every Java of the local broker is started, up to the main class."""
    archive = [runtime.archive_option()] if runtime.archive.is_file() else []
    return [
        str(runtime.java), "-XX:+UseSerialGC", *archive, "-Dlog4j2.configurationFile=log4j2.properties",
        "-cp", runtime.class_path,
    ]  # fmt: skip


def format_data(folder: Path, runtime: Runtime, seat: Seat | None = None) -> str:
    """Format a new data folder by Kafka's own StorageTool and return its cluster id.

    The tool works in a neighbour that is renamed when it is whole, so that a crash leaves nothing half formatted.

    Raises:
        KafkaSetupError: the tool failed.
    """
    cluster_id = new_cluster_id() if seat is None else seat.cluster_id
    scratch, ports = f"data.{secrets.token_hex(4)}", (9092, 9093) if seat is None else seat.own_ports
    write_properties(folder, ports, data=scratch, name="format.properties", seat=seat)
    words = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", "format.properties"]
    command = java_words(runtime)
    command.insert(1, "-XX:TieredStopAtLevel=1")
    try:
        done = subprocess.run(
            [*command, *words],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KafkaSetupError(f"the data folder could not be formatted: {type(error).__name__}") from error
    if done.returncode or not (folder / scratch / "meta.properties").is_file():
        last = (done.stderr + done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise KafkaSetupError(f"the data folder could not be formatted: {last[0]}")
    (folder / "format.properties").unlink()
    (folder / scratch).rename(folder / "data")
    return cluster_id


__all__ = [
    "HOST",
    "BrokerState",
    "Seat",
    "choose_ports",
    "cluster_id_of",
    "format_data",
    "java_words",
    "marker",
    "new_cluster_id",
    "port_free",
    "read_state",
    "write_logging",
    "write_properties",
    "write_state",
]
