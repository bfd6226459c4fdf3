"""OpenCL devices: discovery, choice, compiled programs and memory.

`discover` lists what the drivers offer, `choose` takes one of them by name, number, SAGE_DEVICE or by
itself, and `Device` owns a context, an in-order queue, the programs and the memory pool of one device.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bitsage.stark.vectors import U32

from .errors import DeviceUnknown
from .guard import guarded
from .memory import Pool, make_pool
from .programs import ProgramCache, kernel_source
from .runtime import cl

NUMPY = "numpy"
_KINDS = ("gpu", "accelerator", "cpu")


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What a driver says of its device; `index` is the number by which it can be chosen."""

    index: int
    name: str
    vendor: str
    platform: str
    driver: str
    version: str
    kind: str
    memory: int
    max_alloc: int
    compute_units: int
    max_local: int
    max_group: int

    @property
    def label(self) -> str:
        """Kind and name in a few words, as recorded in events."""
        return f"opencl {self.kind}: {self.name}"


@lru_cache(maxsize=1)
def _found() -> tuple[tuple[DeviceInfo, Any], ...]:
    if cl is None:
        return ()
    try:
        platforms = cl.get_platforms()
    except cl.Error:  # the loader has no driver at all
        return ()
    found: list[tuple[DeviceInfo, Any]] = []
    for platform in platforms:
        try:
            for device in platform.get_devices():
                if device.available and device.compiler_available:
                    found.append((_describe(len(found), platform, device), device))
        except cl.Error:  # a driver without devices, or a broken one, hides nothing of the others
            continue
    return tuple(found)


def _describe(index: int, platform: Any, device: Any) -> DeviceInfo:
    bits = device.type
    types = ((cl.device_type.GPU, "gpu"), (cl.device_type.ACCELERATOR, "accelerator"))
    return DeviceInfo(
        index=index,
        name=device.name.strip(),
        vendor=device.vendor.strip(),
        platform=platform.name.strip(),
        driver=device.driver_version.strip(),
        version=device.version.strip(),
        kind=next((kind for bit, kind in types if bits & bit), "cpu"),
        memory=device.global_mem_size,
        max_alloc=device.max_mem_alloc_size,
        compute_units=device.max_compute_units,
        max_local=device.local_mem_size,
        max_group=device.max_work_group_size,
    )


def discover() -> list[DeviceInfo]:
    """All usable devices of all drivers; empty where there is no OpenCL."""
    return [info for info, _ in _found()]


def preference(infos: Sequence[DeviceInfo]) -> list[DeviceInfo]:
    """Best first: GPU, accelerator, CPU; then by memory and compute units."""
    return sorted(infos, key=lambda info: (_KINDS.index(info.kind), -info.memory, -info.compute_units, info.index))


def choose(wanted: str | int | None = None) -> DeviceInfo | None:
    """The device to prove on; None stands for the NumPy backend.

    `wanted` is a number of `discover`, a part of a name or kind in any case, or 'numpy'; without it
    SAGE_DEVICE counts, and without that the best device there is.  Raises DeviceUnknown.
    """
    text = str(wanted if wanted is not None else os.environ.get("SAGE_DEVICE", "")).strip()
    infos = discover()
    if text.lower() == NUMPY:
        return None
    if not text or text.lower() == "auto":
        return next(iter(preference(infos)), None)
    if text.isdecimal():
        for info in infos:
            if info.index == int(text):
                return info
    fitting = [info for info in infos if text.lower() in f"{info.kind} {info.name} {info.platform}".lower()]
    if not fitting:
        there = ", ".join(f"{info.index} ({info.name})" for info in infos) or "none"
        raise DeviceUnknown(f"there is no OpenCL device {text!r}; there are: {there}, and {NUMPY}")
    return preference(fitting)[0]


def _drain(queue: Any) -> None:
    with suppress(cl.Error):
        queue.finish()


