"""Strict reading of JSON from strangers: exact types, exact keys, bounded sizes.

Every function raises ProofUnreadable with the path of the offending value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np

from .errors import ProofUnreadable
from .fields import QM31, P

MAX_DEPTH = 64
MAX_DOCUMENT = 1 << 26  # bytes of a trace file; smaller documents pass their own limit
T = TypeVar("T")


def _reject_constant(name: str) -> NoReturn:
    raise ProofUnreadable(f"{name} is not a number of this format")


def _unique_keys(items: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(items)
    if len(result) != len(items):
        raise ProofUnreadable("a JSON object has the same key twice")
    return result


def _depth(data: bytes | bytearray) -> int:
    """How deep brackets nest; those in texts count too.

    Counted before parsing: the parser recurses in C, and where a library has raised Python's recursion limit, deep
    nesting ends the process instead of raising RecursionError.
    """
    symbols = np.frombuffer(data, np.uint8)
    opened = (symbols == ord("[")) | (symbols == ord("{"))
    closed = (symbols == ord("]")) | (symbols == ord("}"))
    steps = opened.astype(np.int8) - closed.astype(np.int8)
    steps = steps[steps != 0].astype(np.int32)
    return int(np.cumsum(steps).max(initial=0))


def parse(data: object, what: str, limit: int) -> Any:
    """Parse text or bytes of at most `limit` bytes; anything else is taken as parsed already."""
    if not isinstance(data, str | bytes | bytearray):
        return data
    if len(data) > limit:
        raise ProofUnreadable(f"{what}: more than {limit} bytes")
    if _depth(data.encode(errors="replace") if isinstance(data, str) else data) > MAX_DEPTH:
        raise ProofUnreadable(f"{what}: nested too deeply")
    try:
        return json.loads(data, parse_constant=_reject_constant, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ProofUnreadable(f"{what}: nested too deeply") from None
    except ValueError as error:  # also UnicodeDecodeError and numbers with thousands of digits
        raise ProofUnreadable(f"{what}: not JSON ({type(error).__name__})") from None


def obj(value: Any, path: str, required: Iterable[str], optional: Iterable[str] = ()) -> Mapping[str, Any]:
    """An object with exactly the given keys (optional ones may be absent)."""
    if not isinstance(value, dict):
        raise ProofUnreadable(f"{path}: an object is expected")
    need = set(required)
    missing = need - value.keys()
    if missing:
        raise ProofUnreadable(f"{path}: the key {min(missing)!r} is missing")
    unknown = value.keys() - need - set(optional)
    if unknown:
        raise ProofUnreadable(f"{path}: unknown key {str(min(map(str, unknown)))[:40]!r}")
    return value


def array(value: Any, path: str, limit: int) -> list[Any]:
    """An array of at most `limit` entries."""
    if not isinstance(value, list | tuple):
        raise ProofUnreadable(f"{path}: an array is expected")
    if len(value) > limit:
        raise ProofUnreadable(f"{path}: more than {limit} entries")
    return list(value)


def items(value: Any, path: str, limit: int, read: Callable[[Any, str], T]) -> tuple[T, ...]:
    """An array of at most `limit` entries, each read by `read(entry, path)`."""
    return tuple(read(entry, f"{path}[{k}]") for k, entry in enumerate(array(value, path, limit)))


def integer(value: Any, path: str, low: int, high: int) -> int:
    """An integer in low..high (booleans and floats are none)."""
    if type(value) is not int or not low <= value <= high:
        raise ProofUnreadable(f"{path}: an integer in {low}..{high} is expected")
    return value


def text(value: Any, path: str, limit: int = 128) -> str:
    """A string of at most `limit` characters."""
    if not isinstance(value, str) or len(value) > limit:
        raise ProofUnreadable(f"{path}: a string of at most {limit} characters is expected")
    return value


def m31(value: Any, path: str) -> int:
    """A canonical base field element."""
    return integer(value, path, 0, P - 1)


def qm31(value: Any, path: str, high: int = P - 1) -> QM31:
    """[[a, b], [c, d]]; coordinates up to `high`, canonical by default."""
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(half, list | tuple) and len(half) == 2 for half in value)
    ):
        (a, b), (c, d) = value
        if all(type(x) is int and 0 <= x <= high for x in (a, b, c, d)):
            return a, b, c, d
    raise ProofUnreadable(f"{path}: an element [[a,b],[c,d]] of QM31 is expected")


def qm31_json(value: QM31) -> list[list[int]]:
    """The JSON form of a QM31."""
    a, b, c, d = value
    return [[a, b], [c, d]]
