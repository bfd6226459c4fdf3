"""Turns what pyopencl raises into this room's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import DeviceError, DeviceLost, DeviceOutOfMemory, KernelRefused
from .runtime import cl

_MEMORY = {-4, -5, -6, -61}  # object allocation, resources, host memory, buffer size
_BUILD = {-3, -11, -12, -13, -15, -16, -17, -43, -44, -45}


@contextmanager
def guarded() -> Iterator[None]:
    """Raises DeviceOutOfMemory, KernelRefused or DeviceLost in place of pyopencl's errors."""
    try:
        yield
    except MemoryError as error:
        raise DeviceOutOfMemory(f"the host has no memory for the device: {error}") from None
    except cl.Error as error:
        raise translated(error) from error


def translated(error: Exception) -> DeviceError:
    """The typed error of a pyopencl error; whatever is neither memory nor compilation counts as a lost device."""
    code = getattr(error, "code", None)
    text = " ".join(str(error).split())
    if code in _MEMORY or isinstance(error, cl.MemoryError):
        return DeviceOutOfMemory(f"the device has not enough memory: {text}")
    if code in _BUILD:
        return KernelRefused(f"the device's driver refuses a kernel: {text}")
    return DeviceLost(f"the device does not work any more: {text}")
