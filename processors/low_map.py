"""A sorted map of rows of numbers that finds the first keys whose numbers are all low enough, and shelves of such maps.

Next to each chunk stands the least of each number in it, so a search passes over a chunk that cannot hold what it looks
for. The market's indexes are such maps: who comes first is the key's order, who may is the numbers'.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from operator import itemgetter, le
from typing import Any, ClassVar, Generic, TypeVar

from .sorted_map import SortedMap

S = TypeVar("S")
K = TypeVar("K")
Row = tuple[int, ...]


class LowMap(SortedMap[K, Row]):
    """Keys in ascending order, each with as many numbers as every other; immutable. A chunk's summary: its lows."""

    __slots__ = ()
    __hash__ = None
    # Smaller than a plain map's: a search looks at all rows of a chunk that it cannot pass over.
    CHUNK: ClassVar[int] = 64

    def within(self, limits: Row, before: Any = None) -> Iterator[K]:
        """The keys whose numbers are all at most `limits`, in ascending order; `before`: only those below it."""
        most = limits[0]
        for keys, rows, lows in self._chunks:
            if before is not None and not keys[0] < before:
                return
            if not all(map(le, lows, limits)):
                continue
            for key, row in zip(keys, rows, strict=True):
                # The first number decides most often, and a call costs more than it.
                if row[0] <= most and all(map(le, row, limits)):
                    if before is not None and not key < before:
                        return
                    yield key

    def move(self, old: K, key: K, row: Row) -> "LowMap[K]":
        """The map without `old`, which is in it, and with `row` at `key`, which is not: one copy where they are near."""
        lasts: Any = self._lasts
        i = bisect_left(lasts, old)
        near = bisect_left(lasts, key)
        if near != i and not (near == i + 1 == len(lasts)):
            return self.remove(old).set(key, row)
        chunk, column, lows = self._chunks[i]
        keys: Any = chunk.copy()
        rows = column.copy()
        j = bisect_left(keys, old)
        del keys[j]
        gone = rows.pop(j)
        j = bisect_left(keys, key)
        keys.insert(j, key)
        rows.insert(j, row)
        return self._changed(i, (keys, rows, self._summary(rows, lows, row, gone)), 0)

    def _summary(self, values: list[Row], before: Row | None, fresh: Row | None, gone: Row | None) -> Row:
        if before is None:
            return _lows(values)
        if gone == fresh:
            return before
        if gone is not None:
            for n, number in enumerate(gone):
                # Most often another row is as low, and near the front; then nothing has to be counted anew.
                if number == before[n] and not any(row[n] == number for row in values):
                    return _lows(values)
        if fresh is None or all(map(le, before, fresh)):
            return before
        return tuple(map(min, before, fresh))


def _lows(rows: list[Row]) -> Row:
    return tuple(min(map(itemgetter(n), rows)) for n in range(len(rows[0])))


class _Shelved(SortedMap[S, LowMap[Any]]):
    """Few or many short entries that change at every match: the shorter the chunk, the less is copied."""

    __slots__ = ()
    __hash__ = None
    CHUNK: ClassVar[int] = 32


class Shelves(Generic[S, K]):
    """`LowMap`s by shelf, in ascending order of shelves; none of them is empty. Immutable."""

    __slots__ = ("_maps",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, items: Iterable[tuple[S, K, Row]] = ()) -> None:
        table: dict[S, list[tuple[K, Row]]] = {}
        for shelf, key, row in items:
            table.setdefault(shelf, []).append((key, row))
        self._maps: SortedMap[S, LowMap[K]] = _Shelved((shelf, LowMap(found)) for shelf, found in table.items())

    def __eq__(self, other: object) -> bool:
        return self._maps == other._maps if isinstance(other, Shelves) else NotImplemented

    def __len__(self) -> int:
        return sum(map(len, self._maps.values()))

    def __repr__(self) -> str:
        return f"Shelves({[(s, *item) for s, found in self._maps.items() for item in found.items()]!r})"

    def onward(self, shelf: Any) -> Iterator[tuple[S, LowMap[K]]]:
        """(shelf, what stands on it) from `shelf` on; a tuple's prefix is below it."""
        return self._maps.onward(shelf)

    def set(self, shelf: S, key: K, row: Row) -> "Shelves[S, K]":
        """The shelves with `row` at `key` on a shelf."""
        found = self._maps.get(shelf)
        return self._with(shelf, LowMap([(key, row)]) if found is None else found.set(key, row))

    def remove(self, shelf: S, key: K) -> "Shelves[S, K]":
        """The shelves without the key on a shelf; the same when it is not there."""
        found = self._maps.get(shelf)
        return self if found is None else self._with(shelf, found.remove(key))

    def move(self, shelf: S, old: K, key: K, row: Row) -> "Shelves[S, K]":
        """The shelves with `row` at `key` instead of `old`, which stands on that shelf while `key` does not."""
        return self._with(shelf, self._maps[shelf].move(old, key, row))

    def _with(self, shelf: S, found: LowMap[K]) -> "Shelves[S, K]":
        result: Shelves[S, K] = object.__new__(Shelves)
        result._maps = self._maps.set(shelf, found) if len(found) else self._maps.remove(shelf)
        return result
