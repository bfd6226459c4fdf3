"""What the tests of the command lines share: a runner, a home folder, and a whole network over the stand-in log."""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testnetwork import TestNetwork, key, running
from typer.testing import CliRunner

from bitsage.cli import context, coordinator, reference, sage, validator, wallets, worker
from bitsage.nodes.network import write_network
from bitsage.streams.memory_log import InMemoryLog
from bitsage.wallet import save_keystore

PASSWORD = "a test's password"
APPS = {
    "sage": sage.app,
    "sage-worker": worker.app,
    "sage-validator": validator.app,
    "sage-coordinator": coordinator.app,
}
assert tuple(APPS) == reference.PROGRAMS


@dataclass
class Ran:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


Run = Callable[..., Ran]


def run(line: str, *words: str, code: int = 0, stdin: str | None = None) -> Ran:
    """Type a command; further words are taken as they are."""
    program, *rest = line.split()
    result = CliRunner().invoke(APPS[program], [*rest, *map(str, words)], input=stdin)
    assert result.exit_code == code, (line, words, result.stdout, result.stderr, result.exception)
    return Ran(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and nothing of this machine's environment."""
    for name in (
        *("KAFKA_BOOTSTRAP", "KAFKA_CONFIG", "SAGE_CONFIG", "SAGE_NAME", "SAGE_KEYSTORES", "SAGE_CHAIN_ID"),
        *("SAGE_LOG_LEVEL", "SAGE_LOG_FORMAT", "SAGE_DEBUG"),
    ):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("SAGE_HOME", str(folder))
    monkeypatch.setenv("SAGE_PASSWORD", PASSWORD)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    # A test's keystore need not withstand a search for its password.
    monkeypatch.setattr(wallets, "save_keystore", functools.partial(save_keystore, scrypt_n=4096))
    return folder


@pytest.fixture
def sh() -> Run:
    return run


class _Cluster(InMemoryLog):
    """The stand-in log where a command looks for a cluster."""

    def check(self) -> None:
        """It always answers."""


@pytest.fixture
def network(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestNetwork]:
    """A coordinator over the stand-in log, and a home folder that knows it."""
    log = _Cluster()
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "stand-in:9092")
    monkeypatch.setattr(context, "KafkaLog", lambda settings: log)
    with running(log, home) as found:
        home.mkdir(exist_ok=True)
        write_network(home / "network.json", found.network)
        save_keystore(home / "keystores" / "coordinator.json", key(0), PASSWORD, scrypt_n=4096)
        yield found
