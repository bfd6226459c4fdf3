"""A persistent sorted map: changing it gives a new map and leaves the old one as it was.

Deciders' states are values: a batch that is aborted must leave no trace. Keys and values stand in chunks of at most
`CHUNK`; a change copies one chunk and the row of chunks, both by C code, so an update of a million entries copies some
thousands of pointers. Only the content counts for equality, never how the chunks came about.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Generic, Self, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class SortedMap(Generic[K, V]):
    """Keys in ascending order with a value each; immutable. Keys must be comparable with each other."""

    __slots__ = ("_chunks", "_lasts", "_size")
    __hash__ = None  # type: ignore[assignment]
    #: The most keys of a chunk.
    CHUNK: ClassVar[int] = 256

    # Lists, because a copy of a list that is then changed costs one pass where a tuple takes three. Nobody changes one
    # that stands in a map.
    #: (keys, values, what `_summary` says of the values) by chunk
    _chunks: list[tuple[list[K], list[V], Any]]
    #: the last key of every chunk
    _lasts: list[K]
    _size: int

    def __init__(self, items: Iterable[tuple[K, V]] = ()) -> None:
        table = dict(items)
        keys: Any = sorted(table)
        half = max(1, self.CHUNK // 2)
        self._chunks = [
            self._chunk(chunk, [table[k] for k in chunk])
            for chunk in (keys[i : i + half] for i in range(0, len(keys), half))
        ]
        self._lasts = [chunk[0][-1] for chunk in self._chunks]
        self._size = len(keys)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        for keys, _, _ in self._chunks:
            yield from keys

    def __contains__(self, key: K) -> bool:
        return self._find(key) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SortedMap):
            return NotImplemented
        return self._size == other._size and all(a == b for a, b in zip(self.items(), other.items(), strict=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.items())!r})"

    def __getitem__(self, key: K) -> V:
        place = self._find(key)
        if place is None:
            raise KeyError(key)
        return self._chunks[place[0]][1][place[1]]

    def get(self, key: K) -> V | None:
        """The value at `key`, or None."""
        place = self._find(key)
        return None if place is None else self._chunks[place[0]][1][place[1]]

    def items(self) -> Iterator[tuple[K, V]]:
        """(key, value) in ascending order of keys."""
        for keys, values, _ in self._chunks:
            yield from zip(keys, values, strict=True)

    def values(self) -> Iterator[V]:
        """The values in ascending order of keys."""
        for _, values, _ in self._chunks:
            yield from values

    def onward(self, key: Any) -> Iterator[tuple[K, V]]:
        """(key, value) in ascending order from the smallest key that is not below `key`; a tuple's prefix is below it."""
        begin = bisect_left(self._lasts, key)
        for n in range(begin, len(self._chunks)):
            keys, values, _ = self._chunks[n]
            first = bisect_left(keys, key) if n == begin else 0
            yield from zip(keys[first:], values[first:], strict=True)

    def set(self, key: K, value: V) -> Self:
        """The map with `value` at `key`."""
        lasts: Any = self._lasts
        if not lasts:
            return self._made([self._chunk([key], [value])], [key], 1)
        i = bisect_left(lasts, key)
        if i == len(lasts):
            i -= 1
        chunk, column, summary = self._chunks[i]
        keys: Any = chunk
        j = bisect_left(keys, key)
        values = column.copy()
        if j < len(keys) and keys[j] == key:
            old, values[j] = values[j], value
            return self._changed(i, (keys, values, self._summary(values, summary, value, old)), 0)
        keys = keys.copy()
        keys.insert(j, key)
        values.insert(j, value)
        if len(keys) <= self.CHUNK:
            return self._changed(i, (keys, values, self._summary(values, summary, value, None)), 1)
        half = len(keys) // 2
        halves = (self._chunk(keys[:half], values[:half]), self._chunk(keys[half:], values[half:]))
        chunks, lasts = self._chunks.copy(), lasts.copy()
        chunks[i : i + 1] = halves
        lasts[i : i + 1] = [chunk[0][-1] for chunk in halves]
        return self._made(chunks, lasts, self._size + 1)

    def remove(self, key: K) -> Self:
        """The map without `key`; the same map when it is not there."""
        place = self._find(key)
        if place is None:
            return self
        i, j = place
        keys, values, summary = self._chunks[i]
        if len(keys) == 1:
            chunks, lasts = self._chunks.copy(), self._lasts.copy()
            del chunks[i], lasts[i]
            return self._made(chunks, lasts, self._size - 1)
        keys, values = keys.copy(), values.copy()
        del keys[j]
        old = values.pop(j)
        return self._changed(i, (keys, values, self._summary(values, summary, None, old)), -1)

    def _find(self, key: Any) -> tuple[int, int] | None:
        i = bisect_left(self._lasts, key)
        if i == len(self._lasts):
            return None
        keys: Any = self._chunks[i][0]
        j = bisect_left(keys, key)
        return (i, j) if keys[j] == key else None

    def _chunk(self, keys: list[K], values: list[V]) -> tuple[list[K], list[V], Any]:
        return keys, values, self._summary(values, None, None, None)

    def _summary(self, values: list[V], before: Any, fresh: V | None, gone: V | None) -> Any:
        """What a subclass wants to know of a chunk's values, all of them or after `fresh` came and `gone` went."""
        return None

    def _changed(self, i: int, chunk: tuple[list[K], list[V], Any], grown: int) -> Self:
        """The map with another chunk `i`, which is not empty."""
        chunks, lasts = self._chunks.copy(), self._lasts
        chunks[i] = chunk
        last = chunk[0][-1]
        # Most changes leave a chunk's last key as it was, and with it the whole row of last keys.
        if lasts[i] is not last and lasts[i] != last:
            lasts = lasts.copy()
            lasts[i] = last
        return self._made(chunks, lasts, self._size + grown)

    def _made(self, chunks: list[tuple[list[K], list[V], Any]], lasts: list[K], size: int) -> Self:
        result = object.__new__(type(self))
        result._chunks, result._lasts, result._size = chunks, lasts, size
        return result
