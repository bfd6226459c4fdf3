"""Making a proof on the best device that can make it.

A device that runs out of memory, is lost or refuses a kernel costs the proof made so far, nothing else: the
proof is made again, from the start, with the same bytes.  Out of memory, the same device is tried once more with
streamed columns (`streaming`); then come the next device and at last NumPy.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from bitsage.stark import Backend, NumpyBackend

from .backend import OpenCLBackend
from .device import NUMPY, DeviceInfo, choose, discover, open_device, preference
from .errors import DeviceError, DeviceLost, DeviceOutOfMemory
from .plan import RESIDENT, STREAMING, MemoryPlan
from .streaming import StreamingBackend

T = TypeVar("T")


class Log(Protocol):
    """A logger of structlog or of the standard library."""

    def info(self, message: str, /) -> Any:
        """Say what is worth knowing."""

    def warning(self, message: str, /) -> Any:
        """Say what went wrong."""


@dataclass(frozen=True, slots=True)
class Proved(Generic[T]):
    """What the attempt returned, the label of the device that made it, and (label, error code) of those that failed.

    `mode` says whether a device kept everything (`resident`) or columns were streamed (`streaming`); NumPy is
    always resident.
    """

    result: T
    device: str
    failed: tuple[tuple[str, str], ...] = ()
    mode: str = RESIDENT


#: Devices that were lost; they are not tried again in this process.
_lost: set[int] = set()
_said: set[str] = set()


def prove_with_fallback(
    attempt: Callable[[Backend], T],
    *,
    wanted: str | int | None = None,
    log: Log | None = None,
    plan: MemoryPlan | None = None,
) -> Proved[T]:
    """Call `attempt` with the backend of the wanted device and, when that device fails, of the next ones.

    `wanted` is what `device.choose` takes; an explicit 'numpy' uses no device at all.  With a `plan` a device that
    is too small to keep everything streams from the start instead of finding that out.  Errors other than
    DeviceError (a trace that violates a constraint, say) are the attempt's own and leave at once.
    Raises DeviceUnknown.
    """
    speaker = log or logging.getLogger(__name__)
    failed: list[tuple[str, str]] = []
    for info in _candidates(wanted):
        try:
            result, mode = _on_device(attempt, info, speaker, plan)
        except DeviceError as error:
            failed.append((info.label, error.code))
            speaker.warning(f"{info.label} failed, the proof is made again on the next device: {error} [{error.code}]")
            _leave(info, error)
            continue
        return Proved(result, info.label, tuple(failed), mode)
    if not failed and not discover():
        _say_once(speaker, "no OpenCL device is present: proofs are made with NumPy")
    return Proved(attempt(NumpyBackend()), NUMPY, tuple(failed))


def _on_device(attempt: Callable[[Backend], T], info: DeviceInfo, log: Log, plan: MemoryPlan | None) -> tuple[T, str]:
    """The attempt's result on one device and the mode that made it.  Raises DeviceError."""
    if plan is None or plan.mode(open_device(info).pool.limit) == RESIDENT:
        try:
            return attempt(OpenCLBackend(info)), RESIDENT
        except DeviceOutOfMemory as error:
            log.info(f"{info.label} cannot keep all columns, the proof is made again with streamed ones: {error}")
            _leave(info, error)
    return attempt(StreamingBackend(open_device(info))), STREAMING


def _candidates(wanted: str | int | None) -> Iterator[DeviceInfo]:
    first = choose(wanted)
    if first is None:
        return
    for info in (first, *(other for other in preference(discover()) if other != first)):
        if info.index not in _lost:
            yield info


def _leave(info: DeviceInfo, error: DeviceError) -> None:
    """Let go of everything that the failed attempt holds on the device."""
    if isinstance(error, DeviceLost):
        _lost.add(info.index)
    # The frames of the traceback hold the columns of the failed proof.
    error.__traceback__ = error.__context__ = error.__cause__ = None
    gc.collect()
    # A device that could not even be opened fails here again.
    with suppress(DeviceError):
        open_device(info).pool.trim()


def _say_once(log: Log, text: str) -> None:
    if text not in _said:
        _said.add(text)
        log.info(text)
