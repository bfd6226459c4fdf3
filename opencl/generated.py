"""Compiling generated programs."""

from __future__ import annotations

from typing import Any

from .device import Device
from .programs import kernel_source
from .runtime import cl
from .templates import Generated


def kernels_of(device: Device, name: str, program: Generated, options: str = "") -> list[Any]:
    """The kernels of a generated program in order, compiled once a device.  Raises KernelRefused.

    These kernels work on single values and leave vectors to the compiler: LANES is 1, whatever the device.
    """
    compiled = device.program(name, kernel_source("field") + program.source, options, lanes=1)
    return [cl.Kernel(compiled, kernel) for kernel in program.kernels]
