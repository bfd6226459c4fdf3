"""Compiling generated programs."""

from __future__ import annotations

from typing import Any

from .device import Device
from .programs import kernel_source
from .runtime import cl
from .templates import Generated


def kernels_of(device: Device, name: str, program: Generated, options: str = "") -> list[Any]:
    """The kernels of a generated program in order, compiled once a device.  Raises KernelRefused."""
    compiled = device.program(name, kernel_source("field") + program.source, options)
    return [cl.Kernel(compiled, kernel) for kernel in program.kernels]
