"""The registry: which schemas exist, now and before, and the fingerprints that records carry.

The files `*.avsc` are made from the dataclasses (`python -m bitsage.schemas.registry --write`) and checked in; a
version that has been published moves to `history/` and is read for ever. A record names its schema by the CRC-64-AVRO
fingerprint of the Parsing Canonical Form (Avro specification, "Schema Fingerprints"); since that form drops defaults
and logical types, `sha256.json` pins the whole text as well.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from .avro import record_schema
from .commands import COMMANDS
from .errors import SchemaDrift, SchemaUnknown
from .events import EVENTS
from .heartbeat import Heartbeat
from .types import CommandBody, CommandEnvelope, EventBody, EventEnvelope

Body = EventBody | CommandBody


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of one record type. `fingerprint`: 8 bytes as they travel (little endian)."""

    name: str
    kind: str
    fingerprint: bytes
    parsed: Any
    text: str
    current: bool


def bodies() -> Iterator[tuple[str, type[Body], type[EventEnvelope] | type[CommandEnvelope]]]:
    """Every record type as (name, body class, envelope class)."""
    for name, event in EVENTS.items():
        yield name, event, EventEnvelope
    for name, rule in COMMANDS.items():
        yield name, rule.body, CommandEnvelope
    yield "Heartbeat", Heartbeat, CommandEnvelope


def schema_text(body: type[Body], envelope: type[EventEnvelope] | type[CommandEnvelope]) -> str:
    """The text of a type's .avsc file."""
    return json.dumps(record_schema(body, envelope), indent=2, ensure_ascii=False) + "\n"


def parse(text: str, *, current: bool) -> Schema:
    """Read a schema's text: parsed for fastavro, with its fingerprint."""
    raw = json.loads(text)
    # fastavro prints the CRC as the hex of its little-endian bytes, which is the order on the wire.
    mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(raw), "CRC-64-AVRO"))
    return Schema(raw["name"], raw["namespace"].rsplit(".", 1)[1], mark, parse_schema(raw), text, current)


def _folder() -> Traversable:
    return files(__package__)


@cache
def current() -> dict[tuple[str, str], Schema]:
    """(kind, name) -> the schema that is written today; kind is `events` or `commands`.

    Raises:
        SchemaDrift: a file is missing or does not agree with its dataclass.
    """
    result = {}
    for name, body, envelope in bodies():
        expected = schema_text(body, envelope)
        file = _folder().joinpath(f"{name}.avsc")
        if not file.is_file() or file.read_text(encoding="utf-8") != expected:
            raise SchemaDrift(name)
        schema = parse(expected, current=True)
        result[schema.kind, name] = schema
    return result


@cache
def by_fingerprint() -> dict[bytes, Schema]:
    """Every readable version by the fingerprint that records carry."""
    table = {schema.fingerprint: schema for schema in current().values()}
    history = _folder().joinpath("history")
    for file in history.iterdir() if history.is_dir() else ():
        if file.name.endswith(".avsc"):
            old = parse(file.read_text(encoding="utf-8"), current=False)
            table.setdefault(old.fingerprint, old)
    return table


def lookup(mark: bytes) -> Schema:
    """The schema that a record names.

    Raises:
        SchemaUnknown: no version in the registry has this fingerprint.
    """
    try:
        return by_fingerprint()[mark]
    except KeyError:
        raise SchemaUnknown(mark) from None


def sha256_table() -> dict[str, str]:
    """name -> sha256 of the whole current text."""
    return {name: hashlib.sha256(schema_text(body, env).encode()).hexdigest() for name, body, env in bodies()}


def write(folder: Path) -> list[str]:
    """Write every current .avsc and the sha256 table into `folder`; the names of the files that changed."""
    changed = []
    for name, body, envelope in bodies():
        path = folder / f"{name}.avsc"
        text = schema_text(body, envelope)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path.name)
    (folder / "sha256.json").write_text(json.dumps(sha256_table(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return changed


def freeze(folder: Path) -> list[str]:
    """Keep every current schema in `folder` (`history/`) for ever, as a release has to; the names of the new files.

    A version is named after its type and fingerprint, so one that is there already is left as it is.
    """
    folder.mkdir(exist_ok=True)
    made = []
    for schema in current().values():
        path = folder / f"{schema.name}.{schema.fingerprint.hex()}.avsc"
        if not path.exists():
            path.write_text(schema.text, encoding="utf-8")
            made.append(path.name)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files anew from the dataclasses")
    parser.add_argument("--freeze", action="store_true", help="at a release: keep the current versions in history/")
    arguments, here = parser.parse_args(), Path(__file__).parent
    if arguments.write:
        print("\n".join(write(here)) or "nothing changed")
    if arguments.freeze:
        print("\n".join(freeze(here / "history")) or "nothing new")
