"""M31 and QM31 arithmetic on NumPy arrays, for the prover.

A vector over M31 is a uint32 array with canonical values; a vector over QM31 is a uint32 array of shape
(4, ...), one row per coordinate.  Reductions use that min(x, x - p) in wrapping uint32 arithmetic is
x mod p for every x < 2p.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fields import QM31, P, m31_inverse

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

_P32 = np.uint32(P)
_P64 = np.uint64(P)
_S31 = np.uint64(31)
_INVERSE_LEAF = 64  # below this size a batch inverse takes the modular powers one by one


def _minimum(x: U32, y: U32) -> U32:
    result: U32 = np.minimum(x, y)
    return result


def add(x: U32, y: U32 | np.uint32) -> U32:
    """x + y mod p."""
    s = x + y
    return _minimum(s, s - _P32)


def sub(x: U32, y: U32) -> U32:
    """x - y mod p."""
    d = x - y
    return _minimum(d, d + _P32)


def neg(x: U32) -> U32:
    """-x mod p."""
    return sub(np.zeros_like(x), x)


def reduce(x: U64) -> U32:
    """x mod p for any uint64 x; overwrites x."""
    t = x >> _S31
    x &= _P64
    x += t
    np.right_shift(x, _S31, out=t)
    x &= _P64
    x += t
    r = x.astype(np.uint32)
    return _minimum(r, r - _P32)


def _reduce_product(x: U64) -> U32:
    """x mod p for x <= (p-1)*p, i.e. one product; overwrites x."""
    t = x >> _S31
    x &= _P64
    x += t
    r = x.astype(np.uint32)
    return _minimum(r, r - _P32)


def mul(x: U32, y: U32 | np.uint32) -> U32:
    """x * y mod p (shapes broadcast)."""
    return _reduce_product(np.multiply(x, y, dtype=np.uint64))


def inverse(x: U32) -> U32:
    """Inverse of every entry of a one-dimensional array by a product tree (3 products an entry).

    Raises ZeroDivisionError when an entry is 0.
    """
    n = len(x)
    if n <= _INVERSE_LEAF:
        return np.array([m31_inverse(int(v)) for v in x], dtype=np.uint32)
    half = n // 2
    left, right = x[:half], x[half : 2 * half]
    product = inverse(mul(left, right))
    result = np.empty_like(x)
    result[:half] = mul(product, right)
    result[half : 2 * half] = mul(product, left)
    if n % 2:
        result[-1] = m31_inverse(int(x[-1]))
    return result


def qconst(value: QM31, size: int) -> U32:
    """A constant QM31 vector of shape (4, size)."""
    return np.repeat(np.array(value, dtype=np.uint32)[:, None], size, axis=1)


def qlift(x: U32) -> U32:
    """Embed a base vector (N,) as a QM31 vector (4, N)."""
    result = np.zeros((4, *x.shape), dtype=np.uint32)
    result[0] = x
    return result


def qscalar(value: QM31) -> U32:
    """A QM31 constant of shape (4, 1), to be broadcast."""
    return np.array(value, dtype=np.uint32)[:, None]


def _fold(x: U64) -> U64:
    """A representative below 2^34 of x mod p."""
    t = x >> _S31
    x &= _P64
    x += t
    return x


def qmul(x: U32, y: U32) -> U32:
    """Product of QM31 vectors of shape (4, N); a shape (4, 1) broadcasts."""
    a0, a1, b0, b1 = x.astype(np.uint64)
    c0, c1, d0, d1 = y.astype(np.uint64)
    na1, nb1 = _P64 - a1, _P64 - b1
    bd0 = _fold(b0 * d0 + nb1 * d1)
    bd1 = _fold(b0 * d1 + b1 * d0)
    r0 = _fold(a0 * c0 + na1 * c1) + bd0 + bd0 + (np.uint64(P << 4) - bd1)
    r1 = _fold(a0 * c1 + a1 * c0) + bd0 + bd1 + bd1
    r2 = a0 * d0 + na1 * d1 + b0 * c0 + nb1 * c1
    r3 = a0 * d1 + a1 * d0 + b0 * c1 + b1 * c0
    result = np.empty((4, *r0.shape), dtype=np.uint32)
    for k, r in enumerate((r0, r1, r2, r3)):
        result[k] = reduce(r)
    return result


def qmul_cm31(x: U32, re: U32, im: U32) -> U32:
    """QM31 vector (4, N) times a CM31 vector given by its two coordinates (N,)."""
    a0, a1, b0, b1 = x.astype(np.uint64)
    c, d = re.astype(np.uint64), im.astype(np.uint64)
    nd = _P64 - d
    result = np.empty_like(x)
    for k, r in enumerate((a0 * c + a1 * nd, a0 * d + a1 * c, b0 * c + b1 * nd, b0 * d + b1 * c)):
        result[k] = reduce(r)
    return result


def qinverse(x: U32) -> U32:
    """Inverse of every entry of a QM31 vector (4, N).  Raises ZeroDivisionError when one is 0."""
    a0, a1, b0, b1 = x
    s0 = sub(mul(b0, b0), mul(b1, b1))
    s1 = mul(b0, b1)
    s1 = add(s1, s1)
    n0 = add(sub(sub(mul(a0, a0), mul(a1, a1)), add(s0, s0)), s1)
    a01 = mul(a0, a1)
    n1 = sub(sub(add(a01, a01), s0), add(s1, s1))
    norm = inverse(add(mul(n0, n0), mul(n1, n1)))
    conjugate = np.stack([a0, a1, neg(b0), neg(b1)])
    return qmul_cm31(conjugate, mul(n0, norm), mul(neg(n1), norm))


def prefix_sum(x: U32) -> U32:
    """Inclusive prefix sums mod p along the last axis.

    Exact in uint64 for fewer than 2^33 entries.
    """
    return reduce(np.cumsum(x, axis=-1, dtype=np.uint64))
