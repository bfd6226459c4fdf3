"""FRI folding on arrays and the last layer's interpolation (spec section 11)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from . import vectors
from .circle import SecurePoint, bit_reversal, coset_points, double_x, generator_index
from .errors import TraceInvalid
from .fields import QM31, ZERO, m31_inverse, qadd, qscale, qsub
from .fri_verify import line_x
from .vectors import U32


@lru_cache(maxsize=32)
def _inverse_circle_y(log_size: int) -> U32:
    y = coset_points(generator_index(log_size + 1), generator_index(log_size - 1), log_size - 1)[1]
    return vectors.inverse(y[bit_reversal(log_size - 1)])


@lru_cache(maxsize=32)
def _inverse_line_x(log_size: int) -> U32:
    # Position bitrev(2j) < half of the domain: the first half in natural order, bit-reversed.
    x = coset_points(generator_index(log_size + 2), generator_index(log_size), log_size - 1)[0]
    return vectors.inverse(x[bit_reversal(log_size - 1)])


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


def value_at(column: U32, point: SecurePoint) -> QM31:
    """The value at a secure point of the polynomial with these stored values (N,) on its circle domain, N >= 2.

    Every fold halves the domain and keeps f(point): f(x, y) = f0(x) + y f1(x), f0(x) = g0(2x^2 - 1) + x g1(2x^2 - 1)...
    So no interpolation is needed, and the work is O(N).
    """
    x, y = point
    log_size = len(column).bit_length() - 1
    left, right = column[0::2], column[1::2]
    odd = vectors.mul(vectors.sub(left, right), _inverse_circle_y(log_size))
    values = vectors.mul(odd[np.newaxis], vectors.qscalar(y))
    values[0] = vectors.add(values[0], vectors.add(left, right))
    for _ in range(log_size - 1):
        values, x = fold_line(values, x), double_x(x)
    a, b, c, d = values[:, 0].tolist()
    # Each fold leaves twice the value.
    return qscale((a, b, c, d), m31_inverse(len(column)))


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
