"""The codec: round trips of every type, golden bytes, garbage refused, canonical commands only."""

import contextlib
import dataclasses
import io
import json
import time
import types
import typing
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from bitsage.schemas import registry
from bitsage.schemas.commands import CreateWallet, StakeTokens
from bitsage.schemas.events import Staked
from bitsage.schemas.types import CommandEnvelope, EventEnvelope, Fixed, Logical
from bitsage.streams.codec import decode_command, decode_event, encode_command, encode_event, payload_hash
from bitsage.streams.errors import Undecodable

EVENT = EventEnvelope(
    id=bytes(range(16)),
    type="Staked",
    subject="0x" + "12" * 32,
    sequence=7,
    previous=bytes(32),
    at=1_790_000_000_000,
    cause=bytes(16),
    correlation=bytes(16),
    actor=bytes(32),
    public_key=bytes(32),
    signature=bytes(64),
    command="StakeTokens",
    nonce=5,
    payload_hash=bytes(32),
)
COMMAND = CommandEnvelope(
    id=bytes(range(16)),
    type="StakeTokens",
    subject="0x" + "12" * 32,
    at=1_790_000_000_000,
    correlation=bytes(16),
    actor=bytes(32),
    public_key=bytes(32),
    nonce=5,
    signature=b"\x07" * 64,
)
STAKED = Staked(amount=10**27, total=10**27 + 1, tier="consumer")


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Fixed):
            return st.binary(min_size=mark.size, max_size=mark.size)
        if isinstance(mark, Logical):
            return st.integers(0, 10**38 - 1) if mark.logical == "decimal" else st.integers(0, 2**62)
    if get_origin(hint) is list:
        return st.lists(strategy(get_args(hint)[0]), max_size=3)
    if get_origin(hint) in (types.UnionType, typing.Union):
        return st.one_of(*(st.none() if arg is type(None) else strategy(arg) for arg in get_args(hint)))
    if dataclasses.is_dataclass(hint):
        return instances(typing.cast(type, hint))
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**63), 2**63 - 1),
        str: st.text(max_size=20),
        bool: st.booleans(),
        bytes: st.binary(max_size=40),
    }
    return plain[hint]


def instances(cls: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls, include_extras=True)
    return st.builds(cls, **{field.name: strategy(hints[field.name]) for field in dataclasses.fields(cls)})


@pytest.mark.parametrize("entry", list(registry.bodies()), ids=lambda entry: entry[0])
def test_every_type_survives_a_round_trip(entry: Any) -> None:
    name, body_class, envelope_class = entry

    @given(instances(envelope_class), instances(body_class))
    def survives(envelope: Any, body: Any) -> None:
        envelope = dataclasses.replace(envelope, type=name)
        if envelope_class is EventEnvelope:
            assert decode_event(encode_event(envelope, body)) == (envelope, body)
        else:
            signed = decode_command(encode_command(envelope, body))
            assert (signed.envelope, signed.body) == (envelope, body)
            assert signed.payload_hash == payload_hash(envelope, body)

    survives()


def test_golden_bytes() -> None:
    # Written once by this version: a reader of any later version must still read them.
    data = encode_event(EVENT, STAKED)
    assert data[:2] == b"\xc3\x01"
    assert data[2:10] == registry.current()["events", "Staked"].fingerprint
    assert data[-9:].hex() == "10" + b"consumer".hex()
    assert decode_event(data) == (EVENT, STAKED)


def test_a_command_hash_does_not_depend_on_its_signature() -> None:
    body = StakeTokens(amount=1, tier="x")
    other = dataclasses.replace(COMMAND, signature=b"\x08" * 64)
    assert payload_hash(COMMAND, body) == payload_hash(other, body)
    assert payload_hash(COMMAND, body) != payload_hash(dataclasses.replace(COMMAND, at=COMMAND.at + 1), body)
    assert payload_hash(COMMAND, body) != payload_hash(COMMAND, StakeTokens(amount=2, tier="x"))


@given(st.binary(max_size=400))
def test_garbage_is_undecodable(data: bytes) -> None:
    for decode in (decode_event, decode_command):
        with pytest.raises(Undecodable):
            decode(data)


@given(st.binary(max_size=400))
def test_garbage_behind_a_good_header_is_undecodable_or_a_record(tail: bytes) -> None:
    mark = registry.current()["events", "Staked"].fingerprint
    with contextlib.suppress(Undecodable):
        assert decode_event(b"\xc3\x01" + mark + tail)[0].type == "Staked"


def test_every_truncation_and_extension_is_refused() -> None:
    event, command = encode_event(EVENT, STAKED), encode_command(COMMAND, StakeTokens(amount=1, tier="x"))
    for data, decode in ((event, decode_event), (command, decode_command)):
        for end in range(len(data)):
            with pytest.raises(Undecodable):
                decode(data[:end])
        with pytest.raises(Undecodable):
            decode(data + b"\0")


