"""Lifted DEEP quotients on the device (spec stark.md section 10).

A group's numerator is a weighted sum of columns.  The sum is taken over the polynomials' coefficients, which
are fewer than values by the blowup, and only its four coordinates are extended to the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bitsage.stark.deep import SampleGroup
from bitsage.stark.fields import QM31, P, qmul, qneg
from bitsage.stark.vectors import U32

from .buffers import ColumnRef, Matrix
from .compose import lift_rows
from .device import Device
from .points import INVERSION_ROWS, half_coset_tables, inversion_sizes, split_bits

#: Extends the rows of a matrix of coefficients to the committed domain.
Extend = Callable[[Matrix], Matrix]
#: (row, weight) of the columns that a sum takes from one matrix, for each group.
Terms = dict[int, list[tuple[int, QM31]]]


@dataclass(frozen=True, slots=True)
class Sums:
    """Weighted sums of columns of one size: four rows for each of the groups that have such columns."""

    rows: Matrix
    groups: list[int]


def quotients(
    device: Device, groups: Sequence[SampleGroup], columns: Sequence[ColumnRef], lifting_log: int, extend: Extend
) -> Matrix:
    """Sum over the groups of numerator / denominator, (4, 2^lifting_log).

    `columns` are all trees' columns in flat order, as coefficients that `extend` turns into values, or as values
    that `extend` leaves alone.
    """
    sums = _sums_by_size(device, groups, columns)
    if not sums:
        raise ValueError("quotients of no columns")
    return divide(lifted(sums, len(groups), lifting_log, extend), groups)


def lifted(sums: Sequence[Sums], groups: int, lifting_log: int, extend: Extend) -> Matrix:
    """The groups' numerators on the whole domain, four rows a group, from their sums of each size."""
    first = extend(sums[0].rows)
    if len(sums) == 1 and len(sums[0].groups) == groups and first.log_size == lifting_log:
        return first
    result = Matrix.empty(first.device, 4 * groups, lifting_log)
    written: set[int] = set()
    for k, part in enumerate(sums):
        values = extend(part.rows) if k else first
        for place, number in enumerate(part.groups):
            lift_rows(values, 4 * place, result, 4 * number, number in written)
            written.add(number)
    return result


def _sums_by_size(device: Device, groups: Sequence[SampleGroup], columns: Sequence[ColumnRef]) -> list[Sums]:
    """The groups' weighted sums of the columns of each log size, largest first."""
    matrices: dict[int, Matrix] = {}
    terms: dict[int, Terms] = {}
    for number, group in enumerate(groups):
        for index, weight in group.columns:
            column = columns[index]
            matrices[id(column.matrix)] = column.matrix
            own = terms.setdefault(id(column.matrix), {}).setdefault(number, [])
            own.append((column.row, qmul(group.c, weight)))
    result = []
    for log_size in sorted({matrix.log_size for matrix in matrices.values()}, reverse=True):
        parts = [(m, terms[key]) for key, m in matrices.items() if m.log_size == log_size]
        numbers = sorted({number for _, found in parts for number in found})
        rows = Matrix.empty(device, 4 * len(numbers), log_size)
        for place, number in enumerate(numbers):
            own_parts = [(m, found[number]) for m, found in parts if number in found]
            for k, (matrix, listed) in enumerate(own_parts):
                weighted_sum(matrix, listed, rows, 4 * place, k > 0)
        result.append(Sums(rows, numbers))
    return result


def weighted_sum(matrix: Matrix, terms: Sequence[tuple[int, QM31]], out: Matrix, first_row: int, add: bool) -> None:
    """Four rows of `out` become, or grow by, the sum of the (row, weight) of a matrix of the same log size."""
    words = [row for row, _ in terms] + [word for _, weight in terms for word in weight]
    listed = matrix.device.upload(np.array(words, dtype=np.uint32))
    kernel = matrix.device.kernel("quotients", "weighted_sum", lanes=1)
    arguments = (matrix.buffer, listed, out.buffer, len(terms), out.log_size, first_row, int(add))
    matrix.device.launch(kernel, (1 << out.log_size,), None, *arguments)


def divide(numerators: Matrix, groups: Sequence[SampleGroup]) -> Matrix:
    """The sum over the groups of their four rows of numerators over their denominators."""
    device, n = numerators.device, numerators.log_size
    result = Matrix.empty(device, 4, n)
    rows, *sizes = inversion_sizes(1 << n, INVERSION_ROWS)
    words = device.upload(np.concatenate([_group_words(group) for group in groups]))
    tables = half_coset_tables(device, n)
    arguments = (numerators.buffer, result.buffer, tables, words, len(groups), n, *split_bits(n - 1))
    device.launch(device.kernel("quotients", "divide", f"-DROWS={rows}", lanes=1), *sizes, *arguments)
    return result


def _group_words(group: SampleGroup) -> U32:
    """a, -b, and the denominator's constant, x-factor and y-factor: constant - x Im Py + y Im Px."""
    (px0, px1, px2, px3), (py0, py1, py2, py3) = group.point
    constant = (px0 * py2 - px1 * py3 - py0 * px2 + py1 * px3, px0 * py3 + px1 * py2 - py0 * px3 - py1 * px2)
    words = (*group.a, *qneg(group.b), *constant, -py2, -py3, px2, px3)
    return np.array([word % P for word in words], dtype=np.uint32)
