"""Exact products of matrices over M31 by floating point.

A 31-bit value is split into limbs of 16 and 15 bits; products of limbs summed over at most 2^21 terms stay
below 2^53, so that BLAS computes them exactly whatever its order of summation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from . import vectors
from .circle import SecurePoint, double_x
from .fields import QM31, P
from .vectors import U32

_LIMB = np.uint32(16)
_LOW = np.uint32(0xFFFF)
_MAX_TERMS = 1 << 20
_CHUNK = 1 << 15
F64 = NDArray[np.float64]


def _limbs(x: U32) -> tuple[F64, F64]:
    return (x & _LOW).astype(np.float64), (x >> _LIMB).astype(np.float64)


def _recombine(low: F64, middle: F64, high: F64) -> U32:
    """low + 2^16 * middle + 2^32 * high mod p, each an exact integer below 2^53."""
    total = vectors.reduce(low.astype(np.uint64))
    shifted = vectors.mul(vectors.reduce(middle.astype(np.uint64)), np.uint32(1 << 16))
    top = vectors.mul(vectors.reduce(high.astype(np.uint64)), np.uint32((1 << 32) % P))
    return vectors.add(vectors.add(total, shifted), top)


def matmul(a: U32, b: U32) -> U32:
    """a (I, K) times b (K, J) mod p, exact for any K."""
    result = np.zeros((a.shape[0], b.shape[1]), dtype=np.uint32)
    for start in range(0, a.shape[1], _MAX_TERMS):
        a0, a1 = _limbs(a[:, start : start + _MAX_TERMS])
        b0, b1 = _limbs(b[start : start + _MAX_TERMS])
        part = _recombine(a0 @ b0, a0 @ b1 + a1 @ b0, a1 @ b1)
        result = vectors.add(result, part)
    return result


def linear_combination(weights: Sequence[QM31], columns: Sequence[U32]) -> U32:
    """sum of weights[k] * columns[k] as a QM31 vector (4, N); all columns have one length."""
    size = len(columns[0])
    matrix = np.array(weights, dtype=np.uint32).T.copy()
    result = np.empty((4, size), dtype=np.uint32)
    for start in range(0, size, _CHUNK):
        part = slice(start, start + _CHUNK)
        result[:, part] = matmul(matrix, np.stack([column[part] for column in columns]))
    return result


def basis_at(point: SecurePoint, log_size: int) -> U32:
    """All 2^log_size basis monomials at a secure point, as (4, 2^log_size): bit 0 -> y, bit 1 -> x, ..."""
    x, y = point
    basis = vectors.qconst((1, 0, 0, 0), 1)
    for k in range(log_size):
        factor = y if k == 0 else x
        basis = np.concatenate([basis, vectors.qmul(basis, vectors.qscalar(factor))], axis=1)
        if k:
            x = double_x(x)
    return basis


def evaluate_at(columns: Sequence[U32], point: SecurePoint) -> list[QM31]:
    """Values at a point of polynomials of one length, given by their coefficients."""
    size = len(columns[0])
    basis = basis_at(point, size.bit_length() - 1)
    total = np.zeros((len(columns), 4), dtype=np.uint32)
    for start in range(0, size, _CHUNK):
        part = slice(start, start + _CHUNK)
        stacked = np.stack([column[part] for column in columns])
        total = vectors.add(total, matmul(stacked, np.ascontiguousarray(basis[:, part].T)))
    return [(a, b, c, d) for a, b, c, d in total.tolist()]
