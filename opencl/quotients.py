"""Lifted DEEP quotients on the device (spec stark.md section 10).

A group's numerator is a weighted sum of columns.  The sum is taken over the polynomials' coefficients, which
are fewer than values by the blowup, and only its four coordinates are extended to the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bitsage.stark.deep import SampleGroup
from bitsage.stark.fields import QM31, P, qmul, qneg
from bitsage.stark.vectors import U32

from .buffers import ColumnRef, Matrix
from .device import Device
from .points import INVERSION_ROWS, half_coset_tables, inversion_sizes, split_bits

#: Extends the rows of a matrix of coefficients to the committed domain.
Extend = Callable[[Matrix], Matrix]
#: (row, weight) of the columns that a sum takes from one matrix, for each group.
Terms = dict[int, list[tuple[int, QM31]]]


def quotients(
    device: Device, groups: Sequence[SampleGroup], columns: Sequence[ColumnRef], lifting_log: int, extend: Extend
) -> Matrix:
    """Sum over the groups of numerator / denominator, (4, 2^lifting_log).

    `columns` are all trees' columns in flat order, as coefficients that `extend` turns into values, or as values
    that `extend` leaves alone.
    """
    numerators: Matrix | None = None
    for sums in _sums_by_size(device, groups, columns).values():
        values = extend(sums)
        if values.log_size == lifting_log and numerators is None:
            numerators = values
            continue
        add = numerators is not None
        numerators = numerators or Matrix.empty(device, 4 * len(groups), lifting_log)
        sizes = (1 << lifting_log, 4 * len(groups))
        arguments = (numerators.buffer, values.buffer, lifting_log, values.log_size, int(add))
        device.launch(device.kernel("compose", "lift_add"), sizes, None, *arguments)
    if numerators is None:
        raise ValueError("quotients of no columns")
    return _divide(numerators, groups)


def _sums_by_size(device: Device, groups: Sequence[SampleGroup], columns: Sequence[ColumnRef]) -> dict[int, Matrix]:
    """The groups' weighted sums of the columns of each log size, largest first, four rows a group."""
    matrices: dict[int, Matrix] = {}
    terms: dict[int, Terms] = {}
    for number, group in enumerate(groups):
        for index, weight in group.columns:
            column = columns[index]
            matrices[id(column.matrix)] = column.matrix
            own = terms.setdefault(id(column.matrix), {}).setdefault(number, [])
            own.append((column.row, qmul(group.c, weight)))
    result: dict[int, Matrix] = {}
    for log_size in sorted({matrix.log_size for matrix in matrices.values()}, reverse=True):
        sums = result[log_size] = Matrix.empty(device, 4 * len(groups), log_size)
        own_matrices = [(m, terms[key]) for key, m in matrices.items() if m.log_size == log_size]
        for number in range(len(groups)):
            # A group without columns of this size gets a sum of no terms, which is 0.
            parts = [(m, found[number]) for m, found in own_matrices if number in found] or [(own_matrices[0][0], [])]
            for k, (matrix, listed) in enumerate(parts):
                _weighted_sum(matrix, listed, sums, 4 * number, k > 0)
    return result


def _weighted_sum(matrix: Matrix, terms: Sequence[tuple[int, QM31]], out: Matrix, first_row: int, add: bool) -> None:
    words = [row for row, _ in terms] + [word for _, weight in terms for word in weight]
    listed = matrix.device.upload(np.array(words or [0], dtype=np.uint32))
    kernel = matrix.device.kernel("quotients", "weighted_sum")
    arguments = (matrix.buffer, listed, out.buffer, len(terms), out.log_size, first_row, int(add))
    matrix.device.launch(kernel, (1 << out.log_size,), None, *arguments)


def _divide(numerators: Matrix, groups: Sequence[SampleGroup]) -> Matrix:
    device, n = numerators.device, numerators.log_size
    result = Matrix.empty(device, 4, n)
    rows, *sizes = inversion_sizes(1 << n, INVERSION_ROWS)
    words = device.upload(np.concatenate([_group_words(group) for group in groups]))
    tables = half_coset_tables(device, n)
    arguments = (numerators.buffer, result.buffer, tables, words, len(groups), n, *split_bits(n - 1), rows)
    device.launch(device.kernel("quotients", "divide"), *sizes, *arguments)
    return result


def _group_words(group: SampleGroup) -> U32:
    """a, -b, and the denominator's constant, x-factor and y-factor: constant - x Im Py + y Im Px."""
    (px0, px1, px2, px3), (py0, py1, py2, py3) = group.point
    constant = (px0 * py2 - px1 * py3 - py0 * px2 + py1 * px3, px0 * py3 + px1 * py2 - py0 * px3 - py1 * px2)
    words = (*group.a, *qneg(group.b), *constant, -py2, -py3, px2, px3)
    return np.array([word % P for word in words], dtype=np.uint32)
