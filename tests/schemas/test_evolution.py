"""FULL_TRANSITIVE: every version reads every other, and the check fails where one does not."""

import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse as avro_parse
from fastavro import parse_schema, schemaless_writer

from bitsage.schemas import registry
from bitsage.schemas.avro import record_schema
from bitsage.schemas.evolution import problems
from bitsage.schemas.types import Amount, Bytes32, EventBody, EventEnvelope
from bitsage.streams import codec
from bitsage.streams.codec import decode_command, decode_event

Change = Callable[[dict[str, Any]], None]


def unread(schemas: Iterable[registry.Schema]) -> list[str]:
    """The pairs of versions of a type that Apache's own checker says do not read each other."""
    known: dict[tuple[str, str], list[registry.Schema]] = {}
    for schema in schemas:
        known.setdefault((schema.kind, schema.name), []).append(schema)
    found = []
    for name, versions in known.items():
        for reader in versions:
            for writer in versions:
                checker = ReaderWriterCompatibilityChecker()
                result = checker.get_compatibility(avro_parse(reader.text), avro_parse(writer.text))
                if result.compatibility is not SchemaCompatibilityType.compatible:
                    found.append(f"{name}: {result.messages}")
    return found


def other_version(kind: str, name: str, *changes: Change) -> registry.Schema:
    text = json.loads(registry.current()[kind, name].text)
    for change in changes:
        change(text)
    return registry.parse(json.dumps(text), current=False)


def field(text: dict[str, Any], name: str) -> dict[str, Any]:
    return next(f for f in text["fields"] if f["name"] == name)


def without(name: str) -> Change:
    return lambda text: text["fields"].remove(field(text, name))


def with_more(name: str, kind: Any, **default: Any) -> Change:
    return lambda text: text["fields"].append({"name": name, "type": kind, **default})


def retyped(name: str, kind: Any) -> Change:
    return lambda text: field(text, name).update(type=kind)


def renamed(name: str, to: str) -> Change:
    return lambda text: field(text, name).update(name=to)


