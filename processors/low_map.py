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
        width = len(prefix)
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
                if _fit(values[j], limits):
                    if keys[j][:width] != prefix:
                        return
                    yield keys[j]

    def set(self, key: K, value: Row) -> "LowMap[K]":
        """The map with `value` at `key`."""
        i = min(bisect_left(self._lasts, key), max(len(self._lasts) - 1, 0))
        return self._changed(super().set(key, value), i)

    def remove(self, key: K) -> "LowMap[K]":
        """The map without `key`; the same map when it is not there."""
        fresh = super().remove(key)
        return self if fresh is self else self._changed(fresh, bisect_left(self._lasts, key))

    def _changed(self, plain: SortedMap[K, Row], i: int) -> "LowMap[K]":
        """`plain`, in which chunk `i` of this map was changed, divided or dropped, with its lows."""
        grown = len(plain._keys) - len(self._keys)
        result: LowMap[K] = LowMap.__new__(LowMap)
        result._keys, result._values, result._lasts, result._size = (
            plain._keys, plain._values, plain._lasts, plain._size,
        )  # fmt: skip
        fresh = tuple(map(_lows, plain._values[i : i + 1 + grown]))
        result._lows = self._lows[:i] + fresh + self._lows[i + 1 :]
        return result


def _lows(values: tuple[Row, ...]) -> Row:
    return tuple(min(map(itemgetter(n), values)) for n in range(len(values[0])))


def _fit(numbers: Row, limits: Row) -> bool:
    return all(map(int.__le__, numbers, limits))
