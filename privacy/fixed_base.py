"""Multiples of the two bases G and H from tables: a third of the time of a general multiplication."""

from functools import lru_cache

from fastecdsa.rust import Point

from .curve import ORDER, G, H

_WINDOW = 8
_WINDOWS = 32


class FixedBase:
    """Table of j * 2^(8i) * base for 0 < j < 256 and 0 <= i < 32: 8,160 points, made in about 0.1 s."""

    def __init__(self, base: Point) -> None:
        self._rows: list[list[Point]] = []
        self._identity = base - base
        for _ in range(_WINDOWS):
            row = [self._identity, base]
            for _ in range(2, 1 << _WINDOW):
                row.append(row[-1] + base)
            self._rows.append(row)
            base = row[-1] + base

    def times(self, scalar: int) -> Point:
        """scalar * base for a scalar in [0, n).

        Raises:
            ValueError: the scalar lies outside.
        """
        if not 0 <= scalar < ORDER:
            raise ValueError("a scalar lies in [0, n)")
        total = self._identity
        for row, digit in zip(self._rows, scalar.to_bytes(_WINDOWS, "little"), strict=True):
            if digit:
                total = total + row[digit]
        return total


@lru_cache(maxsize=2)
def _table(which: str) -> FixedBase:
    return FixedBase(G if which == "G" else H)


def times_g(scalar: int) -> Point:
    """scalar * G for a scalar in [0, n)."""
    return _table("G").times(scalar)


def times_h(scalar: int) -> Point:
    """scalar * H for a scalar in [0, n)."""
    return _table("H").times(scalar)
