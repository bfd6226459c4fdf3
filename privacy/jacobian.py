"""Points as plain numbers: Jacobian coordinates on GMP integers, for sums of many multiples (`multiexp`).

(X, Y, Z) stands for x = X/Z^2, y = Y/Z^3; None is infinity. The library's point costs an inversion with every addition;
here there is one at the end of a sum. Every special case (infinity, a point and itself, a point and its negative) is
handled: the points come from strangers. Nothing is constant in time.
"""

from collections.abc import Sequence

from fastecdsa.rust import Point
from gmpy2 import invert, mpz

from .curve import CURVE, FIELD_PRIME, G

P = mpz(FIELD_PRIME)
Affine = tuple[mpz, mpz]
Jacobian = tuple[mpz, mpz, mpz] | None
ONE = mpz(1)
IDENTITY: Point = G - G
"""Infinity as the library's point."""


def affine(point: Point) -> Affine | None:
    """A point of the library; None for infinity."""
    return None if point.z == 0 else (mpz(point.x), mpz(point.y))


def to_point(point: Jacobian) -> Point:
    """A point for the library."""
    if point is None:
        return IDENTITY
    X, Y, Z = point
    z = invert(Z, P)
    zz = z * z % P
    return Point(int(X * zz % P), int(Y * zz * z % P), CURVE)


def double(point: Jacobian) -> Jacobian:
    """2 * point. No point has order two: the order of the group is odd."""
    if point is None:
        return None
    X, Y, Z = point
    yy = Y * Y % P
    s = 4 * X * yy % P
    zz = Z * Z % P
    m = (3 * X * X + zz * zz) % P
    x = (m * m - 2 * s) % P
    return x, (m * (s - x) - 8 * yy * yy) % P, 2 * Y * Z % P


def add(left: Jacobian, right: Jacobian) -> Jacobian:
    """left + right."""
    if left is None:
        return right
    if right is None:
        return left
    X1, Y1, Z1 = left
    X2, Y2, Z2 = right
    z1, z2 = Z1 * Z1 % P, Z2 * Z2 % P
    u1, s1 = X1 * z2 % P, Y1 * z2 * Z2 % P
    h, r = (X2 * z1 - u1) % P, (Y2 * z1 * Z1 - s1) % P
    if not h:
        return double(left) if not r else None
    hh = h * h % P
    hhh = hh * h % P
    v = u1 * hh % P
    x = (r * r - hhh - 2 * v) % P
    return x, (r * (v - x) - s1 * hhh) % P, Z1 * Z2 * h % P


def add_affine(left: Jacobian, right: Affine) -> Jacobian:
    """left + right, where right has Z = 1."""
    x2, y2 = right
    if left is None:
        return x2, y2, ONE
    X1, Y1, Z1 = left
    zz = Z1 * Z1 % P
    h, r = (x2 * zz - X1) % P, (y2 * zz * Z1 - Y1) % P
    if not h:
        return double(left) if not r else None
    hh = h * h % P
    hhh = hh * h % P
    v = X1 * hh % P
    x = (r * r - hhh - 2 * v) % P
    return x, (r * (v - x) - Y1 * hhh) % P, Z1 * h % P


def normalise(points: Sequence[Jacobian]) -> list[Affine]:
    """All points, none of them infinity, with one shared inversion."""
    prefix, running = [], ONE
    for point in points:
        if point is None:
            raise ValueError("infinity has no affine coordinates")
        prefix.append(running)
        running = running * point[2] % P
    running = invert(running, P)
    out: list[Affine] = []
    for point, before in zip(reversed(points), reversed(prefix), strict=True):
        if point is None:
            raise ValueError("infinity has no affine coordinates")
        X, Y, Z = point
        z = running * before % P
        running = running * Z % P
        zz = z * z % P
        out.append((X * zz % P, Y * zz * z % P))
    return out[::-1]
