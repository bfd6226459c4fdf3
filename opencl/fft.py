"""The circle FFT on the device: interpolation and low-degree extension (spec stark.md sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bitsage.stark import fft as host_fft
from bitsage.stark.vectors import U32

from .buffers import ColumnRef, ColumnSet, Matrix
from .device import Device
from .runtime import cl
from .tuning import FftSizes, fft_sizes
from .twiddles import tower

#: Columns below this log size are transformed on the host: they hold less than one pair of vectors.
LEAST_LOG = 5
_NO_SHIFT = 31
_LEAST_HIGH = 4  # a high pass has at least four layers
_GIVE = 2  # log2 of how far the sizes of blocks and slices bend to save a pass


@dataclass(frozen=True, slots=True)
class Pass:
    """Layers lo..hi-1 done at once; lo = 0 is the low pass."""

    lo: int
    hi: int


def passes(layers: int, sizes: FftSizes) -> list[Pass]:
    """The layers cut into as few passes as the tiles allow, lowest first.

    Before a further pass is made, the low blocks grow and the slices of the high pass shrink by up to four.
    """
    rows_log = sizes.tile_log - sizes.slice_words_log
    low = min(layers, max(sizes.low_log, min(layers - rows_log, sizes.low_log + _GIVE, sizes.tile_log)))
    if low < layers < low + _LEAST_HIGH:
        low = layers - _LEAST_HIGH
    rest = layers - low
    count = -(-rest // (rows_log + _GIVE)) if rest else 0
    result = [Pass(0, low)]
    for k in range(count):
        lo = result[-1].hi
        result.append(Pass(lo, lo + (layers - lo) // (count - k)))
    return result


def interpolate(device: Device, columns: Sequence[U32 | ColumnRef]) -> ColumnSet:
    """Coefficients of stored columns (host arrays of canonical uint32, or columns of this device)."""
    groups: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        groups.setdefault(len(column), []).append(index)
    made = []
    for length, indices in groups.items():
        log_size = length.bit_length() - 1
        for part in _parts(device, indices, log_size):
            values = _stacked(device, [columns[k] for k in part], log_size)
            made.append((_interpolated(device, *values), part))
    return ColumnSet.gathered(made)


def uploaded(device: Device, columns: Sequence[U32]) -> ColumnSet:
    """Host columns of canonical uint32 in device memory, as they are; those of one length share matrices."""
    groups: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        groups.setdefault(len(column), []).append(index)
    made = []
    for length, indices in groups.items():
        log_size = length.bit_length() - 1
        for part in _parts(device, indices, log_size):
            made.append((_stacked(device, [columns[k] for k in part], log_size)[0], part))
    return ColumnSet.gathered(made)


def _parts(device: Device, indices: Sequence[int], log_size: int) -> list[Sequence[int]]:
    """The columns in parts that fit into one buffer: drivers bound the size of a single allocation."""
    most = max(1, (device.info.max_alloc // 4) >> log_size)
    return [indices[start : start + most] for start in range(0, len(indices), most)]


def _stacked(device: Device, columns: Sequence[U32 | ColumnRef], log_size: int) -> tuple[Matrix, bool]:
    """Columns of one size as one matrix, and whether it is a fresh copy that may be overwritten."""
    first = columns[0]
    if isinstance(first, ColumnRef):
        matrix = first.matrix
        rows = [c.row for c in columns if isinstance(c, ColumnRef) and c.matrix is matrix]
        if rows == list(range(matrix.rows)) and len(rows) == len(columns):
            return matrix, False
    result = Matrix.empty(device, len(columns), log_size)
    size = 1 << log_size
    for row, column in enumerate(columns):
        if isinstance(column, ColumnRef):
            copy_row(device, column, result, row)
        else:
            device.write(result.buffer, column, row * size)
    return result, True


def copy_row(device: Device, column: ColumnRef, target: Matrix, row: int) -> None:
    """Copy a column to a row of a matrix of the same log size."""
    size = 4 << target.log_size
    device.copy(column.matrix.buffer, target.buffer, size, column.row * size, row * size)


def _interpolated(device: Device, values: Matrix, fresh: bool) -> Matrix:
    n = values.log_size
    if n < LEAST_LOG:
        return Matrix.of(device, host_fft.interpolate(values.host()))
    result = values if fresh else Matrix.empty(device, values.rows, n)
    inverse = tower(device, n, True)
    sizes = fft_sizes(device)
    plan = passes(n, sizes)
    batch = max(1, sizes.batch_words >> n)
    for column in range(0, values.rows, batch):
        count = min(batch, values.rows - column)
        source = values.buffer
        for step in plan:
            shift = _NO_SHIFT - n if step is plan[-1] else _NO_SHIFT
            if step.lo == 0:
                kernel = device.kernel("fft", "inverse_low", sizes.options)
                grid = ((sizes.group << (n - step.hi)), count)
                device.launch(kernel, grid, (sizes.group, 1), source, result.buffer, inverse, n, step.hi, column, shift)
            else:
                slice_log = sizes.slice_log(step)
                kernel = device.kernel("fft", "inverse_high", sizes.options)
                grid = (sizes.group << (n - (step.hi - step.lo) - slice_log - sizes.lanes_log), count)
                arguments = (source, result.buffer, inverse, n, step.lo, step.hi, slice_log, column, shift)
                device.launch(kernel, grid, (sizes.group, 1), *arguments)
            source = result.buffer
    return result


def extend(device: Device, polynomials: ColumnSet, log_blowup: int) -> ColumnSet:
    """Values of every polynomial on the canonic domain larger by the blowup."""
    made = []
    for matrix, indices in polynomials.by_matrix():
        for part in _parts(device, indices, matrix.log_size + log_blowup):
            rows = [polynomials[k].row for k in part]
            source = matrix if rows == list(range(matrix.rows)) else _picked(device, matrix, rows)
            made.append((evaluate(device, source, matrix.log_size + log_blowup), part))
    return ColumnSet.gathered(made)


def _picked(device: Device, matrix: Matrix, rows: Sequence[int]) -> Matrix:
    result = Matrix.empty(device, len(rows), matrix.log_size)
    for target, row in enumerate(rows):
        copy_row(device, ColumnRef(matrix, row), result, target)
    return result


def evaluate(device: Device, coefficients: Matrix, log_size: int) -> Matrix:
    """Stored values of all rows on the canonic domain of a log size not below the coefficients'.

    The layers above the degree only repeat their input, so every block of the coefficients' size starts from
    the coefficients themselves.
    """
    n0 = coefficients.log_size
    if n0 < LEAST_LOG:
        return Matrix.of(device, host_fft.evaluate(coefficients.host(), log_size))
    result = Matrix.empty(device, coefficients.rows, log_size)
    forward = tower(device, log_size, False)
    sizes = fft_sizes(device)
    plan = passes(n0, sizes)[::-1]
    copies = 1 << (log_size - n0)
    columns = max(1, sizes.batch_words >> log_size)
    # One column at a time, or a part of it, so that the next pass finds the values in the cache.
    part = min(copies, max(1, sizes.batch_words >> n0))
    for column in range(0, coefficients.rows, columns):
        count = min(columns, coefficients.rows - column)
        for copy in range(0, copies, part):
            _evaluate_part(device, coefficients, result, forward, sizes, plan, column, count, copy, part)
    return result


def _evaluate_part(
    device: Device,
    coefficients: Matrix,
    result: Matrix,
    forward: Any,
    sizes: FftSizes,
    plan: Sequence[Pass],
    column: int,
    count: int,
    copy: int,
    copies: int,
) -> None:
    n0, n = coefficients.log_size, result.log_size
    for step in plan:
        first = step is plan[0]
        source = (coefficients.buffer if first else result.buffer, n0 if first else n, 0 if first else 1 << step.hi)
        blocks_log = n0 - step.hi
        block0 = copy << blocks_log
        buffers = (source[0], result.buffer, forward, n)
        if step.lo == 0:
            kernel = device.kernel("fft", "forward_low", sizes.options)
            grid = (sizes.group * (copies << blocks_log), count)
            device.launch(kernel, grid, (sizes.group, 1), *buffers, step.hi, column, source[1], source[2], block0)
        else:
            slice_log = sizes.slice_log(step)
            kernel = device.kernel("fft", "forward_high", sizes.options)
            slices_log = step.lo - sizes.lanes_log - slice_log
            grid = (sizes.group * (copies << (blocks_log + slices_log)), count)
            place = (step.lo, step.hi, slice_log, column, source[1], source[2], block0)
            device.launch(kernel, grid, (sizes.group, 1), *buffers, *place)


def host_columns(columns: Sequence[ColumnRef]) -> list[U32]:
    """Columns as host arrays."""
    return [np.asarray(column.host()) for column in columns]


__all__ = ["Pass", "cl", "evaluate", "extend", "host_columns", "interpolate", "passes", "uploaded"]
