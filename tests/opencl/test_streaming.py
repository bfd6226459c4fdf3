"""Proofs larger than the device's memory: streamed columns, the same bytes, and no more memory than allowed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bitsage.obelysk import MatmulJob
from bitsage.obelysk.vm import VmJob
from bitsage.opencl import fallback
from bitsage.opencl.backend import OpenCLBackend
from bitsage.opencl.device import Device, DeviceInfo
from bitsage.opencl.errors import DeviceOutOfMemory
from bitsage.opencl.fallback import prove_with_fallback
from bitsage.opencl.groups import constraint_groups, leaf_groups
from bitsage.opencl.memory import DevicePool
from bitsage.opencl.plan import MemoryPlan, Stage, plan_of
from bitsage.opencl.streaming import StreamingBackend
from bitsage.stark import Backend, P, PcsConfig, Proof, TraceInvalid, logup, prove, quotient_rows
from bitsage.stark.examples import cube, example, plonk, simple, state_machine, wide_fibonacci, xor

DATA = Path(__file__).parents[1] / "data" / "stwo"
PROGRAMS = Path(__file__).parents[2] / "examples" / "vm"
BINDING = bytes(range(32))
NARROW, WIDE = PcsConfig(5, 1, 16, 0, 1), PcsConfig(5, 2, 16, 1, 3)
KIB = 1 << 10
#: Instance, and the memory in KiB with which it must still be proven on the device.
SMALL = {
    "40 columns": (lambda: wide_fibonacci(NARROW, [(12, 40)]), 1400),
    "40 columns, blowup 4": (lambda: wide_fibonacci(WIDE, [(12, 40)]), 2450),
    "three sizes": (lambda: wide_fibonacci(NARROW, [(9, 20), (6, 3), (9, 2)]), 240),
    "lookups of two sizes": (lambda: state_machine(NARROW, 10, (3, P - 2)), 270),
    "lookups, preprocessed": (lambda: plonk(WIDE, 10, mul_every=5), 450),
    "explicit interaction": (lambda: simple(replace(WIDE, lifting_log_size=10), 7, 5), 160),
    "xor": (lambda: xor(NARROW, 4, 7), 90),
    "lifted": (lambda: cube(replace(NARROW, lifting_log_size=10), 7), 110),
}


@pytest.fixture(scope="module")
def lanes(device: Device) -> int:
    """Both vector widths of the module's devices, for devices of their own with little memory."""
    return device.lanes


def refuses_to_be_resident(info: DeviceInfo, lanes: int, memory: int, attempt: Callable[[Backend], Any]) -> None:
    with pytest.raises(DeviceOutOfMemory):
        attempt(OpenCLBackend(Device(info, lanes, memory)))


def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but the device do the work that the backend may leave to the host."""

    def fail(*_: object) -> None:
        raise AssertionError("the host did the device's work")

    monkeypatch.setattr(quotient_rows, "compose", fail)
    monkeypatch.setattr(logup, "logup_columns", fail)


@pytest.mark.parametrize("name", SMALL)
def test_little_memory_gives_the_same_bytes(info: DeviceInfo, lanes: int, monkeypatch, name: str) -> None:
    make, kib = SMALL[name]
    air, params, trace = make()
    expected = prove(air, params, trace)
    refuses_to_be_resident(info, lanes, kib * KIB, lambda backend: prove(air, params, trace, backend=backend))
    device = Device(info, lanes, kib * KIB)
    no_host(monkeypatch)
    made = prove(air, params, trace, backend=StreamingBackend(device))
    assert made.proof.to_bytes() == expected.proof.to_bytes()
    assert made.params == expected.params
    assert device.pool.peak <= kib * KIB


@pytest.mark.parametrize("kind", [OpenCLBackend, StreamingBackend])
@pytest.mark.parametrize("name", SMALL)
def test_memory_of_the_driver_s_pool_serves_too(info: DeviceInfo, lanes: int, kind: Any, name: str) -> None:
    """GPUs take their memory from pyopencl's pool, whose buffers are of another class."""
    air, params, trace = SMALL[name][0]()
    device = Device(info, lanes)
    limit = (1 << 30) if kind is OpenCLBackend else int(1.3 * plan_of(air, params).streaming_peak)
    device.pool = DevicePool(device.queue, limit)
    assert prove(air, params, trace, backend=kind(device)).proof == prove(air, params, trace).proof
    assert device.pool.peak <= limit


