"""Polynomials at secure points from their coefficients, on the device (spec stark.md sections 3 and 10).

The basis monomial of index k is a product over the bits of k: bit 0 gives y, bit 1 x, bit 2 pi(x), ...  The
device sums over the middle bits, where most of the work is, and the host over the few values that are left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitsage.stark import vectors
from bitsage.stark.circle import SecurePoint, double_x, secure_double
from bitsage.stark.fields import QM31
from bitsage.stark.vectors import U32

from .buffers import ColumnSet, Matrix

_LOG_REST = 10  # bits that are left to the host
_LOG_WARP = 5  # neighbouring work-items of a GPU that read neighbouring words


def sample(polynomials: ColumnSet, points: Sequence[Sequence[SecurePoint]], degree_log: int) -> list[list[QM31]]:
    """Values of the lifted polynomials at the points of each column."""
    jobs: dict[tuple[int, SecurePoint], list[int]] = {}
    for matrix, indices in polynomials.by_matrix():
        for index in indices:
            for point in points[index]:
                jobs.setdefault((id(matrix), point), []).append(index)
    values: dict[tuple[int, SecurePoint], QM31] = {}
    for (_, point), indices in jobs.items():
        matrix = polynomials[indices[0]].matrix
        rows = [polynomials[k].row for k in indices]
        found = evaluate_rows(matrix, rows, secure_double(point, degree_log - matrix.log_size))
        values.update({(index, point): value for index, value in zip(indices, found, strict=True)})
    return [[values[index, point] for point in wanted] for index, wanted in enumerate(points)]


def evaluate_rows(matrix: Matrix, rows: Sequence[int], point: SecurePoint) -> list[QM31]:
    """Values at a point of the polynomials whose coefficients are the rows of the matrix."""
    device, n = matrix.device, matrix.log_size
    # As many bits below the middle as make one memory access: a vector register, or the words of a warp.
    low = min(device.lanes.bit_length() - 1 if device.lanes > 1 else _LOG_WARP, n)
    middle = max(0, n - _LOG_REST)
    factors = bit_factors(point, n)
    rest = n - middle
    out = device.alloc(len(rows) * 4 << rest)
    basis = device.upload(np.ascontiguousarray(basis_of(factors[low : low + middle]).T))
    given = device.upload(np.array(rows, dtype=np.uint32)), basis
    kernel = device.kernel("sample", "sum_middle")
    device.launch(kernel, (1 << rest, len(rows)), None, matrix.buffer, *given, out, n, middle, low)
    sums = device.download(out, (len(rows), 4, 1 << rest)).transpose(1, 0, 2).reshape(4, -1)
    weights = basis_of([*factors[:low], *factors[low + middle :]])
    weighted = vectors.qmul(sums, np.tile(weights, len(rows))).reshape(4, len(rows), -1)
    total = vectors.reduce(weighted.sum(axis=2, dtype=np.uint64)).T.tolist()
    return [(a, b, c, d) for a, b, c, d in total]


def bit_factors(point: SecurePoint, count: int) -> list[QM31]:
    """The factor of every bit of a coefficient's index: y, x, pi(x), ..."""
    x, y = point
    factors = [y]
    while len(factors) < count:
        factors.append(x)
        x = double_x(x)
    return factors[:count]


def basis_of(factors: Sequence[QM31]) -> U32:
    """Products of all subsets of the factors as (4, 2^len(factors)), bit k of the index for factor k."""
    basis = vectors.qconst((1, 0, 0, 0), 1)
    for factor in factors:
        basis = np.concatenate([basis, vectors.qmul(basis, vectors.qscalar(factor))], axis=1)
    return basis
