"""The processes of a load run: started, killed, started again, paused; and the accounts that they act for."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient

import bitsage
from bitsage.nodes.network import Network, write_network
from bitsage.privacy import payment_public_key
from bitsage.streams.local_cluster import LocalCluster, local_broker
from bitsage.streams.local_kafka import LocalKafka
from bitsage.streams.seal import seal_key
from bitsage.streams.topics import topic_name

COMMANDS = topic_name("commands")
PASSWORD = "load"  # of throw-away keystores that hold test tokens
#: Seconds in which the processes of a kind have to end that are asked to; they finish their proofs and batches first.
END_S = 180
#: A test keystore need not withstand a search for its password.
SCRYPT_N = 2048
#: Presence is counted in seconds here, so that a run of minutes sees what else takes an hour; with room for two cores
#: that a hundred workers share: there a proof waits minutes for its turn (its process makes one at a time), a vote half a
#: minute, and neither is to count as a failure.
PARAMETERS = bitsage.Parameters(
    heartbeat_interval_ms=10_000,
    heartbeat_timeout_ms=120_000,
    attempt_timeout_ms=600_000,
    consensus_timeout_ms=120_000,
    faucet_sage=100_000 * bitsage.SAGE,
)


@dataclass(slots=True)
class Actor:
    """A process with a name, and how to start it."""

    name: str
    kind: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0


@dataclass
class Stage:
    """Everything that runs, in `home`."""

    home: Path
    brokers: int
    protocol: str
    actors: dict[str, Actor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kafka: LocalKafka | LocalCluster = local_broker(self.home / "kafka", brokers=self.brokers)
        self._lock = threading.Lock()

    def open(self) -> None:
        """Start the broker or brokers and found the network."""
        self.kafka.start()
        settings = self.home / "client.properties"
        settings.write_text(f"group.protocol={self.protocol}\n")
        self.environment = os.environ | {
            "SAGE_HOME": str(self.home),
            "KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "KAFKA_CONFIG": str(settings),
            "SAGE_PASSWORD": PASSWORD,
            "OPENBLAS_NUM_THREADS": "1",
        }
        authority = self.key("coordinator")
        self.network = Network(
            chain_id="bitsage-load",
            authority="0x" + authority.address.hex(),
            authority_key="0x" + authority.public_key.hex(),
            seal_key=seal_key(authority.seal_secret).hex(),
            escrow_key=payment_public_key(authority.payment_secret).hex(),
            parameters=PARAMETERS,
        )
        write_network(self.home / "network.json", self.network)
        self.log = bitsage.KafkaLog({"bootstrap.servers": self.kafka.bootstrap})

    def key(self, name: str) -> bitsage.Key:
        """The account's key; made, with its keystore, when it is first asked for."""
        path = self.home / "keystores" / f"{name}.json"
        if path.exists():
            return bitsage.load_keystore(path, PASSWORD)
        path.parent.mkdir(parents=True, exist_ok=True)
        key = bitsage.key_from_mnemonic(bitsage.new_mnemonic())
        bitsage.save_keystore(path, key, PASSWORD, scrypt_n=SCRYPT_N)
        return key

    def add(self, kind: str, name: str, program: str, *words: str) -> None:
        """Start a process under a name."""
        path = program if program == sys.executable else str(Path(sys.executable).parent / program)
        self.actors[name] = Actor(name, kind, [path, *words])
        self.start(name)

    def start(self, name: str) -> None:
        """Start it, or start it again."""
        (self.home / "logs").mkdir(exist_ok=True)
        actor = self.actors[name]
        with (self.home / "logs" / f"{name}.log").open("ab") as log, self._lock:
            actor.process = subprocess.Popen(
                actor.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment
            )
            actor.starts += 1

    def kill(self, name: str) -> None:
        """SIGKILL."""
        process = self.actors[name].process
        if process is not None:
            process.kill()
            process.wait()

    def broker_pids(self) -> dict[str, int]:
        """Name and process id of every broker that runs."""
        members = self.kafka.members if isinstance(self.kafka, LocalCluster) else [self.kafka]
        found = {f"broker-{n}": member.status().pid for n, member in enumerate(members, 1)}
        return {name: pid for name, pid in found.items() if pid is not None}

    def leader(self) -> str:
        """The broker that leads the first partition of `commands` at this moment."""
        topic = (
            AdminClient({"bootstrap.servers": self.kafka.bootstrap}).list_topics(COMMANDS, timeout=10).topics[COMMANDS]
        )
        return f"broker-{topic.partitions[0].leader}"

    def pids(self) -> dict[str, int]:
        """Name and process id of everything that was started here, brokers not counted."""
        return {a.name: a.process.pid for a in self.actors.values() if a.process is not None}

    def dead(self) -> list[str]:
        """Who ended without being asked to; a kill and the start after it are between two looks at this."""
        return [a.name for a in self.actors.values() if a.process is not None and a.process.poll() is not None]

    def end(self, *kinds: str) -> None:
        """Ask these kinds of processes to finish, and wait for them.

        Raises:
            SubprocessError: one ended badly, or not at all.
        """
        chosen = [a for a in self.actors.values() if a.kind in kinds and a.process is not None]
        for actor in chosen:
            assert actor.process is not None
            actor.process.send_signal(signal.SIGCONT)
            actor.process.terminate()
        bad = []
        deadline = time.monotonic() + END_S
        for actor in chosen:
            assert actor.process is not None
            try:
                code = actor.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                actor.process.kill()
                actor.process.wait()
                code = "none: it had to be killed"
            if code != 0:
                bad.append(f"{actor.name} ended with exit code {code}")
            actor.process = None
        if bad:
            raise subprocess.SubprocessError("; ".join(bad))

    def close(self) -> None:
        """Leave nothing running, whatever happened."""
        for actor in self.actors.values():
            if actor.process is not None:
                actor.process.kill()
                actor.process.wait()
        self.kafka.stop()