def in_envelope(change: Change) -> Change:
    return lambda text: change(field(text, "envelope")["type"])


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry whose `history/` is this folder; the current files are the real ones."""
    for file in registry._folder().iterdir():
        if file.name.endswith(".avsc"):
            (tmp_path / file.name).write_text(file.read_text())
    monkeypatch.setattr(registry, "_folder", lambda: tmp_path)
    (tmp_path / "history").mkdir()
    registry.by_fingerprint.cache_clear()
    codec._plain_old.cache_clear()
    yield tmp_path / "history"
    registry.by_fingerprint.cache_clear()
    codec._plain_old.cache_clear()


def test_every_version_reads_every_other() -> None:
    schemas = list(registry.by_fingerprint().values())
    assert problems(schemas) == []
    assert unread(schemas) == []


@pytest.mark.parametrize(
    "change",
    [
        with_more("memo", "string"),
        without("amount"),
        retyped("total", "string"),
        retyped("tier", ["null", "string"]),
        renamed("tier", "level"),
        in_envelope(with_more("memo", "string")),
        in_envelope(without("nonce")),
        in_envelope(retyped("nonce", "int")),
    ],
)
def test_a_change_that_breaks_the_rule_is_found_in_history(history: Path, change: Change) -> None:
    broken = other_version("events", "Staked", change)
    (history / "Staked.old.avsc").write_text(broken.text)
    schemas = list(registry.by_fingerprint().values())
    assert broken.fingerprint in {s.fingerprint for s in schemas}
    assert any("events.Staked" in problem for problem in problems(schemas))


@pytest.mark.parametrize("change", [with_more("memo", "string"), without("amount"), retyped("total", "long")])
def test_apache_s_checker_agrees(change: Change) -> None:
    pair = [registry.current()["events", "Staked"], other_version("events", "Staked", change)]
    assert unread(pair)


def test_a_wider_type_is_read_one_way_only() -> None:
    """Backward compatible is not enough: an older node has to read what a newer one wrote."""
    now = registry.current()["events", "ReputationChanged"]
    pair = [now, other_version("events", "ReputationChanged", retyped("before", "int"))]
    assert problems(pair) == [f"{_marks(pair)}: before has another type"]
    assert len(unread(pair)) == 1


def _marks(pair: list[registry.Schema]) -> str:
    one, other = sorted(pair, key=lambda s: s.fingerprint)
    return f"{one.kind}.{one.name} {one.fingerprint.hex()} and {other.fingerprint.hex()}"


def test_it_is_transitive() -> None:
    """Each version reads its neighbours, and still the first and the last do not read each other."""
    first = registry.current()["events", "Staked"]
    second = other_version("events", "Staked", with_more("memo", "string", default=""))
    # The same fingerprint, since that leaves defaults out: the pairs are compared by their whole text.
    third = other_version("events", "Staked", with_more("memo", "string"))
    assert problems([first, second]) == unread([first, second]) == []
    assert problems([second, third]) == unread([second, third]) == []
    assert problems([first, second, third])
    assert unread([first, second, third])


def test_words_for_people_may_change() -> None:
    other = other_version("events", "Staked", lambda text: text.update(doc="Other words."))
    assert problems([registry.current()["events", "Staked"], other]) == []


def defaulted() -> list[tuple[str, str, str]]:
    found = []
    for (kind, name), schema in registry.current().items():
        found += [(kind, name, f["name"]) for f in json.loads(schema.text)["fields"] if "default" in f]
    return found


@pytest.mark.parametrize(("kind", "name", "added"), defaulted())
def test_a_record_from_before_a_field_was_added_gets_its_default(
    history: Path, kind: str, name: str, added: str
) -> None:
    """Bytes as an older program wrote them; each field that has a default may have been added later."""
    old = other_version(kind, name, without(added))
    (history / f"{name}.old.avsc").write_text(old.text)
    body, envelope = codec._classes()[kind, name]
    values = {"envelope": blank(envelope) | {"type": name}, **blank(body)}
    del values[added]
    out = io.BytesIO()
    out.write(b"\xc3\x01" + old.fingerprint)
    schemaless_writer(out, codec._plain_old(old.fingerprint), values)
    data = out.getvalue()
    read = decode_event(data)[1] if kind == "events" else decode_command(data).body
    found = next(f for f in dataclasses.fields(body) if f.name == added)
    default = found.default if found.default_factory is dataclasses.MISSING else found.default_factory()
    assert getattr(read, added) == default
    assert problems(registry.by_fingerprint().values()) == []


def blank(cls: type) -> dict[str, Any]:
    """A value of every field as fastavro takes it."""
    if cls.__name__.endswith("Envelope"):
        return cast(dict[str, Any], _blank(record_schema(EventBody, cls)["fields"][0]["type"]))
    return {f["name"]: _blank(f["type"]) for f in record_schema(cls, EventEnvelope)["fields"][1:]}


def _blank(schema: Any) -> Any:
    if isinstance(schema, list):
        return None
    if isinstance(schema, dict) and schema["type"] == "record":
        return {f["name"]: _blank(f["type"]) for f in schema["fields"]}
    if isinstance(schema, dict) and schema["type"] == "fixed":
        return bytes(schema["size"])
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind.startswith("network.bitsage.Bytes"):
        return bytes(int(kind.removeprefix("network.bitsage.Bytes")))
    return {"long": 0, "string": "", "boolean": False, "bytes": b"\0", "array": []}[kind]


def test_a_release_keeps_its_versions_and_the_next_change_meets_them(history: Path) -> None:
    made = registry.freeze(history)
    assert len(made) == len(list(registry.bodies()))
    assert registry.freeze(history) == []
    registry.by_fingerprint.cache_clear()
    # What is current and frozen counts as current, and is read once.
    assert all(schema.current for schema in registry.by_fingerprint().values())
    assert len(registry.by_fingerprint()) == len(made)
    staked = registry.current()["events", "Staked"]
    assert f"Staked.{staked.fingerprint.hex()}.avsc" in made
    later = other_version("events", "Staked", with_more("memo", "string"))
    frozen = [registry.parse((history / name).read_text(), current=False) for name in made]
    assert problems([*frozen, later])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sample(EventBody):
    """Every kind of default."""

    amount: Amount = 300
    count: int = 7
    flag: bool = True
    word: str = "x"
    words: list[str] = dataclasses.field(default_factory=list)
    some: Bytes32 | None = None
    blob: bytes = b"\xff"


def test_defaults_are_those_of_the_specification() -> None:
    schema = record_schema(Sample, EventEnvelope)
    found = {f["name"]: f["default"] for f in schema["fields"] if "default" in f}
    assert found == {
        "amount": "\x01,", "count": 7, "flag": True, "word": "x", "words": [], "some": None, "blob": "\xff"
    }  # fmt: skip
    assert all(type(found[n]) is type(getattr(Sample(), n)) for n in ("count", "flag", "word", "words"))
    parse_schema(schema)
    avro_parse(json.dumps(schema))


@pytest.mark.parametrize(
    ("annotation", "value"), [(int, "7"), (bool, 1), (str, 0), (Bytes32 | None, bytes(32)), (int, True)]
)
def test_a_default_of_another_type_is_an_error(annotation: Any, value: Any) -> None:
    body = dataclasses.make_dataclass("Wrong", [("wrong", annotation, value)], bases=(EventBody,), frozen=True)
    with pytest.raises(TypeError, match="default"):
        record_schema(body, EventEnvelope)
