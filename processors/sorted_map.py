"""A persistent sorted map: changing it gives a new map and leaves the old one as it was.

Deciders' states are values: a batch that is aborted must leave no trace. Keys and values stand in chunks of at most
256; a change copies one chunk and the row of chunks, both by C code, so an update of a million entries copies some
thousands of pointers. Only the content counts for equality, never how the chunks came about.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_CHUNK = 256


class SortedMap(Generic[K, V]):
    """Keys in ascending order with a value each; immutable. Keys must be comparable with each other."""

    __slots__ = ("_keys", "_lasts", "_size", "_values")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, items: Iterable[tuple[K, V]] = ()) -> None:
        table = dict(items)
        keys: Any = sorted(table)
        chunks = [tuple(keys[i : i + _CHUNK // 2]) for i in range(0, len(keys), _CHUNK // 2)]
        self._keys: tuple[tuple[K, ...], ...] = tuple(chunks)
        self._values: tuple[tuple[V, ...], ...] = tuple(tuple(table[k] for k in chunk) for chunk in chunks)
        self._lasts: Any = tuple(chunk[-1] for chunk in chunks)
        self._size = len(keys)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._keys)

    def __contains__(self, key: K) -> bool:
        return self._find(key) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SortedMap):
            return NotImplemented
        return self._size == other._size and all(a == b for a, b in zip(self.items(), other.items(), strict=True))

    def __repr__(self) -> str:
        return f"SortedMap({list(self.items())!r})"

    def __getitem__(self, key: K) -> V:
        place = self._find(key)
        if place is None:
            raise KeyError(key)
        return self._values[place[0]][place[1]]

    def get(self, key: K) -> V | None:
        """The value at `key`, or None."""
        place = self._find(key)
        return None if place is None else self._values[place[0]][place[1]]

    def items(self) -> Iterator[tuple[K, V]]:
        """(key, value) in ascending order of keys."""
        return zip(chain.from_iterable(self._keys), chain.from_iterable(self._values), strict=True)

    def values(self) -> Iterator[V]:
        """The values in ascending order of keys."""
        return chain.from_iterable(self._values)

    def ceiling(self, key: Any) -> K | None:
        """The smallest key that is not below `key`, or None. A tuple's prefix is below the tuple."""
        i = bisect_left(self._lasts, key)
        if i == len(self._lasts):
            return None
        keys: Any = self._keys[i]
        found: K = keys[bisect_left(keys, key)]
        return found

    def set(self, key: K, value: V) -> "SortedMap[K, V]":
        """The map with `value` at `key`."""
        if not self._lasts:
            return _made(((key,),), ((value,),), (key,), 1)
        i = min(bisect_left(self._lasts, key), len(self._lasts) - 1)
        keys: Any = self._keys[i]
        values = self._values[i]
        j = bisect_left(keys, key)
        if j < len(keys) and keys[j] == key:
            fresh = (*values[:j], value, *values[j + 1 :])
            rows = (*self._values[:i], fresh, *self._values[i + 1 :])
            return _made(self._keys, rows, self._lasts, self._size)
        keys = (*keys[:j], key, *keys[j:])
        values = (*values[:j], value, *values[j:])
        half = len(keys) // 2
        if len(keys) <= _CHUNK:
            return self._replaced(i, ((keys, values),), 1)
        return self._replaced(i, ((keys[:half], values[:half]), (keys[half:], values[half:])), 1)

    def remove(self, key: K) -> "SortedMap[K, V]":
        """The map without `key`; the same map when it is not there."""
        place = self._find(key)
        if place is None:
            return self
        i, j = place
        keys = self._keys[i][:j] + self._keys[i][j + 1 :]
        values = self._values[i][:j] + self._values[i][j + 1 :]
        return self._replaced(i, ((keys, values),) if keys else (), -1)

    def _find(self, key: Any) -> tuple[int, int] | None:
        i = bisect_left(self._lasts, key)
        if i == len(self._lasts):
            return None
        keys: Any = self._keys[i]
        j = bisect_left(keys, key)
        return (i, j) if keys[j] == key else None

    def _replaced(
        self, i: int, chunks: tuple[tuple[tuple[K, ...], tuple[V, ...]], ...], grown: int
    ) -> "SortedMap[K, V]":
        keys, values, lasts = self._keys, self._values, self._lasts
        after = i + 1
        if len(chunks) == 1:
            row, column = chunks[0]
            # Most changes leave a chunk's last key as it was, and with it the whole row of last keys.
            same = lasts[i] == row[-1]
            return _made(
                (*keys[:i], row, *keys[after:]),
                (*values[:i], column, *values[after:]),
                lasts if same else (*lasts[:i], row[-1], *lasts[after:]),
                self._size + grown,
            )
        rows, columns = tuple(chunk[0] for chunk in chunks), tuple(chunk[1] for chunk in chunks)
        return _made(
            keys[:i] + rows + keys[after:],
            values[:i] + columns + values[after:],
            lasts[:i] + tuple(row[-1] for row in rows) + lasts[after:],
            self._size + grown,
        )


def _made(keys: tuple[tuple[K, ...], ...], values: tuple[tuple[V, ...], ...], lasts: Any, size: int) -> SortedMap[K, V]:
    result: SortedMap[K, V] = SortedMap.__new__(SortedMap)
    result._keys, result._values, result._lasts, result._size = keys, values, lasts, size
    return result
