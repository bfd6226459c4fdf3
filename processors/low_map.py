"""A sorted map of rows of numbers that finds the first key whose numbers are all low enough.

Next to each chunk stands the least of each number in it, so a search passes over a chunk that cannot hold what it looks
for. The market's indexes are such maps: who comes first is the key's order, who may is the numbers'.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, TypeVar

from .sorted_map import SortedMap

K = TypeVar("K")
Row = tuple[int, ...]


class LowMap(SortedMap[K, Row]):
    """Keys in ascending order, each with as many numbers as every other; immutable."""

    __slots__ = ("_lows",)
    __hash__ = None

    def __init__(self, items: Iterable[tuple[K, Row]] = ()) -> None:
        super().__init__(items)
        self._lows: tuple[Row, ...] = tuple(map(_lows, self._values))

    def within(self, prefix: tuple[Any, ...], limits: Row) -> Iterator[K]:
        """The keys (tuples) that begin with `prefix` and whose numbers are all at most `limits`, in ascending order."""
        width, most = len(prefix), limits[0]
        begin = bisect_left(self._lasts, prefix)
        for n in range(begin, len(self._keys)):
            keys: Any = self._keys[n]
            first = bisect_left(keys, prefix) if n == begin else 0
            if keys[first][:width] != prefix:
                return
            if not _fit(self._lows[n], limits):
                continue
            values = self._values[n]
            for j in range(first, len(keys)):
                # The first number decides most often, and a call costs more than it.
                if values[j][0] <= most and _fit(values[j], limits):
                    if keys[j][:width] != prefix:
                        return
                    yield keys[j]

    def set(self, key: K, value: Row) -> "LowMap[K]":
        """The map with `value` at `key`."""
        place = self._find(key)
        old = None if place is None else self._values[place[0]][place[1]]
        plain = super().set(key, value)
        i = min(bisect_left(self._lasts, key), max(len(self._lasts) - 1, 0))
        if len(plain._keys) > len(self._keys):
            return self._with(plain, i, tuple(map(_lows, plain._values[i : i + 1 + bool(self._lasts)])))
        low = tuple(map(min, self._lows[i], value))
        return self._with(plain, i, (low if old is None else _without(plain._values[i], low, old),))

    def remove(self, key: K) -> "LowMap[K]":
        """The map without `key`; the same map when it is not there."""
        place = self._find(key)
        if place is None:
            return self
        i, j = place
        old = self._values[i][j]
        keys, values = self._keys[i][:j] + self._keys[i][j + 1 :], self._values[i][:j] + self._values[i][j + 1 :]
        if not keys:
            return self._with(self._replaced(i, (), -1), i, ())
        return self._with(self._replaced(i, ((keys, values),), -1), i, (_without(values, self._lows[i], old),))

    def _with(self, plain: SortedMap[K, Row], i: int, lows: tuple[Row, ...]) -> "LowMap[K]":
        """`plain`, in which `lows` are those of what became of this map's chunk `i`."""
        result: LowMap[K] = LowMap.__new__(LowMap)
        result._keys, result._values, result._lasts, result._size = (
            plain._keys, plain._values, plain._lasts, plain._size,
        )  # fmt: skip
        result._lows = (*self._lows[:i], *lows, *self._lows[i + 1 :])
        return result


def _lows(values: tuple[Row, ...]) -> Row:
    return tuple(min(map(itemgetter(n), values)) for n in range(len(values[0])))


def _without(values: tuple[Row, ...], low: Row, gone: Row) -> Row:
    """The lows of `values`, from which a row was taken that may have been the lowest in some number."""
    for n, number in enumerate(gone):
        # Most often another row is as low, and near the front; then nothing has to be counted anew.
        if number == low[n] and not any(row[n] == number for row in values):
            return _lows(values)
    return low


def _fit(numbers: Row, limits: Row) -> bool:
    # No generator: this is the innermost line of a search.
    for number, limit in zip(numbers, limits, strict=True):  # noqa: SIM110
        if number > limit:
            return False
    return True
