"""The registry: files agree with dataclasses, fingerprints are unique."""

import hashlib
import json
from importlib.resources import files

import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from bitsage.schemas import registry
from bitsage.schemas.errors import SchemaDrift, SchemaUnknown
from bitsage.schemas.events import EVENT_TOPIC, EVENTS

FOLDER = files("bitsage.schemas")


def test_every_type_has_a_file_that_agrees_with_its_dataclass() -> None:
    for name, body, envelope in registry.bodies():
        assert FOLDER.joinpath(f"{name}.avsc").read_text() == registry.schema_text(body, envelope), name


def test_no_file_without_a_type() -> None:
    names = {f"{name}.avsc" for name, _, _ in registry.bodies()}
    assert {f.name for f in FOLDER.iterdir() if f.name.endswith(".avsc")} == names


def test_the_whole_text_of_every_schema_is_pinned() -> None:
    # The fingerprint leaves defaults and logical types out; this table does not.
    assert json.loads(FOLDER.joinpath("sha256.json").read_text()) == registry.sha256_table()


def crc_64_avro(data: bytes) -> int:
    """The algorithm of the Avro specification, "Schema Fingerprints", written down once more."""
    empty = 0xC15D213AA4D7A795
    table = []
    for n in range(256):
        value = n
        for _ in range(8):
            value = (value >> 1) ^ (empty & -(value & 1))
        table.append(value)
    crc = empty
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def test_fingerprints_are_unique_and_those_of_the_canonical_form() -> None:
    assert len(registry.by_fingerprint()) >= len(list(registry.bodies()))
    for schema in registry.by_fingerprint().values():
        canonical = to_parsing_canonical_form(json.loads(schema.text))
        assert schema.fingerprint == crc_64_avro(canonical.encode()).to_bytes(8, "little"), schema.name
        # Apache's Python library writes a named type out each time and leaves {"type":"long"} as it is; the
        # specification wants a name after the first time and the plain primitive, as fastavro and Java do.
        assert canonical.count('"name":"network.bitsage.Bytes32","type":"fixed"') <= 1
        assert '{"type":"long"}' not in canonical


def test_the_fingerprint_travels_little_endian() -> None:
    # Avro specification: the CRC-64-AVRO of "null" is 0x63dd24e7cc258f8a.
    canonical = to_parsing_canonical_form("null")
    assert int.from_bytes(bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")), "little") == 0x63DD24E7CC258F8A


def test_every_event_has_one_topic() -> None:
    assert set(EVENT_TOPIC) == set(EVENTS) - {"CommandRejected"}


def test_an_unknown_fingerprint_is_an_error() -> None:
    with pytest.raises(SchemaUnknown, match="0011223344556677") as refused:
        registry.lookup(bytes.fromhex("0011223344556677"))
    assert refused.value.code == "schema_unknown"


def test_a_changed_file_is_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "schema_text", lambda body, envelope: "{}")
    registry.current.cache_clear()
    try:
        with pytest.raises(SchemaDrift, match="does not agree"):
            registry.current()
    finally:
        registry.current.cache_clear()


def test_written_files_are_those_that_are_checked_in(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    changed = registry.write(folder)
    assert len(changed) == len(list(registry.bodies()))
    for name in changed:
        assert (
            hashlib.sha256((folder / name).read_bytes()).digest()
            == hashlib.sha256(FOLDER.joinpath(name).read_bytes()).digest()
        )
    assert registry.write(folder) == []
