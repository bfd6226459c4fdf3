"""The broker is killed under running processes and started again: they wait, go on, and nothing is lost or doubled."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
OF_THIS_MACHINE = ("KAFKA_BOOTSTRAP", "KAFKA_CONFIG", "SAGE_CONFIG", "SAGE_NAME", "SAGE_KEYSTORES")

#: How long the broker is away must not be anybody's silence.
PATIENT = {f"SAGE_NETWORK__PARAMETERS__{name}_TIMEOUT_MS": "600000" for name in ("HEARTBEAT", "CONSENSUS")}


class Shell:
    """A person's terminals: commands that end, and processes that run until they are stopped."""

    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if name not in OF_THIS_MACHINE}
        self.environment = {**kept, **PATIENT, "SAGE_HOME": str(home), "SAGE_PASSWORD": "only-for-this-run"}
        self.home = home
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def ask(self, program: str, *words: str) -> Any:
        done = subprocess.run(
            [BIN / program, *words, "--json"], env=self.environment, cwd=self.home, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (program, words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def start(self, name: str, program: str) -> None:
        with (self.home / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [BIN / program, "start"], env=self.environment, cwd=self.home, stdout=log, stderr=log
            )

    def log_of(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text()

    def join(self, program: str, *stake: str) -> None:
        for words in (("create-wallet", "--no-words"), ("request-tokens",), ("stake", *stake), ("register",)):
            self.ask(program, *words)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = Shell(tmp_path)
    try:
        yield found
    finally:
        for process in found.processes.values():
            process.kill()
            process.wait()
        subprocess.run(
            [BIN / "sage", "kafka", "stop"], env=found.environment, capture_output=True, timeout=120, check=False
        )


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_processes_outlive_a_broker_that_is_killed(shell: Shell) -> None:
    broker = shell.ask("sage", "kafka", "start")
    shell.ask("sage-coordinator", "init", "--no-words")
    shell.start("coordinator", "sage-coordinator")
    shell.join("sage-validator")
    shell.join("sage-worker", "--amount", "1000", "--gpu-tier", "T4")
    shell.start("validator", "sage-validator")
    shell.start("worker", "sage-worker")
    submit = ("submit-job", "--type", "matmul", "--size", "64", "--no-words")
    # Killed while it is run, proven or voted on.
    before = shell.ask("sage-coordinator", *submit)["job_id"]
    os.kill(broker["pid"], signal.SIGKILL)
    shell.start("late", "sage-validator")
    # A process that finds no broker at its start says so and ends; those that run wait.
    assert shell.processes.pop("late").wait(120) == 3
    assert "broker_unreachable" in shell.log_of("late")
    assert shell.ask("sage", "kafka", "start")["pid"] != broker["pid"]
    assert all(process.poll() is None for process in shell.processes.values())
    wait_for = ("wait-job", before, "--timeout", "200")
    assert shell.ask("sage-coordinator", *wait_for)["outcome"] == "completed"
    assert shell.ask("sage-coordinator", *submit, "--wait", "--timeout", "200")["outcome"] == "completed"
    assert shell.ask("sage-worker", "claim")["total"] == str(16 * 10**18)
    for name, process in shell.processes.items():
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, shell.log_of(name)
        assert '"event": "stopped"' in shell.log_of(name)
        assert "Traceback" not in shell.log_of(name)
    verdict = shell.ask("sage", "audit", "verify")
    assert verdict["holds"]
    assert verdict["counts"]["supply conserved"] == 1
    assert shell.ask("sage", "dlq", "list") == []
