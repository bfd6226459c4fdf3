"""Completeness, strict encodings, and soundness by mutation of the three proofs."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastecdsa.rust import Point
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsage.privacy.curve import ORDER, G, H, random_scalar
from bitsage.privacy.elgamal import Ciphertext, PaymentKey, encrypt
from bitsage.privacy.errors import EncodingInvalid
from bitsage.privacy.key_proof import KeyProof, prove_key, verify_key
from bitsage.privacy.opening_proof import OpeningProof, prove_opening, verify_opening
from bitsage.privacy.value_proof import (
    Form,
    ValueProof,
    prove_value_as_receiver,
    prove_value_as_sender,
    verify_value,
)

CONTEXT = b"a context"
UNITS = 123_456
IDENTITY = G - G


@dataclass
class Case:
    """A proof, the statement as named parts, and the verifier over both."""

    name: str
    proof: Any
    statement: dict[str, Any]
    verify: Callable[..., bool]

    def check(self, **changed: Any) -> bool:
        return self.verify(**{"proof": self.proof, **self.statement, **changed})


def key_case() -> Case:
    key = PaymentKey.generate()

    def verify(proof: KeyProof, public: Point, context: bytes) -> bool:
        return verify_key(proof, public, context)

    return Case("key", prove_key(key, CONTEXT), {"public": key.point, "context": CONTEXT}, verify)


def opening_case(recipients: int) -> Case:
    publics = [PaymentKey.generate().point for _ in range(recipients)]
    r = random_scalar()
    ciphertext = encrypt(UNITS, publics, r)

    def verify(proof: OpeningProof, context: bytes, c: Point, **points: Point) -> bool:
        handles = tuple(points[f"d{i}"] for i in range(recipients))
        return verify_opening(proof, Ciphertext(c, handles), [points[f"p{i}"] for i in range(recipients)], context)

    statement: dict[str, Any] = {"context": CONTEXT, "c": ciphertext.commitment}
    statement |= {f"d{i}": d for i, d in enumerate(ciphertext.handles)}
    statement |= {f"p{i}": p for i, p in enumerate(publics)}
    return Case(f"opening{recipients}", prove_opening(UNITS, r, ciphertext, publics, CONTEXT), statement, verify)


def value_case(form: Form, units: int = UNITS) -> Case:
    key, r = PaymentKey.generate(), random_scalar()
    ciphertext = encrypt(units, [key.point], r)
    if form is Form.SENDER:
        proof = prove_value_as_sender(units, r, ciphertext, key.point, CONTEXT)
    else:
        proof = prove_value_as_receiver(units, key, ciphertext, CONTEXT)

    def verify(proof: ValueProof, context: bytes, units: int, c: Point, d: Point, public: Point, form: Form) -> bool:
        return verify_value(form, proof, units, Ciphertext(c, (d,)), public, context)

    statement = {
        "context": CONTEXT,
        "units": units,
        "c": ciphertext.commitment,
        "d": ciphertext.handle,
        "public": key.point,
        "form": form,
    }
    return Case(f"value-{form.name.lower()}", proof, statement, verify)


CASES = [key_case(), opening_case(1), opening_case(3), value_case(Form.SENDER), value_case(Form.RECEIVER)]
CASES += [dataclasses.replace(value_case(form, 0), name=f"zero-{form.name.lower()}") for form in Form]
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
            yield from (value[:-1], (*value, G))
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
    }
    assert not case.check(proof=twins[case.name]().proof)


@every_case
def test_proofs_travel_in_a_fixed_length(case: Case) -> None:
    data = case.proof.to_bytes()
    arguments = (3,) if case.name == "opening3" else ()
    decode = type(case.proof).from_bytes
    assert decode(data, *arguments) == case.proof
    for wrong in (b"", data[:-1], data + b"\0", bytes(len(data)), b"\xff" * len(data)):
        with pytest.raises(EncodingInvalid):
            decode(wrong, *arguments)
    for start in range(0, len(data), 32):
        # Zero, and a value beyond every range, in each 32-byte word.
        for word in (bytes(32), b"\xff" * 32, ORDER.to_bytes(32, "big")):
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
