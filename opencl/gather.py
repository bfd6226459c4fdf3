"""Single values of device columns on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitsage.stark.vectors import U32

from .buffers import ColumnSet, Matrix, as_words
from .device import Device


def picked(device: Device, matrix: Matrix, rows: Sequence[int], places: U32) -> U32:
    """Values (rows, places) of some rows of a matrix at some places."""
    if not len(rows) or not len(places):
        return np.zeros((len(rows), len(places)), dtype=np.uint32)
    result = device.alloc(len(rows) * len(places))
    tables = device.upload(as_words(rows)), device.upload(places)
    kernel = device.kernel("gather", "pick", lanes=1)
    device.launch(kernel, (len(places), len(rows)), None, matrix.buffer, matrix.log_size, *tables, result)
    return device.download(result, (len(rows), len(places)))


def gather(device: Device, evaluations: ColumnSet, height: int, positions: Sequence[int]) -> list[list[int]]:
    """Values of every column, lifted to 2^height, at the positions; in commit order."""
    where = np.array(positions, dtype=np.int64)
    result: list[list[int]] = [[] for _ in evaluations]
    for matrix, indices in evaluations.by_matrix():
        shift = height - matrix.log_size + 1
        places = ((where >> shift) << 1 | (where & 1)).astype(np.uint32)
        values = picked(device, matrix, [evaluations[k].row for k in indices], places)
        for index, row in zip(indices, values.tolist(), strict=True):
            result[index] = row
    return result
