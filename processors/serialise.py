"""States as bytes and back, exactly: JSON by the states' own type annotations.

Bytes are hex, integers of any size stay integers, a SortedMap is a list of [key, value], and fields marked as indexes
are left out and made anew by the state's `with_indexes`.
"""

import dataclasses
import json
import types
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from .sorted_map import SortedMap

S = TypeVar("S")


def dump(state: object) -> bytes:
    """The bytes of a state; equal states give equal bytes."""
    return json.dumps(_plain(state), separators=(",", ":"), ensure_ascii=False).encode()


def load(cls: type[S], data: bytes) -> S:
    """The state of class `cls` that `dump` wrote.

    Raises:
        ValueError: the bytes are no such state.
    """
    try:
        state = _build(cls, json.loads(data))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a {cls.__name__}: {type(error).__name__}") from error
    with_indexes = getattr(state, "with_indexes", None)
    result: S = state if with_indexes is None else with_indexes()
    return result


@cache
def _fields(cls: Any) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple((f.name, hints[f.name]) for f in dataclasses.fields(cls) if not f.metadata.get("index"))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, SortedMap):
        return [[_plain(key), _plain(item)] for key, item in value.items()]
    cls: Any = type(value)
    return [_plain(getattr(value, name)) for name, _ in _fields(cls)]


def _build(hint: Any, raw: Any) -> Any:
    origin = get_origin(hint)
    if origin is Annotated:
        return _build(get_args(hint)[0], raw)
    if origin is types.UnionType:
        inner = next(arg for arg in get_args(hint) if arg is not types.NoneType)
        return None if raw is None else _build(inner, raw)
    if origin is SortedMap:
        key, item = get_args(hint)
        return SortedMap((_build(key, k), _build(item, v)) for k, v in raw)
    if origin is tuple:
        return tuple(_build(get_args(hint)[0], item) for item in raw)
    if origin is Literal:
        return _checked(raw in get_args(hint), raw)
    if dataclasses.is_dataclass(hint):
        return _build_dataclass(hint, raw)
    if hint is bytes:
        return bytes.fromhex(raw)
    if hint is types.NoneType:
        return _checked(raw is None, raw)
    # bool is an int in Python, and neither may stand for the other here.
    return _checked(type(raw) is hint, raw)


def _build_dataclass(cls: Any, raw: Any) -> Any:
    fields = _fields(cls)
    if not isinstance(raw, list) or len(raw) != len(fields):
        raise ValueError(f"not a {cls.__name__}: {len(fields)} fields are expected")
    return cls(**{name: _build(hint, item) for (name, hint), item in zip(fields, raw, strict=True)})


def _checked(ok: bool, raw: Any) -> Any:
    if not ok:
        raise ValueError("a value has another type than its field")
    return raw
