"""Proof `value`: the ciphertext (C, D) under P encrypts the public amount a (privacy specification, section 3).

With X = C - a*G the statement is that two discrete logarithms are equal (Chaum and Pedersen, CRYPTO 1992):

    sender form, witness r:    X = r*H and D = r*P    bases (H, P), values (X, D)
    receiver form, witness s:  H = s*P and X = s*D    bases (P, D), values (H, X)

Announce A = k*base_1, B = k*base_2; c = challenge(context, a, C, D, P, A, B); z = k + c*witness.
Check z*base_j = announcement_j + c*value_j for both. The two forms have labels of their own. a = 0 is the proof `zero`.
"""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self

from fastecdsa.rust import Point

from .curve import ORDER, RandomBits, decode_scalar, encode_point, encode_scalar, is_identity, random_scalar
from .elgamal import Ciphertext, PaymentKey, decode_points
from .errors import EncodingInvalid
from .fixed_base import times_g, times_h
from .transcript import Transcript


class Form(StrEnum):
    """Who proves; the value is the transcript's label."""

    SENDER = "BITSAGE_VALUE_SENDER_V1"
    RECEIVER = "BITSAGE_VALUE_RECEIVER_V1"


@dataclass(frozen=True, slots=True)
class ValueProof:
    """Announcements A, B and response z: 160 bytes."""

    first_announcement: Point
    second_announcement: Point
    response: int

    SIZE: ClassVar[int] = 160

    def to_bytes(self) -> bytes:
        """A, B, z."""
        return (
            encode_point(self.first_announcement)
            + encode_point(self.second_announcement)
            + encode_scalar(self.response)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            EncodingInvalid: anything else.
        """
        if len(data) != cls.SIZE:
            raise EncodingInvalid(f"a value proof has {cls.SIZE} bytes, not {len(data)}")
        first, second = decode_points(data[:-32], 2)
        return cls(first, second, decode_scalar(data[-32:]))


def prove_value_as_sender(
    units: int,
    randomness: int,
    ciphertext: Ciphertext,
    public: Point,
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> ValueProof:
    """Show that the first handle's ciphertext holds `units`, knowing its randomness. `rng`: published vectors only."""
    nonce = random_scalar(rng)
    first, second = times_h(nonce), public * nonce
    challenge = _challenge(Form.SENDER, units, ciphertext, public, context, first, second)
    return ValueProof(first, second, (nonce + challenge * randomness) % ORDER)


def prove_value_as_receiver(
    units: int, key: PaymentKey, ciphertext: Ciphertext, context: bytes, rng: RandomBits = secrets.randbits
) -> ValueProof:
    """Show that the first handle's ciphertext holds `units`, knowing the key's secret. `rng`: published vectors only."""
    nonce = random_scalar(rng)
    first, second = key.point * nonce, ciphertext.handle * nonce
    challenge = _challenge(Form.RECEIVER, units, ciphertext, key.point, context, first, second)
    return ValueProof(first, second, (nonce + challenge * key.secret) % ORDER)


def verify_value(
    form: Form, proof: ValueProof, units: int, ciphertext: Ciphertext, public: Point, context: bytes
) -> bool:
    """Whether the proof of this form shows that (C, D_1) under `public` encrypts `units`, bound to the context."""
    first, second, z = proof.first_announcement, proof.second_announcement, proof.response
    if not 0 <= units < ORDER or not 0 < z < ORDER:
        return False
    blinded = ciphertext.commitment - times_g(units)
    # With X at infinity the randomness was 0, and with D at infinity the receiver form says nothing.
    if any(map(is_identity, (ciphertext.commitment, ciphertext.handle, public, blinded, first, second))):
        return False
    challenge = _challenge(form, units, ciphertext, public, context, first, second)
    if form is Form.SENDER:
        return bool(times_h(z) == first + blinded * challenge and public * z == second + ciphertext.handle * challenge)
    return bool(public * z == first + times_h(challenge) and ciphertext.handle * z == second + blinded * challenge)


def _challenge(
    form: Form, units: int, ciphertext: Ciphertext, public: Point, context: bytes, first: Point, second: Point
) -> int:
    transcript = Transcript(form.value)
    transcript.absorb_bytes(context)
    transcript.absorb_number(units)
    transcript.absorb_points(ciphertext.commitment, ciphertext.handle, public, first, second)
    return transcript.challenge()
