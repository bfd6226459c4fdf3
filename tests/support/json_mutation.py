"""Every single-value change of a proof's JSON, and structural changes."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all numbers and nulls."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(value, list):
        for k, entry in enumerate(value):
            yield from leaves(entry, (*path, k))
    else:
        yield path


def arrays(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all arrays."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from arrays(entry, (*path, key))
    elif isinstance(value, list):
        yield path
        for k, entry in enumerate(value):
            yield from arrays(entry, (*path, k))


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def replaced(value: Any, path: Path, entry: Any) -> Any:
    """A copy in which only the containers along the path are new."""
    if not path:
        return entry
    result = copy.copy(value)
    result[path[0]] = replaced(value[path[0]], path[1:], entry) if path[1:] else entry
    return result


def changed_value(value: Any, path: Path, chance: random.Random) -> Any:
    """A copy with the number at the path changed, still of the type that the format asks for."""
    old = at(value, path)
    if old is None:
        return replaced(value, path, chance.randrange(1, 20))
    is_byte = "commitments" in path or "commitment" in path or "hash_witness" in path
    high = 256 if is_byte else 2**31 - 1
    new = old
    while new == old:
        new = (old + chance.choice([1, -1, 1 << chance.randrange(8), chance.randrange(high)])) % high
    return replaced(value, path, new)


def structural(value: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Changes of an array: drop, repeat, swap, empty."""
    old = at(value, path)
    if old:
        yield "drop last", replaced(value, path, old[:-1])
        yield "repeat last", replaced(value, path, [*old, old[-1]])
        yield "drop first", replaced(value, path, old[1:])
        yield "empty", replaced(value, path, [])
    else:
        yield "fill", replaced(value, path, [0])
        yield "nest", replaced(value, path, [[]])
    for k in range(len(old) - 1):
        if old[k] != old[k + 1]:
            yield f"swap {k}", replaced(value, path, [*old[:k], old[k + 1], old[k], *old[k + 2 :]])
            break
