"""Does a device compute what NumPy computes, and how fast?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitsage.stark import Backend, NumpyBackend, P, PcsConfig, prove
from bitsage.stark.examples import plonk

from .backend import OpenCLBackend
from .device import Device

_COLUMNS, _LOG_SIZE, _LOG_BLOWUP = 8, 15, 2
_CONFIG = PcsConfig(pow_bits=10, log_blowup_factor=2, n_queries=20, fold_step=3)
_PROOF_LOG = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One operation: equal results or not, and the milliseconds of its second run on both."""

    name: str
    equal: bool
    device_ms: float
    numpy_ms: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"check": self.name, "equal": self.equal, "device_ms": self.device_ms, "numpy_ms": self.numpy_ms}


def self_test(device: Device) -> Iterator[Check]:
    """Run every check on the device and on NumPy.  Raises DeviceError where the device fails."""
    own, reference = OpenCLBackend(device), NumpyBackend()
    chance = np.random.default_rng(2024)
    values = list(chance.integers(0, P, (_COLUMNS, 1 << _LOG_SIZE), dtype=np.uint32))
    height = _LOG_SIZE + _LOG_BLOWUP
    digest = bytes(range(32))
    tree: tuple[Any, Any] = (_extended(own, values), _extended(reference, values))
    air, params, trace = plonk(_CONFIG, _PROOF_LOG, mul_every=3)
    cases: list[tuple[str, Callable[[Any, int], Any], Callable[[Any], Any]]] = [
        ("FFT: 8 columns, 2^15 to 2^17", lambda b, k: _extended(b, values), _host),
        ("BLAKE2s tree of 8 columns, 2^17", lambda b, k: b.root(b.commit(tree[k], height)), lambda found: found),
        ("proof of work, 16 bits", lambda b, k: b.grind(digest, 16), lambda found: found),
        (
            "proof of a circuit with lookups, 2^10 rows",
            lambda b, k: prove(air, params, trace, backend=b).proof.to_bytes(),
            lambda found: found,
        ),
    ]
    for name, run, shown in cases:
        found, device_ms = _timed(own, lambda b, run=run: run(b, 0))  # type: ignore[misc]
        expected, numpy_ms = _timed(reference, lambda b, run=run: run(b, 1))  # type: ignore[misc]
        yield Check(name, bool(shown(found) == shown(expected)), device_ms, numpy_ms)


def _extended(backend: Backend, values: list[Any]) -> Any:
    return backend.extend(backend.interpolate(values), _LOG_BLOWUP)


def _host(columns: Any) -> list[bytes]:
    return [(column if isinstance(column, np.ndarray) else column.host()).tobytes() for column in columns]


def _timed(backend: Backend, run: Callable[[Backend], Any]) -> tuple[Any, float]:
    """Result and milliseconds of the second of two runs; the first one compiles and fills caches."""
    device = getattr(backend, "device", None)
    result, seconds = None, 0.0
    for _ in range(2):
        start = time.perf_counter()
        result = run(backend)
        if isinstance(device, Device):
            device.finish()
        seconds = time.perf_counter() - start
    return result, round(seconds * 1e3, 2)
