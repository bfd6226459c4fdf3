"""Sums of multiples: scalars[0]*points[0] + scalars[1]*points[1] + ...

Few points: windowed non-adjacent forms that share their doublings (Straus). Many points: buckets (Pippenger). Points that
are known beforehand: a table of their 2^(w*i)-fold, so that all digits of all points go into one set of buckets and
nothing is doubled. `bench/payments.py` compares them with the library.
"""

from collections.abc import Iterable, Sequence

from fastecdsa.rust import Point
from gmpy2 import mpz

from .curve import ORDER
from .jacobian import Affine, Jacobian, P, add, add_affine, affine, double, normalise

_STRAUS_WINDOW = 5
_STRAUS_LIMIT = 40
_SCALAR_BITS = 252


def multiply_add(terms: Iterable[tuple[int, Point]]) -> Jacobian:
    """The sum of scalar * point; scalars are taken modulo n, points may be infinity."""
    pairs = []
    for scalar, point in terms:
        known = affine(point)
        if known is not None and scalar % ORDER:
            pairs.append((scalar % ORDER, known))
    return _straus(pairs) if len(pairs) < _STRAUS_LIMIT else _pippenger(pairs)


def _signed_digits(scalar: int, window: int) -> list[int]:
    """Digits d_i with |d_i| <= 2^(window - 1) and the sum of d_i * 2^(window * i) equal to the scalar."""
    base, half, digits = 1 << window, 1 << (window - 1), []
    while scalar:
        digit = scalar & (base - 1)
        if digit > half:
            digit -= base
        digits.append(digit)
        scalar = (scalar - digit) >> window
    return digits


def _non_adjacent(scalar: int, window: int) -> list[tuple[int, int]]:
    """(position, odd digit) with |digit| < 2^(window - 1) whose sum of digit * 2^position is the scalar."""
    base, half, found, position = 1 << window, 1 << (window - 1), [], 0
    while scalar:
        zeros = (scalar & -scalar).bit_length() - 1
        scalar >>= zeros
        position += zeros
        digit = scalar & (base - 1)
        if digit >= half:
            digit -= base
        found.append((position, digit))
        scalar -= digit
    return found


def _straus(pairs: Sequence[tuple[int, Affine]]) -> Jacobian:
    odd = 1 << (_STRAUS_WINDOW - 2)
    multiples: list[Jacobian] = []
    for _, (x, y) in pairs:
        current: Jacobian = (x, y, mpz(1))
        twice = double(current)
        multiples.append(current)
        for _ in range(odd - 1):
            current = add(current, twice)
            multiples.append(current)
    # 1, 3, .. 15 times a point of prime order: none of them is infinity.
    table = normalise(multiples) if multiples else []
    places: list[list[Affine]] = [[] for _ in range(_SCALAR_BITS + 2)]
    for index, (scalar, _) in enumerate(pairs):
        for position, digit in _non_adjacent(scalar, _STRAUS_WINDOW):
            x, y = table[index * odd + (abs(digit) >> 1)]
            places[position].append((x, y) if digit > 0 else (x, P - y))
    total: Jacobian = None
    for place in reversed(places):
        total = double(total)
        for point in place:
            total = add_affine(total, point)
    return total


def _window_for(count: int) -> int:
    """The window that makes count * bits/w additions and 2^w/2 * bits/w for the buckets least."""
    return min(range(4, 16), key=lambda w: (count + 1.3 * (1 << w)) * (-(-_SCALAR_BITS // w)))


def _pippenger(pairs: Sequence[tuple[int, Affine]]) -> Jacobian:
    window = _window_for(len(pairs))
    columns: list[list[tuple[int, Affine]]] = [[] for _ in range(_SCALAR_BITS // window + 2)]
    for scalar, point in pairs:
        for column, digit in zip(columns, _signed_digits(scalar, window), strict=False):
            if digit:
                column.append((digit, point))
    total: Jacobian = None
    for column in reversed(columns):
        for _ in range(window):
            total = double(total)
        total = add(total, _bucket_sum(column, window))
    return total


def _bucket_sum(digits: Iterable[tuple[int, Affine]], window: int) -> Jacobian:
    """The sum of digit * point for digits of at most 2^(window - 1): a bucket for each, then running sums."""
    buckets: list[Jacobian] = [None] * ((1 << (window - 1)) + 1)
    for digit, point in digits:
        if digit > 0:
            buckets[digit] = add_affine(buckets[digit], point)
        else:
            buckets[-digit] = add_affine(buckets[-digit], (point[0], P - point[1]))
    running: Jacobian = None
    total: Jacobian = None
    for bucket in reversed(buckets[1:]):
        running = add(running, bucket)
        total = add(total, running)
    return total


class FixedPoints:
    """Multiples of a fixed list of points: each is kept 2^(9i)-fold for 0 <= i < 29."""

    WINDOW = 9

    def __init__(self, points: Sequence[Point]) -> None:
        folds: list[Jacobian] = []
        for point in points:
            current: Jacobian = (mpz(point.x), mpz(point.y), mpz(1))
            for _ in range(self._columns):
                folds.append(current)
                for _ in range(self.WINDOW):
                    current = double(current)
        self._folds = normalise(folds)

    _columns = _SCALAR_BITS // WINDOW + 1

    def multiply_add(self, scalars: Sequence[int]) -> Jacobian:
        """The sum of scalars[i] * points[i]; missing scalars at the end are 0, all are taken modulo n."""
        digits = []
        for index, scalar in enumerate(scalars):
            first = index * self._columns
            for i, digit in enumerate(_signed_digits(scalar % ORDER, self.WINDOW)):
                if digit:
                    digits.append((digit, self._folds[first + i]))
        return _bucket_sum(digits, self.WINDOW)
