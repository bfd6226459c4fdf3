"""Avro single-object encoding of events and commands: C3 01, fingerprint, body (Avro specification, "Single-object encoding").

Only fingerprints of the registry are read; a record written with an older version is resolved to the current one.
"""

import dataclasses
import io
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, cast, get_args, get_origin, get_type_hints

import blake3
from fastavro import schemaless_reader, schemaless_writer

from bitsage.schemas import registry
from bitsage.schemas.types import CommandBody, CommandEnvelope, EventBody, EventEnvelope, Logical

from .errors import Undecodable

MAGIC = b"\xc3\x01"
_NO_SIGNATURE = bytes(64)
#: 38 decimal digits (`schemas.types.Amount`) fit 16 bytes with their sign.
_AMOUNT_LIMIT = 10**38
_AMOUNT_BYTES = 16


class _NotCanonical(ValueError):
    pass


@cache
def _classes() -> dict[tuple[str, str], tuple[type[Any], type[Any]]]:
    table = {}
    for name, body, envelope in registry.bodies():
        kind = "events" if envelope is EventEnvelope else "commands"
        table[kind, name] = (body, envelope)
    return table


_Convert = Callable[[Any], Any] | None
_PLANS: dict[type[Any], tuple[tuple[str, _Convert, _Convert], ...]] = {}


def _plan(cls: type[Any]) -> tuple[tuple[str, _Convert, _Convert], ...]:
    """Per field: name, to-Avro and from-Avro conversion (None: as it is)."""
    found = _PLANS.get(cls)
    if found is None:
        hints = get_type_hints(cls, include_extras=True)
        found = _PLANS[cls] = tuple((f.name, *_conversions(hints[f.name])) for f in dataclasses.fields(cls))
    return found


def _conversions(hint: Any) -> tuple[_Convert, _Convert]:
    marks = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Logical)]
    if any(m.logical == "decimal" for m in marks):
        return _to_amount, _from_amount
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _to_dict, partial(_from_dict, hint)
    if get_origin(hint) is list:
        there, back = _conversions(get_args(hint)[0])
        if there is not None and back is not None:
            return partial(_each, there), partial(_each, back)
    return None, None


