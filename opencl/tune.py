"""Measuring which block sizes suit a device: what `sage devices --tune` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from statistics import median

import numpy as np

from bitsage.stark import P

from . import fft, merkle
from .buffers import ColumnSet, Matrix
from .device import Device
from .errors import DeviceError
from .tuning import Sizes, defaults

#: Told (what was measured, milliseconds); a candidate that the device refuses is left out.
Report = Callable[[str, float], None]
_LOG_SIZE = 20
_COLUMNS = 8
_RUNS = 9
_LEADERS = 4


def tune(device: Device, report: Report) -> Sizes:
    """The fastest sizes for extending and hashing 8 columns of 2^20 values.

    Takes some seconds on a CPU.  Raises DeviceError when not even the default sizes work.
    """
    chance = np.random.default_rng(7)
    columns = chance.integers(0, P, (_COLUMNS, 1 << _LOG_SIZE), dtype=np.uint32)
    matrix = Matrix.of(device, columns)
    evaluations = ColumnSet.of_matrix(matrix)
    steps: tuple[tuple[Callable[[Device, Sizes], Iterable[Sizes]], Callable[[], object]], ...] = (
        (_ffts, lambda: fft.evaluate(device, matrix, _LOG_SIZE + 1)),
        (_hashes, lambda: merkle.commit(device, evaluations, _LOG_SIZE)),
    )
    known = device.kept.get("sizes")
    best = defaults(device)
    try:
        for candidates, work in steps:
            best = _fastest(device, [best, *candidates(device, best)], work, report)
    finally:
        device.kept["sizes"] = known or best
    return best


def _fastest(device: Device, candidates: list[Sizes], work: Callable[[], object], report: Report) -> Sizes:
    """The fastest candidate: all of them once, then the leaders against the first, run by run in turn."""
    screened: list[tuple[float, Sizes]] = []
    for sizes in candidates:
        try:
            seconds = min(_time(device, sizes, work) for _ in range(3))  # the first run compiles
        except DeviceError:
            if not screened:
                raise
            continue
        report(_words(sizes, screened[0][1] if screened else None), seconds * 1e3)
        screened.append((seconds, sizes))
    base = screened[0][1]
    leaders = [sizes for _, sizes in sorted(screened, key=lambda entry: entry[0])[:_LEADERS] if sizes != base]
    times: dict[Sizes, list[float]] = {sizes: [] for sizes in (base, *leaders)}
    for _ in range(_RUNS):
        for sizes, runs in times.items():
            runs.append(_time(device, sizes, work))
    return min(times, key=lambda sizes: median(times[sizes]))


def _time(device: Device, sizes: Sizes, work: Callable[[], object]) -> float:
    device.kept["sizes"] = sizes
    start = time.perf_counter()
    work()
    device.finish()
    return time.perf_counter() - start


def _words(sizes: Sizes, base: Sizes | None) -> str:
    if base is None or sizes.fft != base.fft:
        f = sizes.fft
        return f"fft: blocks 2^{f.low_log}, tiles 2^{f.tile_log}, slices 2^{f.slice_words_log}, group {f.group}"
    return f"hash: blocks 2^{sizes.hash.block_log}, group {sizes.hash.group}"


def _ffts(device: Device, base: Sizes) -> Iterator[Sizes]:
    groups = (1,) if device.lanes > 1 else (64, 128, 256, 512)
    for group in groups:
        for low_log in (10, 11, 12, 13, 14):
            for tile_log in (12, 13, 16):
                for slice_log in (5, 6, 7, 8):
                    shape = {"group": group, "low_log": low_log, "tile_log": tile_log, "slice_words_log": slice_log}
                    sizes = replace(base, fft=replace(base.fft, **shape))
                    if sizes != base and sizes.fit(device) and tile_log <= low_log + 3:
                        yield sizes


def _hashes(device: Device, base: Sizes) -> Iterator[Sizes]:
    groups = (1,) if device.lanes > 1 else (32, 64, 128, 256)
    for group in groups:
        for block_log in (6, 7, 8, 9, 10, 11, 12):
            sizes = replace(base, hash=replace(base.hash, group=group, block_log=block_log))
            if sizes != base and sizes.fit(device):
                yield sizes
