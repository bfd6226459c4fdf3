"""Errors of the OpenCL room.

DeviceError
├── DeviceUnknown        no device has the wanted name or number
├── DeviceOutOfMemory    a buffer or a kernel does not fit into the device
├── DeviceLost           the device stopped answering or refuses further work
└── KernelRefused        the driver cannot compile a kernel; carries the build log

Any of them in the middle of a proof means: make the proof again on the next device (`fallback`).
"""

from __future__ import annotations


class DeviceError(Exception):
    """Anything wrong with an OpenCL device."""

    code = "device_error"


class DeviceUnknown(DeviceError):
    """No device has the wanted name or number; `sage devices` lists those that exist."""

    code = "device_unknown"


class DeviceOutOfMemory(DeviceError):
    """The device has not enough memory for what was asked of it."""

    code = "device_out_of_memory"


class DeviceLost(DeviceError):
    """The device stopped answering or refuses further work."""

    code = "device_lost"


class KernelRefused(DeviceError):
    """The device's driver cannot compile a kernel."""

    code = "kernel_refused"
