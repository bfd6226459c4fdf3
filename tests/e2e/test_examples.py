"""`./run demo` and `./run up` on folders that an earlier run left."""

import contextlib
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bitsage.opencl import choose
from bitsage.streams.local_kafka import LocalKafka

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES / "demo"))
    spec = importlib.util.spec_from_file_location("play", EXAMPLES / "demo" / "play.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.kafka
def test_a_broker_that_still_runs_is_stopped_before_its_data_are_deleted(tmp_path: Path, play: ModuleType) -> None:
    (tmp_path / "demo.txt").touch()
    broker = LocalKafka(tmp_path / "kafka").start_detached()
    address, pid = broker.bootstrap, broker.status().pid
    assert pid is not None
    try:
        play.empty(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["demo.txt"]
        with pytest.raises(ConnectionRefusedError):
            _connect(address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _connect(bootstrap: str) -> None:
    host, _, port = bootstrap.partition(":")
    socket.create_connection((host, int(port)), 2).close()


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SAGE_", "KAFKA_"))}
    if "SAGE_CACHE" in os.environ:
        ours["SAGE_CACHE"] = os.environ["SAGE_CACHE"]
    home = tmp_path / "home"
    yield ours | {"SAGE_HOME": str(home), "SAGE_PASSWORD": "right", "SAGE_BIN": str(BIN)}
    LocalKafka(home / "kafka").stop()


def make_wallet(environment: dict[str, str], program: str, name: str) -> None:
    words = [str(BIN / program), "create-wallet", "--name", name, "--offline", "--no-words"]
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=60)


@pytest.mark.slow
@pytest.mark.kafka
def test_up_ends_when_its_coordinator_does(environment: dict[str, str]) -> None:
    make_wallet(environment, "sage-worker", "coordinator")
    wrong = environment | {"SAGE_PASSWORD": "wrong"}
    script = [str(EXAMPLES / "up.sh")]
    done = subprocess.run(script, env=wrong, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "[wrong_password]" in done.stderr


@pytest.mark.slow
@pytest.mark.kafka
def test_up_takes_up_a_start_that_was_interrupted(environment: dict[str, str], tmp_path: Path) -> None:
    make_wallet(environment, "sage-validator", "validator-1")
    for expected in ("validator-1 joins", None):
        process = subprocess.Popen(
            [str(EXAMPLES / "up.sh")], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("up:"):
                break
        look = [str(BIN / "sage-validator"), "status", "--name", "validator-1", "--json"]
        status = subprocess.run(look, env=environment, capture_output=True, timeout=60, check=False)
        process.send_signal(signal.SIGTERM)
        said += process.stdout.readlines()
        process.stdout.close()
        assert process.wait(60) == 143, "".join(said)
        assert json.loads(status.stdout)["registered"], "".join(said)
        joined = [line.strip() for line in said if line.strip().endswith("joins")]
        assert (expected in joined) if expected else not joined


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("words", ["--type matmul --size 1024", "--type vm", "--type inference"])
def test_the_demo_plays_every_job_type_on_the_best_device(words: str, environment: dict[str, str]) -> None:
    home = environment["SAGE_HOME"]
    command = [sys.executable, str(EXAMPLES / "demo" / "play.py"), *words.split(), "--home", home]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=1100)
    finally:
        # The demo's nodes end with it, whatever became of it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, out[-4000:] + err
    assert ", 0 contradictions" in out
    best = choose()
    # The cheat's proof too: a proof that is slashed is made like any other. A vote that expires on a busy machine adds one.
    backends = re.findall("backend=(.+) run_ms", out)
    assert len(backends) >= 4
    assert set(backends) == {"numpy" if best is None else best.label}
