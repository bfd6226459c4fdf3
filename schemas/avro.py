"""From annotated dataclasses to Avro schemas: the body's fields follow the envelope in one flat record."""

import dataclasses
import types
from typing import Any, get_args, get_origin, get_type_hints

from .types import CommandEnvelope, EventEnvelope, Fixed, Logical

NAMESPACE = "network.bitsage"
_PRIMITIVES: dict[type, str] = {int: "long", str: "string", bool: "boolean", bytes: "bytes"}


def record_schema(body: type, envelope: type[EventEnvelope] | type[CommandEnvelope]) -> dict[str, Any]:
    """The Avro schema of `body` behind `envelope`.

    Raises:
        TypeError: a field's type has no Avro form here.
    """
    named: set[str] = set()
    kind = "events" if envelope is EventEnvelope else "commands"
    fields = [{"name": "envelope", "type": _record(envelope, named)}, *_fields(body, named)]
    return {
        "type": "record",
        "name": body.__name__,
        "namespace": f"{NAMESPACE}.{kind}",
        "doc": _doc(body),
        "fields": fields,
    }


def _doc(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split())


def _record(cls: type, named: set[str]) -> dict[str, Any] | str:
    name = f"{NAMESPACE}.{cls.__name__}"
    if name in named:
        return name
    named.add(name)
    return {"type": "record", "name": name, "doc": _doc(cls), "fields": _fields(cls, named)}


def _fields(cls: type, named: set[str]) -> list[dict[str, Any]]:
    hints = get_type_hints(cls, include_extras=True)
    result = []
    for field in dataclasses.fields(cls):
        entry: dict[str, Any] = {"name": field.name, "type": _type(hints[field.name], named)}
        if field.default is not dataclasses.MISSING:
            entry["default"] = _default(field.default, entry["type"])
        elif field.default_factory is not dataclasses.MISSING:
            entry["default"] = _default(field.default_factory(), entry["type"])
        result.append(entry)
    return result


def _default(value: object, schema: Any) -> object:
    """A default as JSON (Avro specification, "Complex Types"): bytes are text, a union's default is of its first type."""
    if isinstance(schema, list):
        if value is not None:
            raise TypeError("the default of an optional field is None")
        return None
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(schema, dict) and schema.get("logicalType") == "decimal" and isinstance(value, int):
        value = value.to_bytes(value.bit_length() // 8 + 1, "big")
    if isinstance(value, bytes):
        return value.decode("latin-1")
    fits = {"long": int, "boolean": bool, "string": str, "array": list}
    # A nested record, or the name of a type that was written out before: nothing here needs a default of those.
    if kind not in fits or type(value) is not fits[kind] or (kind == "array" and value):
        raise TypeError(f"{value!r} cannot be the default of {kind}")
    return value


def _type(hint: Any, named: set[str]) -> Any:
    metadata = getattr(hint, "__metadata__", ())
    for mark in metadata:
        if isinstance(mark, Fixed):
            name = f"{NAMESPACE}.{mark.name}"
            if name in named:
                return name
            named.add(name)
            return {"type": "fixed", "name": name, "size": mark.size}
        if isinstance(mark, Logical):
            schema: dict[str, Any] = {"type": mark.avro, "logicalType": mark.logical}
            if mark.precision:
                schema |= {"precision": mark.precision, "scale": 0}
            return schema
    origin = get_origin(hint)
    if origin is list:
        return {"type": "array", "items": _type(get_args(hint)[0], named)}
    if origin in (types.UnionType,) or str(origin) == "typing.Union":
        inner = [arg for arg in get_args(hint) if arg is not type(None)]
        if len(inner) == 1:
            return ["null", _type(inner[0], named)]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, named)
    if isinstance(hint, type) and hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    raise TypeError(f"{hint!r} has no Avro form")
