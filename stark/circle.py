"""The circle group over M31, its domains and the orders of their points (spec section 2).

A point of the group of order 2^31 is named by its index k, standing for k*G.  A trace of log size n lives
on the canonic coset of log size n; the storage order is always the bit-reversed order of the circle domain.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .fields import ONE, QM31, P, qadd, qinv, qmul, qscale, qsub
from .vectors import U32, add, mul, sub

GENERATOR = (2, 1268011823)
LOG_ORDER = 31
ORDER = 1 << LOG_ORDER
Point = tuple[int, int]
SecurePoint = tuple[QM31, QM31]


def point_add(p: Point, q: Point) -> Point:
    """Group law (x0x1 - y0y1, x0y1 + y0x1)."""
    return (p[0] * q[0] - p[1] * q[1]) % P, (p[0] * q[1] + p[1] * q[0]) % P


@lru_cache(maxsize=1)
def _windows() -> tuple[tuple[Point, ...], ...]:
    """All multiples k * 2^(8w) * G with k < 256, for each of the four bytes w of an index."""
    windows = []
    base = GENERATOR
    for _ in range(4):
        multiples: list[Point] = [(1, 0)]
        for _ in range(255):
            multiples.append(point_add(multiples[-1], base))
        windows.append(tuple(multiples))
        base = point_add(multiples[-1], base)
    return tuple(windows)


def point(index: int) -> Point:
    """The point index*G."""
    index %= ORDER
    w0, w1, w2, w3 = _windows()
    low = point_add(w0[index & 255], w1[index >> 8 & 255])
    return point_add(low, point_add(w2[index >> 16 & 255], w3[index >> 24]))


def generator_index(log_size: int) -> int:
    """Index of the generator of the subgroup of order 2^log_size."""
    return 1 << (LOG_ORDER - log_size)


def domain_index(log_size: int, position: int) -> int:
    """Index of the point at a *natural* position of the circle domain of the given log size."""
    half = 1 << (log_size - 1)
    base = generator_index(log_size + 1)
    step = generator_index(log_size - 1)
    if position < half:
        return base + position * step
    return -(base + (position - half) * step) % ORDER


def bit_reverse(index: int, bits: int) -> int:
    """The lowest `bits` bits of the index in reverse order."""
    return int(format(index, f"0{bits}b")[::-1], 2) if bits else 0


@lru_cache(maxsize=64)
def bit_reversal(bits: int) -> NDArray[np.int64]:
    """The permutation array[j] = bit_reverse(j) of length 2^bits (read-only)."""
    result = np.zeros(1, dtype=np.int64)
    for _ in range(bits):
        result = np.concatenate([result * 2, result * 2 + 1])
    result.flags.writeable = False
    return result


def coset_points(initial: int, step: int, log_size: int) -> tuple[U32, U32]:
    """x and y of initial + j*step for j < 2^log_size, in natural order."""
    x0, y0 = point(initial)
    x = np.array([x0], dtype=np.uint32)
    y = np.array([y0], dtype=np.uint32)
    for k in range(log_size):
        sx, sy = (np.uint32(c) for c in point(step << k))
        nx = sub(mul(x, sx), mul(y, sy))
        ny = add(mul(x, sy), mul(y, sx))
        x, y = np.concatenate([x, nx]), np.concatenate([y, ny])
    return x, y


@lru_cache(maxsize=8)
def domain_points(log_size: int) -> tuple[U32, U32]:
    """x and y of the circle domain of the given log size in storage order (read-only arrays)."""
    hx, hy = coset_points(generator_index(log_size + 1), generator_index(log_size - 1), log_size - 1)
    order = bit_reversal(log_size - 1)
    x = np.repeat(hx[order], 2)
    y = np.repeat(hy[order], 2)
    y[1::2] = P - y[1::2]
    x.flags.writeable = y.flags.writeable = False
    return x, y


@lru_cache(maxsize=32)
def coset_positions(log_size: int) -> NDArray[np.int64]:
    """Storage position of every trace row: array[row] = bitrev(domain index of the row) (read-only)."""
    n = 1 << log_size
    rows = np.arange(n, dtype=np.int64)
    natural = np.where(rows % 2 == 0, rows // 2, n - (rows + 1) // 2)
    result = bit_reversal(log_size)[natural]
    result.flags.writeable = False
    return result


@lru_cache(maxsize=32)
def shifted_positions(domain_log: int, trace_log: int, offset: int) -> NDArray[np.int64]:
    """For every stored position of an evaluation domain, the position `offset` trace rows further.

    Works for domain_log >= trace_log; with equality the step goes through the coset rows.
    """
    if domain_log == trace_log:
        rows = coset_positions(trace_log)
        result = np.empty_like(rows)
        result[rows] = np.roll(rows, -offset)
    else:
        half = 1 << (domain_log - 1)
        natural = bit_reversal(domain_log)
        shift = offset << (domain_log - trace_log - 1)
        first = (natural + shift) % half
        second = half + (natural - half - shift) % half
        result = bit_reversal(domain_log)[np.where(natural < half, first, second)]
    result.flags.writeable = False
    return result


def double_x(x: QM31) -> QM31:
    """pi(x) = 2x^2 - 1."""
    square = qmul(x, x)
    return qsub(qadd(square, square), ONE)


def double_x_times(x: QM31, count: int) -> QM31:
    """pi applied `count` times."""
    for _ in range(count):
        x = double_x(x)
    return x


def secure_point(t: QM31) -> SecurePoint:
    """((1-t^2)/(1+t^2), 2t/(1+t^2)).  Raises ZeroDivisionError where 1 + t^2 = 0."""
    square = qmul(t, t)
    inverse = qinv(qadd(ONE, square))
    return qmul(qsub(ONE, square), inverse), qmul(qadd(t, t), inverse)


def secure_add(p: SecurePoint, q: Point) -> SecurePoint:
    """Sum of a point over QM31 and one over M31."""
    x, y = p
    return qsub(qscale(x, q[0]), qscale(y, q[1])), qadd(qscale(x, q[1]), qscale(y, q[0]))


def secure_double(p: SecurePoint, count: int) -> SecurePoint:
    """The point doubled `count` times."""
    x, y = p
    for _ in range(count):
        xy = qmul(x, y)
        x, y = double_x(x), qadd(xy, xy)
    return x, y
