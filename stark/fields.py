"""The fields M31, CM31 and QM31 as Python integers, for the verifier's few operations.

An element of QM31 = M31[i][u] with i^2 = -1 and u^2 = 2 + i is the tuple (a, b, c, d) standing for
(a + bi) + (c + di)u, every coordinate canonical in 0..p-1 (spec section 1).  The prover's arrays live
in `vectors`.
"""

from __future__ import annotations

from collections.abc import Sequence

P = 2**31 - 1
QM31 = tuple[int, int, int, int]
CM31 = tuple[int, int]

ZERO: QM31 = (0, 0, 0, 0)
ONE: QM31 = (1, 0, 0, 0)


def m31_inverse(x: int) -> int:
    """Inverse in M31.  Raises ZeroDivisionError for 0."""
    if x % P == 0:
        raise ZeroDivisionError("0 has no inverse in M31")
    return pow(x, -1, P)


def cm31_inverse(x: CM31) -> CM31:
    """Inverse in CM31 by the norm a^2 + b^2.  Raises ZeroDivisionError for 0."""
    a, b = x
    n = m31_inverse(a * a + b * b)
    return a * n % P, -b * n % P


def qm31(x: int) -> QM31:
    """Embed a base field element."""
    return (x % P, 0, 0, 0)


def qadd(x: QM31, y: QM31) -> QM31:
    """x + y."""
    return ((x[0] + y[0]) % P, (x[1] + y[1]) % P, (x[2] + y[2]) % P, (x[3] + y[3]) % P)


def qsub(x: QM31, y: QM31) -> QM31:
    """x - y."""
    return ((x[0] - y[0]) % P, (x[1] - y[1]) % P, (x[2] - y[2]) % P, (x[3] - y[3]) % P)


def qneg(x: QM31) -> QM31:
    """-x."""
    return (-x[0] % P, -x[1] % P, -x[2] % P, -x[3] % P)


def qmul(x: QM31, y: QM31) -> QM31:
    """(A + Bu)(C + Du) = (AC + (2+i)BD) + (AD + BC)u."""
    a0, a1, b0, b1 = x
    c0, c1, d0, d1 = y
    bd0 = b0 * d0 - b1 * d1
    bd1 = b0 * d1 + b1 * d0
    return (
        (a0 * c0 - a1 * c1 + 2 * bd0 - bd1) % P,
        (a0 * c1 + a1 * c0 + bd0 + 2 * bd1) % P,
        (a0 * d0 - a1 * d1 + b0 * c0 - b1 * c1) % P,
        (a0 * d1 + a1 * d0 + b0 * c1 + b1 * c0) % P,
    )


def qscale(x: QM31, m: int) -> QM31:
    """x times a base field element."""
    return (x[0] * m % P, x[1] * m % P, x[2] * m % P, x[3] * m % P)


def qmul_cm31(x: QM31, y: CM31) -> QM31:
    """x times an element of CM31."""
    a0, a1, b0, b1 = x
    c, d = y
    return ((a0 * c - a1 * d) % P, (a0 * d + a1 * c) % P, (b0 * c - b1 * d) % P, (b0 * d + b1 * c) % P)


def qconj(x: QM31) -> QM31:
    """Conjugate over CM31: A - Bu."""
    return (x[0], x[1], -x[2] % P, -x[3] % P)


def qinv(x: QM31) -> QM31:
    """Inverse (A - Bu)/(A^2 - (2+i)B^2).  Raises ZeroDivisionError for 0."""
    a0, a1, b0, b1 = x
    s0 = b0 * b0 - b1 * b1
    s1 = 2 * b0 * b1
    n = cm31_inverse(((a0 * a0 - a1 * a1 - 2 * s0 + s1) % P, (2 * a0 * a1 - s0 - 2 * s1) % P))
    return qmul_cm31((a0, a1, -b0 % P, -b1 % P), n)


def qpowers(x: QM31, count: int) -> list[QM31]:
    """[1, x, x^2, ...] of the given length."""
    powers: list[QM31] = []
    current = ONE
    for _ in range(count):
        powers.append(current)
        current = qmul(current, x)
    return powers


def from_partial_evals(parts: Sequence[QM31]) -> QM31:
    """e0 + e1*i + e2*u + e3*iu, where each part may itself be in QM31 (spec section 1)."""
    e0, e1, e2, e3 = parts
    total = qadd(e0, qmul(e1, (0, 1, 0, 0)))
    total = qadd(total, qmul(e2, (0, 0, 1, 0)))
    return qadd(total, qmul(e3, (0, 0, 0, 1)))


def is_canonical(x: QM31) -> bool:
    """True when every coordinate is in 0..p-1."""
    return all(0 <= c < P for c in x)
