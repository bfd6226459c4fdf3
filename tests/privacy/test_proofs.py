"""Completeness, strict encodings, and soundness by mutation of every proof."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from fastecdsa.rust import Point
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.privacy.curve import ORDER, G, H, random_scalar
from bitsage.privacy.elgamal import Ciphertext, PaymentKey, encrypt
from bitsage.privacy.equality_proof import prove_equality, verify_equality
from bitsage.privacy.errors import AmountOutOfRange, EncodingInvalid
from bitsage.privacy.inner_product import InnerProduct
from bitsage.privacy.key_proof import prove_key, verify_key
from bitsage.privacy.opening_proof import prove_opening, verify_opening
from bitsage.privacy.range_proof import RangeProof, prove_range
from bitsage.privacy.value_proof import Form, prove_value_as_receiver, prove_value_as_sender, verify_value
from tests.privacy.cases import (
    CONTEXT,
    UNITS,
    Case,
    equality_case,
    key_case,
    opening_case,
    range_case,
    value_case,
)

IDENTITY = G - G

CASES = [key_case(), opening_case(1), opening_case(3), value_case(Form.SENDER), value_case(Form.RECEIVER)]
CASES += [equality_case(), range_case()]
CASES += [value_case(form, 0) for form in Form]
every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def changes(value: Any) -> Iterator[Any]:
    """Other well-formed values of the same kind, and the degenerate ones."""
    match value:
        case Form():
            yield from (form for form in Form if form is not value)
        case Point():
            yield from (value + G, value + H, -value, value * 2, G, H, IDENTITY)
        case int():
            yield from (value + 1, value - 1, 0, -value, ORDER - value, value + ORDER, ORDER, 2**256)
        case bytes():
            yield from (b"", value + b"\0", value[:-1], bytes([value[0] ^ 1]) + value[1:])
        case tuple():
            for i, part in enumerate(value):
                yield from ((*value[:i], other, *value[i + 1 :]) for other in changes(part))
            yield from (value[:-1], (*value, value[-1]))
        case InnerProduct():
            for field in dataclasses.fields(value):
                for other in changes(getattr(value, field.name)):
                    yield dataclasses.replace(value, **{field.name: other})
        case _:
            raise AssertionError(value)


@every_case
def test_honest_proofs_hold(case: Case) -> None:
    assert case.check()


@every_case
def test_every_field_of_the_proof_matters(case: Case) -> None:
    for field in dataclasses.fields(case.proof):
        value = getattr(case.proof, field.name)
        for other in changes(value):
            if other != value:
                assert not case.check(proof=dataclasses.replace(case.proof, **{field.name: other})), field.name


@every_case
def test_every_value_of_the_statement_matters(case: Case) -> None:
    for name, value in case.statement.items():
        for other in changes(value):
            if other != value:
                assert not case.check(**{name: other}), name


@every_case
def test_a_proof_for_another_statement_does_not_hold(case: Case) -> None:
    twins = {
        "key": key_case,
        "opening1": lambda: opening_case(1),
        "opening3": lambda: opening_case(3),
        "value-sender": lambda: value_case(Form.SENDER),
        "value-receiver": lambda: value_case(Form.RECEIVER),
        "zero-sender": lambda: value_case(Form.SENDER, 0),
        "zero-receiver": lambda: value_case(Form.RECEIVER, 0),
        "equality": equality_case,
        "range": range_case,
    }
    assert not case.check(proof=twins[case.name]().proof)


@every_case
def test_proofs_travel_in_a_fixed_length(case: Case) -> None:
    data = case.proof.to_bytes()
    arguments = {"opening3": (3,), "range": ((2, 4),)}.get(case.name, ())
    decode = type(case.proof).from_bytes
    assert decode(data, *arguments) == case.proof
    for wrong in (b"", data[:-1], data + b"\0", bytes(len(data)), b"\xff" * len(data)):
        with pytest.raises(EncodingInvalid):
            decode(wrong, *arguments)
    for start in range(0, len(data), 32):
        # Zero, and a value beyond every range, in each 32-byte word.
        for word in (bytes(32), b"\xff" * 32, ORDER.to_bytes(32, "big")):
            if case.name == "range" and start >= 64 * 6 and not any(word):
                continue  # a response of a range proof may be 0: its bits can make it so
            with pytest.raises(EncodingInvalid):
                decode(data[:start] + word + data[start + 32 :], *arguments)


def test_infinity_has_no_encoding_in_a_proof() -> None:
    for case in CASES:
        for field in dataclasses.fields(case.proof):
            if isinstance(getattr(case.proof, field.name), Point):
                with pytest.raises(EncodingInvalid):
                    dataclasses.replace(case.proof, **{field.name: IDENTITY}).to_bytes()


@settings(max_examples=15, deadline=None)
@given(st.integers(min_value=0, max_value=2**40 - 1), st.binary(max_size=100))
def test_completeness(units: int, context: bytes) -> None:
    key, r = PaymentKey.generate(), random_scalar()
    ciphertext = encrypt(units, [key.point], r)
    assert verify_key(prove_key(key, context), key.point, context)
    assert verify_opening(prove_opening(units, r, ciphertext, [key.point], context), ciphertext, [key.point], context)
    sender = prove_value_as_sender(units, r, ciphertext, key.point, context)
    assert verify_value(Form.SENDER, sender, units, ciphertext, key.point, context)
    receiver = prove_value_as_receiver(units, key, ciphertext, context)
    assert verify_value(Form.RECEIVER, receiver, units, ciphertext, key.point, context)
    # The forms are separated even where both are true.
    assert not verify_value(Form.RECEIVER, sender, units, ciphertext, key.point, context)
    assert not verify_value(Form.SENDER, receiver, units, ciphertext, key.point, context)


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_completeness_of_ranges(data: st.DataObject) -> None:
    bits = tuple(data.draw(st.lists(st.integers(1, 10), min_size=1, max_size=4)))
    values = tuple(data.draw(st.integers(0, 2**width - 1)) for width in bits)
    case = range_case(bits, values)
    assert case.check()
    assert RangeProof.from_bytes(case.proof.to_bytes(), bits) == case.proof
    assert len(case.proof.to_bytes()) == RangeProof.size(bits)


@pytest.mark.parametrize("bits", [(40,), (48,), (40, 48)])
def test_the_ends_of_a_range_are_in_it(bits: tuple[int, ...]) -> None:
    assert range_case(bits, (0,) * len(bits)).check()
    assert range_case(bits, tuple((1 << width) - 1 for width in bits)).check()


@pytest.mark.parametrize("values", [(-1, 0), (4, 0), (0, 16), (0, -1), (ORDER, 0), (0, ORDER + 1)])
def test_what_is_not_in_the_range_is_not_proven(values: tuple[int, ...]) -> None:
    with pytest.raises(AmountOutOfRange):
        prove_range(values, (1, 2), (2, 4), CONTEXT)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_completeness_and_soundness_of_equality(units: int, other: int) -> None:
    key, recipient, r = PaymentKey.generate(), PaymentKey.generate().point, random_scalar()
    source = encrypt(units, [key.point], random_scalar(), 48)
    target = encrypt(units, [recipient], r, 48)
    proof = prove_equality(key, source, r, target, recipient, CONTEXT)
    assert verify_equality(proof, source, key.point, target, recipient, CONTEXT)
    # A source without a handle, or with nothing in it, is a sum that a verifier computed.
    bare, nothing = Ciphertext(G * units, (IDENTITY,)), encrypt(0, [recipient], r)
    assert verify_equality(
        prove_equality(key, bare, r, target, recipient, CONTEXT), bare, key.point, target, recipient, CONTEXT
    )
    empty = Ciphertext(IDENTITY, (IDENTITY,))
    proof = prove_equality(key, empty, r, nothing, recipient, CONTEXT)
    assert verify_equality(proof, empty, key.point, nothing, recipient, CONTEXT)
    if other != units:
        wrong = encrypt(other, [recipient], r, 48)
        proof = prove_equality(key, source, r, wrong, recipient, CONTEXT)
        assert not verify_equality(proof, source, key.point, wrong, recipient, CONTEXT)


def test_a_ciphertext_without_randomness_is_refused() -> None:
    key = PaymentKey.generate()
    bare = Ciphertext(G * UNITS, (IDENTITY,))
    for form in Form:
        proof = value_case(form).proof
        assert not verify_value(form, proof, UNITS, bare, key.point, CONTEXT)
        # C = a*G with some handle: the receiver's equation for X at infinity would ask for z*D = B alone.
        assert not verify_value(form, proof, UNITS, Ciphertext(G * UNITS, (H,)), key.point, CONTEXT)


def test_the_number_of_recipients_is_part_of_the_statement() -> None:
    case = opening_case(2)
    s = case.statement
    ciphertext = Ciphertext(s["c"], (s["d0"], s["d1"]))
    publics = [s["p0"], s["p1"]]
    assert verify_opening(case.proof, ciphertext, publics, CONTEXT)
    assert not verify_opening(case.proof, ciphertext, publics[::-1], CONTEXT)
    assert not verify_opening(case.proof, ciphertext, publics[:1], CONTEXT)
    assert not verify_opening(case.proof, Ciphertext(s["c"], ()), [], CONTEXT)
    cut = dataclasses.replace(case.proof, handle_announcements=case.proof.handle_announcements[:1])
    assert not verify_opening(cut, Ciphertext(s["c"], (s["d0"],)), publics[:1], CONTEXT)
    empty = dataclasses.replace(case.proof, handle_announcements=())
    assert not verify_opening(empty, Ciphertext(s["c"], ()), [], CONTEXT)
