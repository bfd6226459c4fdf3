"""The input schema of a job type: which fields a request has, and how they travel in JSON.

Requests are flat.  JSON has no bytes, so fields of that kind travel as base64 in a job's input.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import JobInputInvalid

MAX_BRACKETS = 64
_PYTHON: dict[str, type] = {"integer": int, "text": str, "bytes": bytes}


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of a request: its kind, what it means (for people), and whether it may be left out."""

    kind: Literal["integer", "text", "bytes"]
    meaning: str
    required: bool = True


InputSchema = Mapping[str, InputField]


def check_fields(schema: InputSchema, request: object) -> None:
    """Raise JobInputInvalid("fields") unless the request has exactly the schema's fields, each of its kind."""
    if not isinstance(request, Mapping):
        raise JobInputInvalid("fields", "the request must be an object")
    for name in request:
        if name not in schema:
            raise JobInputInvalid("fields", f"the field {str(name)[:40]!r} is unknown; known are {', '.join(schema)}")
    for name, field in schema.items():
        if name not in request and field.required:
            raise JobInputInvalid("fields", f"the field {name!r} is missing")
        # Exactly this type: True is no integer.
        if name in request and type(request[name]) is not _PYTHON[field.kind]:
            raise JobInputInvalid("fields", f"the field {name!r} must be of kind {field.kind}")


def read_input(schema: InputSchema, text: str) -> dict[str, Any]:
    """The request of a job's input.  Only the fields of kind bytes are looked at; `validate` judges the rest.

    Raises:
        JobInputInvalid: not a flat JSON object, or bytes that are not base64.
    """
    # The parser recurses in C: where a library has raised Python's recursion limit, deep nesting would end the
    # process instead of raising RecursionError.
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise JobInputInvalid("fields", "the input nests too deeply")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise JobInputInvalid("fields", "the input is not JSON") from None
    if not isinstance(value, dict):
        raise JobInputInvalid("fields", "the input is not a JSON object")
    return {name: _bytes(name, v) if _is_bytes(schema, name) else v for name, v in value.items()}


def write_input(request: Mapping[str, Any]) -> str:
    """The canonical JSON of a request: sorted keys, no blanks, bytes as base64."""
    plain = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in request.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def _is_bytes(schema: InputSchema, name: str) -> bool:
    return name in schema and schema[name].kind == "bytes"


def _bytes(name: str, value: object) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except ValueError:
        pass
    raise JobInputInvalid("bytes_encoding", f"the field {name!r} is not base64")
