"""Discovery, choice, programs and memory."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from bitsage.opencl import device as devices
from bitsage.opencl.device import Device, choose, discover, preference
from bitsage.opencl.errors import DeviceError, DeviceUnknown, KernelRefused
from bitsage.opencl.guard import guarded
from bitsage.opencl.runtime import cl

DOUBLE = "__kernel void twice(__global uint *x) { size_t i = get_global_id(0); x[i] = 2 * x[i]; }"


def test_a_buffer_keeps_what_was_written(device: Device) -> None:
    words = np.arange(100_003, dtype=np.uint32)
    buffer = device.upload(words)
    assert np.array_equal(device.download(buffer, words.shape), words)
    assert np.array_equal(device.download(buffer, (2, 5), offset=7), words[7:17].reshape(2, 5))


def test_memory_is_used_again_after_the_last_reference_went(device: Device) -> None:
    before = device.pool.used
    buffer = device.alloc(1 << 20)
    assert device.pool.used >= before + (4 << 20)
    del buffer
    gc.collect()
    assert device.pool.used == before
    device.pool.trim()


def test_a_program_is_compiled_once_and_read_from_disk_later(info, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path))
    words = np.arange(64, dtype=np.uint32)
    for round_ in range(2):
        device = Device(info)
        kernel = cl.Kernel(device.program("double", DOUBLE), "twice")
        buffer = device.upload(words)
        device.launch(kernel, (64,), None, buffer)
        assert np.array_equal(device.download(buffer, (64,)), 2 * words)
        (file,) = (tmp_path / "opencl").glob("*.bin")
        if round_ == 0:
            changed = file.stat().st_mtime_ns
    assert file.stat().st_mtime_ns == changed


def test_a_torn_file_of_the_cache_is_not_given_to_the_driver(info, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SAGE_CACHE", str(tmp_path))
    Device(info).program("double", DOUBLE)
    (file,) = (tmp_path / "opencl").glob("*.bin")
    file.write_bytes(file.read_bytes()[:-100])
    device = Device(info)
    kernel = cl.Kernel(device.program("double", DOUBLE), "twice")
    assert kernel.function_name == "twice"


def test_a_kernel_that_does_not_compile_is_refused_with_the_log(device: Device) -> None:
    with pytest.raises(KernelRefused, match="broken"):
        device.program("broken", "__kernel void f(__global uint *x) { x[0] = nothing_of_this_name; }")


def test_an_error_of_the_driver_becomes_one_of_ours(device: Device) -> None:
    with pytest.raises(DeviceError), guarded():
        cl.enqueue_copy(device.queue, np.empty(64, np.uint32), device.alloc(1), src_offset=1 << 40)


def test_devices_are_chosen_by_number_name_and_kind(info, monkeypatch) -> None:
    assert choose(info.index) == info
    assert choose(str(info.index)) == info
    assert choose(info.name.lower()).name == info.name
    assert choose(info.kind).kind == info.kind
    monkeypatch.setenv("SAGE_DEVICE", info.name)
    assert choose().name == info.name
    monkeypatch.setenv("SAGE_DEVICE", "numpy")
    assert choose() is None
    assert choose(info.index) == info


def test_an_unknown_device_is_refused_and_those_that_exist_are_named(info) -> None:
    for wanted in ("no such device", 99):
        with pytest.raises(DeviceUnknown, match=str(info.index)):
            choose(wanted)


def test_a_gpu_comes_before_a_cpu_and_a_large_one_before_a_small_one(info) -> None:
    cpu = replace(info, index=0, kind="cpu", memory=1 << 40)
    small = replace(info, index=1, kind="gpu", memory=1 << 33)
    large = replace(info, index=2, kind="gpu", memory=1 << 35)
    wide = replace(info, index=3, kind="gpu", memory=1 << 35, compute_units=info.compute_units + 8)
    assert [i.index for i in preference([cpu, small, large, wide])] == [3, 2, 1, 0]


def test_without_any_device_the_choice_is_numpy(monkeypatch) -> None:
    monkeypatch.setattr(devices, "_found", lambda: ())
    monkeypatch.delenv("SAGE_DEVICE", raising=False)
    assert discover() == []
    assert choose() is None
    with pytest.raises(DeviceUnknown, match="none"):
        choose("gpu")
