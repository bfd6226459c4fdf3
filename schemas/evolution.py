"""How a schema may change: FULL_TRANSITIVE, as this project means it.

Every version of a type has to read every other, whichever is older, because history is read for ever and a node may be
older than the record it meets. So a field is only ever added, with a default; what cannot be said so is a new type.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import combinations, groupby
from typing import Any

from .registry import Schema


def problems(schemas: Iterable[Schema]) -> list[str]:
    """One sentence for every two versions of a type that do not read each other; none is as it should be."""
    ordered = sorted(schemas, key=lambda s: (s.kind, s.name, s.fingerprint))
    found = []
    for (kind, name), versions in groupby(ordered, key=lambda s: (s.kind, s.name)):
        for one, other in combinations(versions, 2):
            marks = f"{kind}.{name} {one.fingerprint.hex()} and {other.fingerprint.hex()}"
            found += [f"{marks}: {why}" for why in _differences(json.loads(one.text), json.loads(other.text), "")]
    return found


def _differences(one: Any, other: Any, where: str) -> Iterator[str]:
    if not (_is_record(one) and _is_record(other)):
        if _bare(one) != _bare(other):
            yield f"{where or 'the record'} has another type"
        return
    mine, theirs = ({f["name"]: f for f in record["fields"]} for record in (one, other))
    for name in sorted(mine.keys() | theirs.keys()):
        place = f"{where}.{name}".lstrip(".")
        if name in mine and name in theirs:
            yield from _differences(mine[name]["type"], theirs[name]["type"], place)
        elif "default" not in (mine.get(name) or theirs[name]):
            yield f"{place} is in one only and has no default"


def _is_record(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "record"


def _bare(schema: Any) -> Any:
    """A type without the words that are for people."""
    if isinstance(schema, dict):
        return {key: _bare(value) for key, value in schema.items() if key != "doc"}
    return [_bare(item) for item in schema] if isinstance(schema, list) else schema


__all__ = ["problems"]
