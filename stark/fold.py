"""FRI folding on arrays and the last layer's interpolation (spec section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from . import vectors
from .circle import SecurePoint, bit_reversal, coset_points, double_x, double_x_times, generator_index
from .errors import TraceInvalid
from .fields import QM31, ZERO, m31_inverse, qadd, qscale, qsub
from .fri_verify import line_x
from .linear import basis_at, matmul
from .vectors import U32

_DEPTH = 5  # layers after which `values_at` leaves M31
_TILE = 1 << 15  # values of a column that stay in the cache


@lru_cache(maxsize=32)
def _inverse_circle_y(log_size: int) -> U32:
    y = coset_points(generator_index(log_size + 1), generator_index(log_size - 1), log_size - 1)[1]
    return vectors.inverse(y[bit_reversal(log_size - 1)])


@lru_cache(maxsize=32)
def _inverse_line_x(log_size: int) -> U32:
    # Position bitrev(2j) < half of the domain: the first half in natural order, bit-reversed.
    x = coset_points(generator_index(log_size + 2), generator_index(log_size), log_size - 1)[0]
    return vectors.inverse(x[bit_reversal(log_size - 1)])


def _inverse_twiddles(log_size: int, layer: int) -> U32:
    """(2^(log_size - layer - 1),): what a layer of an interpolation over a circle domain of 2^log_size divides by."""
    return _inverse_line_x(log_size - layer) if layer else _inverse_circle_y(log_size)


def _fold(values: U32, inverse_twiddles: U32, alpha: QM31) -> U32:
    left, right = values[:, 0::2], values[:, 1::2]
    odd = vectors.mul(vectors.sub(left, right), inverse_twiddles)
    return vectors.add(vectors.add(left, right), vectors.qmul(odd, vectors.qscalar(alpha)))


def fold_circle(values: U32, alpha: QM31) -> U32:
    """(4, N) on a circle domain to (4, N/2) on the line domain of its x-coordinates."""
    return _fold(values, _inverse_circle_y(values.shape[1].bit_length() - 1), alpha)


def fold_line(values: U32, alpha: QM31) -> U32:
    """(4, N) on a line domain to (4, N/2) on the doubled one."""
    return _fold(values, _inverse_line_x(values.shape[1].bit_length() - 1), alpha)


def values_at(columns: Sequence[U32], point: SecurePoint) -> list[QM31]:
    """The values at a secure point of the polynomials with these stored values (N,) on their circle domain, N >= 2.

    All columns have one length.  f(x, y) = f0(x) + y f1(x), f0(x) = g0(2x^2 - 1) + x g1(2x^2 - 1) and so on: the
    first layers are those of an interpolation, all over M31, of blocks of 2^_DEPTH neighbours, and one product with
    the monomials at the point brings each block to a value.  The rest folds.  So the work is O(N), and no column is
    interpolated as a whole.
    """
    log_size = len(columns[0]).bit_length() - 1
    depth = min(log_size, _DEPTH)
    weights = basis_at(point, depth)
    twiddles = [_inverse_twiddles(log_size, layer).reshape(-1, 1 << (depth - layer - 1)) for layer in range(depth)]
    blocks = np.empty((4, len(columns), 1 << (log_size - depth)), dtype=np.uint32)
    width = max(1, _TILE >> depth)
    for start in range(0, blocks.shape[2], width):
        part = slice(start, start + width)
        tile = np.stack([column.reshape(-1, 1 << depth)[part].T for column in columns], axis=1)
        for layer in range(depth):
            _interpolate_layer(tile, layer, twiddles[layer][part].T)
        blocks[:, :, part] = matmul(weights, tile.reshape(1 << depth, -1)).reshape(4, len(columns), -1)
    # Each layer leaves twice the value.
    scale = m31_inverse(1 << log_size)
    return [qscale(_folded(blocks[:, k], double_x_times(point[0], depth - 1)), scale) for k in range(len(columns))]


def _interpolate_layer(tile: U32, layer: int, inverse_twiddles: U32) -> None:
    """One layer on a tile (2^_DEPTH, columns, blocks), in place; `inverse_twiddles` has one row for each pair of halves."""
    halves = tile.reshape(len(inverse_twiddles), 2, 1 << layer, *tile.shape[1:])
    left, right = halves[:, 0], halves[:, 1]
    difference = vectors.sub(left, right)
    left[...] = vectors.add(left, right)
    right[...] = vectors.mul(difference, inverse_twiddles[:, np.newaxis, np.newaxis])


def _folded(values: U32, x: QM31) -> QM31:
    """The value (times their number) at x of the polynomial with these values (4, N) on a line domain."""
    while values.shape[1] > 1:
        values, x = fold_line(values, x), double_x(x)
    a, b, c, d = values[:, 0].tolist()
    return a, b, c, d


def last_layer_coefficients(values: list[QM31], log_degree: int) -> list[QM31]:
    """Coefficients, in stored order, of the polynomial with the given stored values on its line domain.

    Raises TraceInvalid when the degree is 2^log_degree or more.
    """
    size = len(values)
    bits = size.bit_length() - 1
    order = bit_reversal(bits).tolist()
    natural = [values[k] for k in order]
    coefficients = _interpolate_line(natural, bits)
    scale = m31_inverse(size)
    coefficients = [qscale(c, scale) for c in coefficients]
    plain = [coefficients[k] for k in order]
    if any(c != ZERO for c in plain[1 << log_degree :]):
        raise TraceInvalid("the last FRI layer is not a polynomial of low degree")
    return [plain[k] for k in bit_reversal(log_degree).tolist()]


def _interpolate_line(values: list[QM31], log_size: int) -> list[QM31]:
    """Unscaled inverse transform of natural-order values; leaves bit-reversed coefficients."""
    if log_size == 0:
        return values
    half = len(values) // 2
    left, right = values[:half], values[half:]
    even = [qadd(a, b) for a, b in zip(left, right, strict=True)]
    odd = [
        qscale(qsub(a, b), m31_inverse(line_x(log_size, j))) for j, (a, b) in enumerate(zip(left, right, strict=True))
    ]
    return _interpolate_line(even, log_size - 1) + _interpolate_line(odd, log_size - 1)