class Device:
    """One opened device.

    `lanes` is the number of 32-bit values that one work-item should handle as a vector: 16 on CPUs, 1 on
    GPUs; kernels see it as the macro LANES.  All work is enqueued on one in-order queue, so a buffer may be
    dropped as soon as the last kernel that uses it is enqueued.  `memory` bounds the bytes in use.
    """

    def __init__(self, info: DeviceInfo, lanes: int | None = None, memory: int | None = None) -> None:
        self.info = info
        self.lanes = lanes or (16 if info.kind == "cpu" else 1)
        self._device = next(device for known, device in _found() if known.index == info.index)
        with guarded():
            self.context = cl.Context([self._device])
            self.queue = cl.CommandQueue(self.context, self._device)
        # Memory must not go while a kernel still runs on it, not even at the end of the process.
        weakref.finalize(self, _drain, self.queue)
        self.pool: Pool = make_pool(self.context, self.queue, info.kind == "cpu", memory or info.memory)
        self._programs = ProgramCache(self.context, self._device, info)
        self._kernels: dict[tuple[str, str, str, int], Any] = {}
        #: What other modules keep on the device for as long as it is open (twiddle towers, tuned sizes).
        self.kept: dict[Any, Any] = {}

    def program(self, name: str, source: str, options: str = "", lanes: int | None = None) -> Any:
        """The compiled pyopencl.Program of a source; `name` tells it apart in messages.  Raises KernelRefused.

        `lanes` overrides the macro LANES: columns shorter than a vector need kernels on single values.
        """
        return self._programs.get(name, source, f"-cl-std=CL1.2 -DLANES={lanes or self.lanes} {options}".rstrip())

    def kernel(self, file: str, name: str, options: str = "", lanes: int | None = None) -> Any:
        """Kernel `name` of `kernels/<file>.cl`, compiled with the options."""
        key = (file, name, options, lanes or self.lanes)
        if key not in self._kernels:
            program = self.program(file, kernel_source(file), options, lanes)
            with guarded():
                self._kernels[key] = cl.Kernel(program, name)
        return self._kernels[key]

    def launch(self, kernel: Any, groups: Sequence[int], local: Sequence[int] | None, *arguments: Any) -> None:
        """Enqueue a kernel on `groups` global work-items in groups of `local`; integers are passed as uint."""
        given = [np.uint32(a) if isinstance(a, int) else a for a in arguments]
        with guarded():
            kernel(self.queue, tuple(groups), None if local is None else tuple(local), *given)

    def alloc(self, words: int) -> Any:
        """A buffer of 32-bit words with undefined content.  Raises DeviceOutOfMemory."""
        with guarded():
            return self.pool.take(4 * max(1, words))

    def upload(self, array: U32) -> Any:
        """A new buffer with the words of a host array."""
        buffer = self.alloc(array.size)
        self.write(buffer, array)
        return buffer

    def write(self, buffer: Any, array: U32, offset: int = 0) -> None:
        """Copy a host array to a buffer from the word `offset` on."""
        words = np.ascontiguousarray(array, dtype=np.uint32)
        if words.size:
            with guarded():
                cl.enqueue_copy(self.queue, buffer, words, dst_offset=4 * offset, is_blocking=True)

    def download(self, buffer: Any, shape: tuple[int, ...], offset: int = 0) -> U32:
        """Words of a buffer from the word `offset` on, as a host array of the shape; waits for the queue."""
        result = np.empty(shape, dtype=np.uint32)
        if result.size:
            with guarded():
                cl.enqueue_copy(self.queue, result, buffer, src_offset=4 * offset, is_blocking=True)
        return result

    def copy(self, source: Any, target: Any, size: int, source_offset: int = 0, target_offset: int = 0) -> None:
        """Copy `size` bytes between two buffers of this device; offsets are bytes too."""
        with guarded():
            cl.enqueue_copy(
                self.queue, target, source, byte_count=size, src_offset=source_offset, dst_offset=target_offset
            )

    def finish(self) -> None:
        """Wait until the queue is empty."""
        with guarded():
            self.queue.finish()


@lru_cache(maxsize=8)
def open_device(info: DeviceInfo) -> Device:
    """The opened device of an info, one per process."""
    return Device(info)
