"""Jobs that not every machine can do, as they are typed and configured."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from testnetwork import TestNetwork

from bitsage.opencl import DeviceInfo
from bitsage.processors.jobs import LARGE_ROWS

CPU = DeviceInfo(0, "a processor", "", "", "", "", "cpu", 0, 0, 1, 1, 1)
GPU = replace(CPU, name="a card", kind="gpu")


def failed(ran: Any, code: str) -> str:
    """The sentence of a failure."""
    last = str(ran.stderr.strip().splitlines()[-1])
    assert last.endswith(f"[{code}]"), ran.stderr
    return last


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """The nodes that `start` would run."""
    nodes: list[Any] = []
    joined = SimpleNamespace(slots=1, job_types=[], asks=[], clients=[], least_tier="", max_collateral=0)
    monkeypatch.setattr("bitsage.cli.process.registered", lambda *_: joined)
    monkeypatch.setattr("bitsage.cli.worker.load_key", lambda *_: None)
    build = lambda name, make, key: nodes.append(make(SimpleNamespace(), tmp_path))  # noqa: E731
    monkeypatch.setattr("bitsage.cli.worker.run_node", build)
    return nodes


def test_an_input_that_no_network_takes_is_refused_before_there_is_a_wallet(
    sh, home: Path, network: TestNetwork
) -> None:
    np.save("a.npy", np.zeros((2048, 2048), dtype=np.uint32))
    submit = "sage-coordinator submit-job --type matmul --a a.npy --b a.npy --no-words"
    assert "524288 bytes" in failed(sh(submit, code=2), "input_too_large")
    assert sh(submit, "--json", code=2).json["error"]["code"] == "input_too_large"
    assert not (home / "keystores" / "client.json").exists()


def test_the_largest_size_is_admitted(sh, network: TestNetwork) -> None:
    submit = "sage-coordinator submit-job --type matmul --no-words --json"
    assert sh(f"{submit} --size 4096", code=2).json["error"]["code"] == "input_size"
    assert sh(f"{submit} --size 2048").json["job_id"]


@pytest.mark.parametrize(
    ("device", "configured", "most"),
    [(None, "", LARGE_ROWS), (CPU, "", LARGE_ROWS), (GPU, "", 0), (CPU, "max_rows = 4194304", 1 << 22)],
)
def test_a_worker_knows_from_its_device_and_configuration_how_much_it_takes(
    sh, started: list[Any], monkeypatch: pytest.MonkeyPatch, device: DeviceInfo | None, configured: str, most: int
) -> None:
    monkeypatch.setattr("bitsage.opencl.device.choose", lambda wanted: device)
    Path("bitsage.toml").write_text(f"[worker]\n{configured}\n")
    sh("sage-worker start")
    assert [node.policy.max_rows for node in started] == [most]


def test_a_worker_takes_what_every_worker_takes(sh) -> None:
    Path("bitsage.toml").write_text(f"[worker]\nmax_rows = {LARGE_ROWS - 1}\n")
    failed(sh("sage-worker start", code=2), "bad_value")