def test_none_and_other_kinds_are_refused() -> None:
    for data, code in (
        (None, "not_single_object"),
        (encode_command(COMMAND, StakeTokens(amount=1, tier="x")), "wrong_kind"),
    ):
        with pytest.raises(Undecodable) as refused:
            decode_event(data)
        assert refused.value.code == code
    with pytest.raises(Undecodable) as refused:
        decode_event(b"\xc3\x01" + bytes(8) + b"rest")
    assert refused.value.code == "schema_unknown"


def test_an_envelope_that_names_another_type_is_refused() -> None:
    with pytest.raises(Undecodable, match="another type"):
        decode_event(encode_event(dataclasses.replace(EVENT, type="Slashed"), STAKED))


def test_another_encoding_of_the_same_command_is_refused() -> None:
    data = encode_command(dataclasses.replace(COMMAND, type="CreateWallet", nonce=1), CreateWallet())
    # The nonce 1 is the zigzag varint 02; 82 00 says the same in two bytes.
    position = len(data) - 64 - 1
    assert data[position] == 2
    longer = data[:position] + b"\x82\x00" + data[position + 1 :]
    with pytest.raises(Undecodable) as refused:
        decode_command(longer)
    assert refused.value.code == "not_canonical"


def zigzag(number: int) -> bytes:
    number, out = number * 2, bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def with_amount(content: bytes) -> bytes:
    """A StakeTokens whose amount has these bytes."""
    data = encode_command(COMMAND, StakeTokens(amount=0x1122334455667788, tier="x"))
    old = b"\x10" + bytes.fromhex("1122334455667788")
    assert data.count(old) == 1
    return data.replace(old, zigzag(len(content)) + content)


def refused_code(data: bytes) -> str:
    with pytest.raises(Undecodable) as refused:
        decode_command(data)
    return refused.value.code


@pytest.mark.parametrize("fill", [b"\x00", b"\x7f", b"\x80", b"\xff"])
def test_an_amount_of_a_megabyte_is_refused_at_once(fill: bytes) -> None:
    """Before its signature is looked at, and in no time: making a number of so many digits takes minutes."""
    data = with_amount(fill * 1_200_000)
    begin = time.perf_counter()
    assert refused_code(data) == "malformed"
    assert time.perf_counter() - begin < 0.5
    assert refused_code(with_amount(fill * 17)) == "malformed"


def test_an_amount_of_an_old_schema_is_measured_too(monkeypatch: pytest.MonkeyPatch) -> None:
    old = registry.parse(schema_with_a_field_more(), current=False)
    monkeypatch.setattr(registry, "by_fingerprint", lambda: {old.fingerprint: old})
    head = b"\xc3\x01" + old.fingerprint
    good = encode_command(COMMAND, StakeTokens(amount=5, tier="x"))[10:]
    assert decode_command(head + good + b"\x02\x05").body == StakeTokens(amount=5, tier="x")
    begin = time.perf_counter()
    with pytest.raises(Undecodable):
        decode_command(head + with_amount(b"\x7f" * 1_200_000)[10:] + b"\x02\x05")
    # The field that nobody reads any more is carried as it is: the payload hash covers its bytes.
    longer = decode_command(head + good + zigzag(1_200_000) + b"\x7f" * 1_200_000)
    assert longer.payload_hash != decode_command(head + good + b"\x02\x05").payload_hash
    assert time.perf_counter() - begin < 1.0


def schema_with_a_field_more() -> str:
    text = json.loads(registry.current()["commands", "StakeTokens"].text)
    amount = next(field for field in text["fields"] if field["name"] == "amount")
    text["fields"].append({"name": "bonus", "type": amount["type"]})
    return json.dumps(text)


def test_amounts_have_one_encoding_which_is_avros() -> None:
    for amount in (0, 1, 127, 128, 255, 256, 2**63, 2**64, 10**27, 2**120, 10**38 - 1):
        data = encode_command(COMMAND, StakeTokens(amount=amount, tier="x"))
        stream = io.BytesIO(data[10:])
        parsed = registry.current()["commands", "StakeTokens"].parsed
        values = typing.cast(dict[str, Any], schemaless_reader(stream, parsed, None))
        assert values["amount"] == amount
        again = io.BytesIO()
        schemaless_writer(again, parsed, values)
        assert again.getvalue() == data[10:]
    assert refused_code(with_amount(b"")) == refused_code(with_amount(b"\x00\x01")) == "not_canonical"
    assert refused_code(with_amount(b"\xff")) == refused_code(with_amount((10**38).to_bytes(16, "big"))) == "malformed"
    with pytest.raises(ValueError, match="38 digits"):
        encode_command(COMMAND, StakeTokens(amount=10**38, tier="x"))


def test_a_negative_amount_cannot_be_written_or_read() -> None:
    with pytest.raises(ValueError, match="negative"):
        encode_event(EVENT, dataclasses.replace(STAKED, amount=-1))
    data = encode_event(EVENT, Staked(amount=1, total=0, tier=""))
    # amount 1 is 02 01 (one byte, value 1); ff is minus one in two's complement.
    position = data.rindex(b"\x02\x01")
    with pytest.raises(Undecodable):
        decode_event(data[: position + 1] + b"\xff" + data[position + 2 :])