def test_matmul_streams(info: DeviceInfo, lanes: int, monkeypatch) -> None:
    job, request, memory = MatmulJob(), {"size": 64, "seed": 5}, 2500 * KIB
    output = job.run(request)
    expected = job.prove(request, output, BINDING)
    refuses_to_be_resident(info, lanes, memory, lambda b: job.prove(request, output, BINDING, backend=b))
    device = Device(info, lanes, memory)
    no_host(monkeypatch)
    assert job.prove(request, output, BINDING, backend=StreamingBackend(device)) == expected
    assert device.pool.peak <= memory


@pytest.mark.slow
def test_a_program_of_many_tables_streams(info: DeviceInfo, lanes: int) -> None:
    job, memory = VmJob(), 48 << 20
    request = {"assembly": (PROGRAMS / "collatz.asm").read_text(), "inputs": (27).to_bytes(4, "little")}
    output = job.run(request)
    refuses_to_be_resident(info, lanes, memory, lambda b: job.prove(request, output, BINDING, backend=b))
    device = Device(info, lanes, memory)
    made = job.prove(request, output, BINDING, backend=StreamingBackend(device))
    assert made == job.prove(request, output, BINDING)
    assert device.pool.peak <= memory


@pytest.mark.parametrize("file", ["simple_k3_lift7.json"])
def test_a_published_proof_comes_out_byte_for_byte(device: Device, file: str) -> None:
    given = json.loads((DATA / file).read_text())
    air, params, trace = example(given["air"], given["params"])
    made = prove(air, params, trace, backend=StreamingBackend(device), strict=False).proof
    assert made == Proof.from_json(given["proof"])


def test_what_no_group_is_small_enough_for_is_left_to_the_host(device: Device, monkeypatch) -> None:
    air, params, trace = plonk(NARROW, 8)
    calls = []

    def full(*_: object) -> None:
        calls.append(1)
        raise DeviceOutOfMemory("no room")

    monkeypatch.setattr("bitsage.opencl.compose.add_component", full)
    monkeypatch.setattr("bitsage.opencl.logup.logup_columns", full)
    made = prove(air, params, trace, backend=StreamingBackend(device))
    assert len(calls) == 2
    assert made.proof == prove(air, params, trace).proof


def test_a_violated_row_is_named_as_by_numpy(device: Device) -> None:
    air, params, trace = plonk(NARROW, 6)
    columns = [column.copy() for column in trace.trace[0]]
    columns[3][17] = (columns[3][17] + 1) % P
    broken = replace(trace, trace=(tuple(columns),))
    messages = []
    for backend in (None, StreamingBackend(device)):
        with pytest.raises(TraceInvalid) as error:
            prove(air, params, broken, backend=backend)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_blocks_of_leaves_stay_whole() -> None:
    logs = [3] * 5 + [8] * 40
    order = range(45)
    for free in (0, 30_000, 60_000, 1 << 30):
        groups = leaf_groups(logs, order, 1, free)
        assert [k for group in groups for k in group] == list(order)
        assert all(len(group) % 16 == 0 for group in groups[:-1])
    assert len(leaf_groups(logs, order, 1, 0)) == 3
    assert len(leaf_groups(logs, order, 1, 1 << 30)) == 1


def test_constraints_share_a_group_while_their_columns_fit() -> None:
    needed = [{(1, k), (1, k + 1), (1, k + 2)} for k in range(6)]
    assert constraint_groups(needed, 4) == [(0, 1), (2, 3), (4, 5)]
    assert constraint_groups(needed, 0) == [(k,) for k in range(6)]
    assert constraint_groups(needed, 8) == [tuple(range(6))]


AIR, PARAMS, TRACE = SMALL["40 columns"][0]()


def attempt(backend: Backend) -> bytes:
    return prove(AIR, PARAMS, TRACE, backend=backend).proof.to_bytes()


@pytest.mark.parametrize("planned", [False, True])
def test_a_device_that_is_too_small_streams_before_another_is_asked(
    info: DeviceInfo, monkeypatch, caplog, planned: bool
) -> None:
    device = Device(info, memory=1400 * KIB)
    for name in ("bitsage.opencl.fallback.open_device", "bitsage.opencl.backend.open_device"):
        monkeypatch.setattr(name, lambda info: device)
    monkeypatch.setattr(fallback, "_lost", set())
    stages = Stage("all", 0, 5 << 20), Stage("all", 0, 1 << 20)
    plan = MemoryPlan(0, 0, 0, 0, stages[:1], stages[1:]) if planned else None
    with caplog.at_level(logging.INFO):
        proved = prove_with_fallback(attempt, wanted=info.index, plan=plan)
    assert (proved.device, proved.mode, proved.failed) == (info.label, "streaming", ())
    assert ("cannot keep all columns" in caplog.text) is not planned
    assert proved.result == attempt(StreamingBackend(Device(info))) == prove(AIR, PARAMS, TRACE).proof.to_bytes()
