"""One honest proof of every kind, with its statement and its verifier, for the tests that alter them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastecdsa.rust import Point

from bitsage.privacy.curve import G, H, random_scalar
from bitsage.privacy.elgamal import Ciphertext, PaymentKey, encrypt
from bitsage.privacy.equality_proof import EqualityProof, equality_equations, prove_equality, verify_equality
from bitsage.privacy.equations import Equation
from bitsage.privacy.key_proof import KeyProof, prove_key, verify_key
from bitsage.privacy.opening_proof import OpeningProof, opening_equations, prove_opening, verify_opening
from bitsage.privacy.range_proof import RangeProof, prove_range, range_equations, verify_range
from bitsage.privacy.value_proof import (
    Form,
    ValueProof,
    prove_value_as_receiver,
    prove_value_as_sender,
    verify_value,
)

CONTEXT = b"a context"
UNITS = 123_456


@dataclass
class Case:
    """A proof, the statement as named parts, and the verifier over both.

    `prove` makes another proof of the same statement; `equations` is what the verifier leaves to a batch, if it does.
    """

    name: str
    prove: Callable[[], Any]
    statement: dict[str, Any]
    verify: Callable[..., bool]
    equations: Callable[[Any], list[Equation] | None] | None = None
    proof: Any = field(init=False)

    def __post_init__(self) -> None:
        self.proof = self.prove()

    def check(self, **changed: Any) -> bool:
        return self.verify(**{"proof": self.proof, **self.statement, **changed})


def key_case() -> Case:
    key = PaymentKey.generate()

    def verify(proof: KeyProof, public: Point, context: bytes) -> bool:
        return verify_key(proof, public, context)

    return Case("key", lambda: prove_key(key, CONTEXT), {"public": key.point, "context": CONTEXT}, verify)


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
    return Case(
        f"opening{recipients}",
        lambda: prove_opening(UNITS, r, ciphertext, publics, CONTEXT),
        statement,
        verify,
        lambda proof: opening_equations(proof, ciphertext, publics, CONTEXT),
    )


def value_case(form: Form, units: int = UNITS) -> Case:
    key, r = PaymentKey.generate(), random_scalar()
    ciphertext = encrypt(units, [key.point], r)

    def prove() -> ValueProof:
        if form is Form.SENDER:
            return prove_value_as_sender(units, r, ciphertext, key.point, CONTEXT)
        return prove_value_as_receiver(units, key, ciphertext, CONTEXT)

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
    return Case(f"{'value' if units else 'zero'}-{form.name.lower()}", prove, statement, verify)


def equality_case() -> Case:
    """The source is under the prover's key, the target under another one."""
    key, other, r = PaymentKey.generate(), PaymentKey.generate().point, random_scalar()
    source = encrypt(UNITS, [key.point], random_scalar())
    target = encrypt(UNITS, [other], r)

    def verify(
        proof: EqualityProof, context: bytes, c: Point, d: Point, public: Point, c2: Point, d2: Point, other: Point
    ) -> bool:
        return verify_equality(proof, Ciphertext(c, (d,)), public, Ciphertext(c2, (d2,)), other, context)

    statement: dict[str, Any] = {"context": CONTEXT, "c": source.commitment, "d": source.handle, "public": key.point}
    statement |= {"c2": target.commitment, "d2": target.handle, "other": other}
    return Case(
        "equality",
        lambda: prove_equality(key, source, r, target, other, CONTEXT),
        statement,
        verify,
        lambda proof: equality_equations(proof, source, key.point, target, other, CONTEXT),
    )


def range_case(bits: tuple[int, ...] = (2, 4), values: tuple[int, ...] = (3, 9)) -> Case:
    """6 bits: folded once, then 3 are left."""
    blindings = [random_scalar() for _ in bits]
    commitments = tuple(G * v + H * b for v, b in zip(values, blindings, strict=True))

    def verify(proof: RangeProof, context: bytes, commitments: tuple[Point, ...], bits: tuple[int, ...]) -> bool:
        return verify_range(proof, commitments, bits, context)

    return Case(
        "range",
        lambda: prove_range(values, blindings, bits, CONTEXT),
        {"context": CONTEXT, "commitments": commitments, "bits": bits},
        verify,
        lambda proof: range_equations(proof, commitments, bits, CONTEXT),
    )
