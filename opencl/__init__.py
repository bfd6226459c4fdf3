"""Proving on OpenCL devices.

`discover` and `choose` find devices, `OpenCLBackend` implements the prover's `Backend` on one of them, and
`prove_with_fallback` goes on to the next device, at last to NumPy, when one fails.  Where there is no OpenCL
the list of devices is empty and everything runs on NumPy.  pyopencl is loaded at the first use of a name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import OpenCLBackend
    from .device import DeviceInfo, choose, discover
    from .errors import DeviceError, DeviceLost, DeviceOutOfMemory, DeviceUnknown, KernelRefused
    from .fallback import Proved, prove_with_fallback

__all__ = [
    "DeviceError",
    "DeviceInfo",
    "DeviceLost",
    "DeviceOutOfMemory",
    "DeviceUnknown",
    "KernelRefused",
    "OpenCLBackend",
    "Proved",
    "choose",
    "discover",
    "prove_with_fallback",
]
_HOME_OF = {
    "OpenCLBackend": "backend",
    "DeviceInfo": "device",
    "choose": "device",
    "discover": "device",
    "Proved": "fallback",
    "prove_with_fallback": "fallback",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF.get(name, 'errors')}"), name)
