"""A worker is killed at every step of joining, over the real broker: each step is taken once in the end."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from crash_network import NETWORK
from joining_worker import KEY

from bitsage.nodes.client import Client
from bitsage.schemas.events import Staked, TokensGranted, WalletCreated, WorkerRegistered
from bitsage.streams.kafka_log import KafkaLog
from bitsage.streams.local_kafka import LocalKafka

SUPPORT = Path(__file__).parents[1] / "support"


@pytest.mark.slow
@pytest.mark.kafka
def test_a_worker_killed_between_all_steps_of_joining_takes_each_once(fresh_topics: LocalKafka, tmp_path: Path) -> None:
    with (tmp_path / "coordinator.log").open("ab") as out:
        command = [
            sys.executable,
            str(SUPPORT / "crashing_coordinator.py"),
            fresh_topics.bootstrap,
            str(tmp_path / "c"),
        ]
        coordinator = subprocess.Popen(command, stdout=out, stderr=out)
    script = [sys.executable, str(SUPPORT / "joining_worker.py"), fresh_topics.bootstrap, str(tmp_path / "w")]
    try:
        for when in ("before", "after", "before", "after", "before", "after", "before", "after"):
            # After a kill, the first command is the one that was under way; the second is the next step.
            killed = subprocess.run([*script, "2", when], capture_output=True, timeout=120, check=False)
            if killed.returncode == 0:
                break
            assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        last = subprocess.run([*script, "0", "before"], capture_output=True, timeout=120, check=True)
        again = subprocess.run([*script, "0", "before"], capture_output=True, timeout=120, check=True)
    finally:
        coordinator.terminate()
        coordinator.wait(60)
    assert again.stdout == b"", last.stdout
    client = Client(KafkaLog({"bootstrap.servers": fresh_topics.bootstrap}), NETWORK, KEY)
    try:
        bodies = [a.body for a in client.history(("accounts", "workers"), client.subject)]
    finally:
        client.close()
    for kind in (WalletCreated, TokensGranted, Staked, WorkerRegistered):
        assert sum(isinstance(body, kind) for body in bodies) == 1, kind
