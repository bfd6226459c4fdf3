"""A device that fails in the middle of a proof costs nothing but time."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitsage.opencl import fallback
from bitsage.opencl.backend import OpenCLBackend
from bitsage.opencl.device import Device, DeviceInfo, discover, open_device
from bitsage.opencl.errors import DeviceLost, DeviceOutOfMemory, DeviceUnknown
from bitsage.opencl.fallback import prove_with_fallback
from bitsage.opencl.guard import guarded
from bitsage.opencl.runtime import cl
from bitsage.stark import Backend, PcsConfig, TraceInvalid, prove
from bitsage.stark.examples import wide_fibonacci

AIR, PARAMS, TRACE = wide_fibonacci(PcsConfig(5, 2, 16, 0, 3), [(11, 20)])


def attempt(backend: Backend) -> bytes:
    return prove(AIR, PARAMS, TRACE, backend=backend).proof.to_bytes()


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "_lost", set())
    monkeypatch.setattr(fallback, "_said", set())


def use(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    """Let the device stand for the only one there is."""
    for name in ("bitsage.opencl.fallback.open_device", "bitsage.opencl.backend.open_device"):
        monkeypatch.setattr(name, lambda info: device)
    monkeypatch.setattr(fallback, "discover", lambda: [device.info])


def test_the_wanted_device_makes_the_proof(info: DeviceInfo) -> None:
    proved = prove_with_fallback(attempt, wanted=info.index)
    assert (proved.device, proved.failed) == (info.label, ())
    assert proved.result == prove_with_fallback(attempt, wanted="numpy").result


def test_a_device_that_cannot_be_opened_hands_on(info: DeviceInfo, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise DeviceLost("gone before it was opened")

    open_device.cache_clear()
    monkeypatch.setattr(Device, "__init__", broken)
    proved = prove_with_fallback(attempt, wanted=info.index)
    assert (proved.device, proved.failed[0]) == ("numpy", (info.label, "device_lost"))


def test_a_device_without_enough_memory_hands_on(info: DeviceInfo, monkeypatch, caplog) -> None:
    device = Device(info, memory=1 << 20)
    use(monkeypatch, device)
    with pytest.raises(DeviceOutOfMemory):
        attempt(OpenCLBackend(device))
    with caplog.at_level(logging.WARNING):
        proved = prove_with_fallback(attempt, wanted=info.index)
    assert proved.device == "numpy"
    assert proved.failed == ((info.label, "device_out_of_memory"),)
    assert proved.result == prove_with_fallback(attempt, wanted="numpy").result
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "device_out_of_memory" in caplog.text
    assert device.pool.used < 1 << 19, "the failed proof must not keep its columns"


def test_a_device_that_is_lost_in_the_middle_is_not_asked_again(info: DeviceInfo, monkeypatch) -> None:
    device = Device(info)
    use(monkeypatch, device)
    launches = 0
    launch = device.launch

    def failing(*given: Any) -> None:
        nonlocal launches
        launches += 1
        if launches > 30:
            with guarded():  # a real refusal of the driver: the copy starts far behind the end of the buffer
                cl.enqueue_copy(device.queue, np.empty(64, np.uint32), device.alloc(1), src_offset=1 << 40)
        launch(*given)

    monkeypatch.setattr(device, "launch", failing)
    with pytest.raises(DeviceLost):
        attempt(OpenCLBackend(device))
    launches = 0
    first = prove_with_fallback(attempt, wanted=info.index)
    assert (first.device, first.failed) == ("numpy", ((info.label, "device_lost"),))
    launches = 0
    assert prove_with_fallback(attempt, wanted=info.index).failed == ()
    assert launches == 0


def test_what_is_wrong_with_the_trace_is_no_failure_of_the_device(info: DeviceInfo) -> None:
    def broken(backend: Backend) -> None:
        raise TraceInvalid("row 3")

    with pytest.raises(TraceInvalid, match="row 3"):
        prove_with_fallback(broken, wanted=info.index)


def test_without_a_device_numpy_is_used_and_that_is_said_once(monkeypatch, caplog) -> None:
    monkeypatch.setattr("bitsage.opencl.device._found", lambda: ())
    monkeypatch.delenv("SAGE_DEVICE", raising=False)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert prove_with_fallback(lambda backend: backend.name).device == "numpy"
    assert caplog.text.count("no OpenCL device is present") == 1


def test_an_unknown_device_is_refused_before_anything_is_done() -> None:
    with pytest.raises(DeviceUnknown):
        prove_with_fallback(attempt, wanted="no such device")


def test_the_package_names_are_there_and_load_late() -> None:
    import bitsage.opencl as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError):
        room.no_such_name  # noqa: B018
    assert isinstance(discover(), list)
    assert Path(room.__file__).name == "__init__.py"
