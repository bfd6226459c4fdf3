"""Compiled kernels: once per process in memory, once per device and source on disk."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import KernelRefused
from .guard import guarded
from .runtime import cache_folder, cl

if TYPE_CHECKING:
    from .device import DeviceInfo

_INCLUDE = re.compile(r'^#include "(\w+)\.cl"$', re.MULTILINE)
_DIGEST = 32


@cache
def kernel_source(file: str) -> str:
    """Text of `kernels/<file>.cl` with its includes put in; every file is included at most once."""
    seen: set[str] = set()

    def read(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        text = (files("bitsage.opencl") / "kernels" / f"{name}.cl").read_text(encoding="utf-8")
        return _INCLUDE.sub(lambda found: read(found.group(1)), text)

    return read(file)


class ProgramCache:
    """Programs of one device by source and options.

    Binaries lie in the cache folder under a hash of source, options, device and driver, each behind its own
    hash: a driver is never given a torn file.
    """

    def __init__(self, context: Any, device: Any, info: DeviceInfo) -> None:
        self._context = context
        self._device = device
        self._identity = "\0".join((info.platform, info.name, info.vendor, info.driver, info.version))
        self._programs: dict[str, Any] = {}

    def get(self, name: str, source: str, options: str) -> Any:
        """The built program.  Raises KernelRefused with the driver's log."""
        key = hashlib.sha256("\0".join((self._identity, options, source)).encode()).hexdigest()
        if key not in self._programs:
            path = cache_folder() / f"{key}.bin"
            program = self._from_binary(path, options)
            if program is None:
                program = self._from_source(name, source, options)
                self._save(path, program)
            self._programs[key] = program
        return self._programs[key]

    def _from_source(self, name: str, source: str, options: str) -> Any:
        try:
            with guarded():
                return self._build(cl.Program(self._context, source), options)
        except KernelRefused as error:
            raise KernelRefused(f"{name}: {error}") from None

    def _from_binary(self, path: Path, options: str) -> Any | None:
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, binary = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(binary).digest() != digest:
            return None
        try:
            return self._build(cl.Program(self._context, [self._device], [binary]), options)
        except cl.Error:  # another driver of the same name and version: compile anew
            return None

    def _build(self, program: Any, options: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compilers' remarks are no warnings
            return program.build(options=options, devices=[self._device], cache_dir=False)

    def _save(self, path: Path, program: Any) -> None:
        binary = program.get_info(cl.program_info.BINARIES)[0]
        # A cache that cannot be written costs time, nothing else.
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f"{path.name}.{os.getpid()}")
            aside.write_bytes(hashlib.sha256(binary).digest() + binary)
            aside.replace(path)