def _each(convert: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [convert(value) for value in values]


def _to_amount(value: int) -> bytes:
    """The unscaled value of an Avro decimal: big-endian two's complement, as short as it can be."""
    if value < 0:
        raise ValueError("an amount is never negative")
    if value >= _AMOUNT_LIMIT:
        raise ValueError("an amount has at most 38 digits")
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def _from_amount(value: bytes) -> int:
    # The length first: turning a megabyte of digits into a number, or into a Decimal, takes minutes.
    if len(value) > _AMOUNT_BYTES:
        raise ValueError("an amount has at most 16 bytes")
    amount = int.from_bytes(value, "big", signed=True)
    if _to_amount(amount) != value:
        raise _NotCanonical("an amount is longer than it has to be, or empty")
    return amount


def _to_dict(value: Any) -> dict[str, Any]:
    return {
        name: getattr(value, name) if convert is None else convert(getattr(value, name))
        for name, convert, _ in _plan(type(value))
    }


def _from_dict(cls: type[Any], values: dict[str, Any]) -> Any:
    return cls(**{name: values[name] if convert is None else convert(values[name]) for name, _, convert in _plan(cls)})


@cache
def _plain(kind: str, name: str) -> Any:
    """The current schema without the logical types that fastavro would convert.

    This project keeps milliseconds, not datetimes; and a decimal's bytes become a number only after their length is
    known to be small, because whoever writes a command chooses it and nothing is checked before it is read.
    """
    return _strip(registry.current()[kind, name].parsed)


@cache
def _plain_old(mark: bytes) -> Any:
    return _strip(registry.lookup(mark).parsed)


def _strip(schema: Any) -> Any:
    if isinstance(schema, dict):
        kept = {k: v if k == "default" else _strip(v) for k, v in schema.items()}
        if kept.get("logicalType") in ("timestamp-millis", "decimal"):
            del kept["logicalType"]
        # fastavro puts a default into the record as it stands; that of bytes stands there as text (code points 0 to 255).
        if isinstance(kept.get("default"), str) and kept.get("type") not in ("string", ["null", "string"]):
            kept["default"] = kept["default"].encode("latin-1")
        return kept
    return [_strip(item) for item in schema] if isinstance(schema, list) else schema


def _write(mark: bytes, schema: Any, values: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(MAGIC)
    out.write(mark)
    schemaless_writer(out, schema, values)
    return out.getvalue()


def _encode(kind: str, envelope: Any, body: Any) -> bytes:
    name = type(body).__name__
    values = {"envelope": _to_dict(envelope), **_to_dict(body)}
    return _write(registry.current()[kind, name].fingerprint, _plain(kind, name), values)


def _schema_of(kind: str, data: bytes | None) -> registry.Schema:
    if data is None or len(data) < 10 or data[:2] != MAGIC:
        raise Undecodable("not_single_object", "the record is not in Avro single-object encoding")
    mark = bytes(data[2:10])
    if mark not in registry.by_fingerprint():
        raise Undecodable("schema_unknown", f"no schema has the fingerprint {mark.hex()}")
    schema = registry.lookup(mark)
    if schema.kind != kind or (kind, schema.name) not in _classes():
        raise Undecodable("wrong_kind", f"{schema.name} is not one of the {kind}")
    return schema


def _read(schema: registry.Schema, data: bytes, reader: Any) -> dict[str, Any]:
    stream = io.BytesIO(data)
    stream.seek(10)
    try:
        values = cast(dict[str, Any], schemaless_reader(stream, _plain_old(schema.fingerprint), reader))
        if stream.read(1):
            raise ValueError("bytes follow the record")
    # fastavro raises a dozen exception types on garbage; every one of them means the same here.
    except Exception as error:
        raise Undecodable("malformed", f"{schema.name}: {type(error).__name__}") from error
    return values


def _build(schema: registry.Schema, data: bytes) -> tuple[Any, Any]:
    values = _read(schema, data, None if schema.current else _plain(schema.kind, schema.name))
    body_class, envelope_class = _classes()[schema.kind, schema.name]
    try:
        envelope, body = _from_dict(envelope_class, values["envelope"]), _from_dict(body_class, values)
    except ValueError as error:
        code = "not_canonical" if isinstance(error, _NotCanonical) else "malformed"
        raise Undecodable(code, f"{schema.name}: {error}") from error
    if envelope.type != schema.name:
        raise Undecodable("malformed", f"{schema.name}: the envelope names another type")
    return envelope, body


class SignedCommand(NamedTuple):
    """A command as it was read, with what its signature must cover."""

    envelope: CommandEnvelope
    body: CommandBody
    payload_hash: bytes


def encode_event(envelope: EventEnvelope, body: EventBody) -> bytes:
    """The record of an event.

    Raises:
        ValueError: a negative amount, or a value outside its Avro type.
    """
    return _encode("events", envelope, body)


def decode_event(data: bytes | None) -> tuple[EventEnvelope, EventBody]:
    """Read an event.

    Raises:
        Undecodable: not single-object encoded, schema unknown, or malformed.
    """
    schema = _schema_of("events", data)
    return _build(schema, cast(bytes, data))


def encode_command(envelope: CommandEnvelope, body: CommandBody) -> bytes:
    """The record of a command (or heartbeat).

    Raises:
        ValueError: a negative amount, or a value outside its Avro type.
    """
    return _encode("commands", envelope, body)


def decode_command(data: bytes | None) -> SignedCommand:
    """Read a command (or heartbeat) whose bytes are the canonical encoding of its values.

    The payload hash is taken under the schema that the writer used, so a signature outlives a schema change.

    Raises:
        Undecodable: not single-object encoded, schema unknown, malformed, or another encoding of the same values.
    """
    schema = _schema_of("commands", data)
    raw = cast(bytes, data)
    envelope, body = _build(schema, raw)
    writer = _plain_old(schema.fingerprint)
    values = _read(schema, raw, None)
    if _write(schema.fingerprint, writer, values) != raw:
        raise Undecodable("not_canonical", f"{schema.name}: the bytes are not the canonical encoding")
    values["envelope"]["signature"] = _NO_SIGNATURE
    return SignedCommand(envelope, body, blake3.blake3(_write(schema.fingerprint, writer, values)).digest())


def payload_hash(envelope: CommandEnvelope, body: CommandBody) -> bytes:
    """What a command's signature covers: BLAKE3 of its record with a zero signature (32 bytes)."""
    unsigned = dataclasses.replace(envelope, signature=_NO_SIGNATURE)
    return blake3.blake3(_encode("commands", unsigned, body)).digest()


def fingerprint_of(kind: str, name: str) -> bytes:
    """The 8 fingerprint bytes of the current schema; kind is `events` or `commands`."""
    return registry.current()[kind, name].fingerprint


__all__ = [
    "SignedCommand",
    "decode_command",
    "decode_event",
    "encode_command",
    "encode_event",
    "fingerprint_of",
    "payload_hash",
]
