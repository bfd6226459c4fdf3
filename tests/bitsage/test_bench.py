"""The prover's bench: its cases are what their names say, and its verdicts follow from what was found."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bitsage.obelysk.vm.isa import MAX_PROGRAM, MAX_TAPE
from bitsage.obelysk.vm.machine import run


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_the_vm_case_is_the_longest_program_on_the_longest_tapes(monkeypatch: pytest.MonkeyPatch) -> None:
    program = load("cases", monkeypatch).vm_program(15)
    assert len(program.instructions) == MAX_PROGRAM
    execution = run(program, list(range(MAX_TAPE)))
    assert execution.inputs_read == len(execution.outputs) == MAX_TAPE
    assert 1 << 14 < execution.cycles <= 1 << 15


def test_names_of_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    known = load("cases", monkeypatch).known
    assert all(map(known, ["wf-20-32", "matmul-1024", "vm-18", "inference-256"]))
    assert not any(map(known, ["", "wf-20", "vm-", "matmul-64x", "plonk-4"]))


def verdicts(bars: ModuleType, proofs: list[dict[str, Any]], transforms: list[dict[str, Any]]) -> dict[str, str]:
    return {row["what"]: row[""] for row in bars.table(proofs, transforms)}


def test_what_was_not_measured_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = load("bars", monkeypatch)
    assert set(verdicts(bars, [], []).values()) == {"not measured"}
    row = {"case": "matmul-1024", "prover": "opencl cpu: some", "total": 5.0, "MiB": 7000, "verify ms": "-", "KiB": 145}
    found = verdicts(bars, [row], [])
    assert found["prove matmul 1024"] == "goal met"
    assert found["peak memory of matmul 1024"] == "missed"
    assert found["proof of matmul at its largest, zstd"] == "bar met"
    assert found["verify matmul at its largest"] == "not measured"
    assert found["GPU: prove matmul 1024"] == "not measured"
    assert verdicts(bars, [row | {"prover": "opencl gpu: some"}], [])["GPU: prove matmul 1024"] == "missed"


@pytest.mark.parametrize(
    ("total", "witness", "verdict"), [(0.8, 0.0, "goal met"), (0.8, 0.2, "bar met"), (5.0, 1.0, "missed")]
)
def test_cycles_count_the_run_and_the_trace(
    total: float, witness: float, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"case": "vm-18", "prover": "NumPy", "total": total, "witness": witness, "cycles": 1 << 18}
    row |= {"MiB": 1, "verify ms": 1, "KiB": 1}
    assert verdicts(load("bars", monkeypatch), [row], [])["vm: cycles proven, 2^18"] == verdict


def test_ratios_to_the_rust_prover(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = load("bars", monkeypatch)
    found = verdicts(bars, [], [{"x Rust": 0.9}, {"x Rust": 1.5}])
    assert (found["iFFT 2^20, one column"], found["iFFT 2^20, 32 columns"]) == ("goal met", "bar met")
    assert verdicts(bars, [], [{"x Rust": "-"}] * 2)["iFFT 2^20, one column"] == "not measured"
