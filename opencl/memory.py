"""Device memory that is used again.

Fresh memory is expensive: a CPU device pays a page fault for every page at the first touch, a GPU driver a
synchronisation.  Both pools here keep freed blocks for the next buffer of a similar size.
"""

from __future__ import annotations

import mmap
import weakref
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from .runtime import cl

_HUGE_PAGE = 1 << 21
_SMALL = 1 << 16


class Pool(Protocol):
    """Gives buffers that return their memory when the last reference is dropped."""

    def take(self, size: int) -> Any:
        """A buffer of `size` bytes."""

    def trim(self) -> None:
        """Give memory that is not in use back to the system."""

    @property
    def limit(self) -> int:
        """Most bytes that may be in use at once."""

    @property
    def used(self) -> int:
        """Bytes in use."""

    @property
    def peak(self) -> int:
        """Most bytes that were in use at once."""


def make_pool(context: Any, queue: Any, shared: bool, limit: int) -> Pool:
    """The pool of a device, for at most `limit` bytes in use; `shared` devices compute in the host's memory."""
    return HostPool(context, queue, limit) if shared else DevicePool(queue, limit)


def _check(used: int, wanted: int, limit: int) -> None:
    if used + wanted > limit:
        raise MemoryError(f"{wanted} bytes more than the {used} in use exceed the limit of {limit}")


class HostPool:
    """Pages of the host, huge ones where the system gives them, handed to the device in place."""

    def __init__(self, context: Any, queue: Any, limit: int) -> None:
        self._context = context
        self._queue = queue
        self.limit = limit
        self._free: dict[int, list[mmap.mmap]] = {}
        self.used = 0
        self.peak = 0
        self.held = 0

    def take(self, size: int) -> Any:
        """A buffer of `size` bytes, 4 KiB aligned."""
        rounded = _rounded(size)
        _check(self.used, rounded, self.limit)
        if self.held + rounded > self.limit:
            self.trim()
        free = self._free.get(rounded)
        pages = free.pop() if free else self._map(rounded)
        words = np.frombuffer(pages, dtype=np.uint32, count=size // 4)
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR
        buffer = _HostBuffer(self._context, flags, hostbuf=words)
        weakref.finalize(buffer, self._release, rounded, pages).atexit = False
        self.used += rounded
        self.peak = max(self.peak, self.used)
        return buffer

    def _map(self, size: int) -> mmap.mmap:
        try:
            pages = mmap.mmap(-1, size)
        except OSError as error:
            raise MemoryError(str(error)) from None
        if size >= _HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
            pages.madvise(mmap.MADV_HUGEPAGE)
        self.held += size
        return pages

    def _release(self, size: int, pages: mmap.mmap) -> None:
        self.used -= size
        self._free.setdefault(size, []).append(pages)

    def trim(self) -> None:
        """Unmap the free blocks, once no kernel can be writing to them any more."""
        with suppress(cl.Error):  # a lost device runs nothing
            self._queue.finish()
        self.held -= sum(size * len(blocks) for size, blocks in self._free.items())
        self._free.clear()


class DevicePool:
    """pyopencl's own pool of device memory."""

    def __init__(self, queue: Any, limit: int) -> None:
        self._pool = cl.tools.MemoryPool(cl.tools.ImmediateAllocator(queue))
        self.limit = limit
        self.peak = 0

    def take(self, size: int) -> Any:
        """A buffer of at least `size` bytes."""
        _check(self.used, size, self.limit)
        buffer = self._pool.allocate(size)
        self.peak = max(self.peak, self.used)
        return buffer

    @property
    def used(self) -> int:
        """Bytes in use."""
        return int(self._pool.active_bytes)

    def trim(self) -> None:
        """Give the free blocks back to the driver."""
        with suppress(cl.Error):  # a lost device holds nothing
            self._pool.free_held()


def _rounded(size: int) -> int:
    """Block size for a request: at most an eighth larger, so that similar requests share blocks."""
    if size <= _SMALL:
        return max(4096, 1 << (size - 1).bit_length())
    step = 1 << max(12, size.bit_length() - 4)
    return -(-size // step) * step


class _HostBuffer(cl.Buffer if cl is not None else object):  # type: ignore[misc]
    """A buffer over host pages; a class of Python's, since the extension's cannot be referenced weakly."""
