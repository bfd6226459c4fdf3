"""Proof `equality`: two ciphertexts hold the same amount (privacy specification, section 3).

The source (C, D) is under P, whose secret s the prover knows; the target (C', D') is under P', and the prover knows its
randomness r. Both hold one amount if C - s*D = C' - r*H, where H = s*P and D' = r*P'.

Announce A = k*P, B = k*D - l*H, E = l*P'; c = challenge(context, C, D, P, C', D', P', A, B, E); z_s = k + c*s,
z_r = l + c*r. Check z_s*P = A + c*H, z_s*D - z_r*H = B + c*(C - C') and z_r*P' = E + c*D'.

The source may be a sum that the verifier computed, so its points may be infinity (a balance of public deposits has no
handle). That C' commits to an amount with this r is the opening proof's to show; the two go together.
"""

import secrets
from dataclasses import dataclass
from typing import ClassVar, Self

from fastecdsa.rust import Point

from .curve import ORDER, RandomBits, decode_scalar, encode_point, encode_scalar, is_identity, random_scalar
from .elgamal import Ciphertext, PaymentKey, decode_points
from .equations import Equation, holds
from .errors import EncodingInvalid
from .fixed_base import times_h
from .generators import BASE_H
from .transcript import Transcript

LABEL = "BITSAGE_EQUALITY_V1"


@dataclass(frozen=True, slots=True)
class EqualityProof:
    """Announcements A, B, E and responses z_s, z_r: 256 bytes."""

    key_announcement: Point
    amount_announcement: Point
    handle_announcement: Point
    secret_response: int
    randomness_response: int

    SIZE: ClassVar[int] = 256

    def to_bytes(self) -> bytes:
        """A, B, E, z_s, z_r."""
        points = (self.key_announcement, self.amount_announcement, self.handle_announcement)
        responses = encode_scalar(self.secret_response) + encode_scalar(self.randomness_response)
        return b"".join(map(encode_point, points)) + responses

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            EncodingInvalid: anything else.
        """
        if len(data) != cls.SIZE:
            raise EncodingInvalid(f"an equality proof has {cls.SIZE} bytes, not {len(data)}")
        first, second, third = decode_points(data[:192], 3)
        return cls(first, second, third, decode_scalar(data[192:224]), decode_scalar(data[224:]))


def prove_equality(
    key: PaymentKey,
    source: Ciphertext,
    randomness: int,
    target: Ciphertext,
    recipient: Point,
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> EqualityProof:
    """Show that `source` under the key and `target`, made with `randomness`, hold one amount.

    `recipient` is the public key of the target's first handle. `rng` is for published vectors only.
    """
    k, nonce = random_scalar(rng), random_scalar(rng)
    announced = key.point * k, source.handle * k - times_h(nonce), recipient * nonce
    c = _challenge(source, key.point, target, recipient, context, *announced)
    return EqualityProof(*announced, (k + c * key.secret) % ORDER, (nonce + c * randomness) % ORDER)


def verify_equality(
    proof: EqualityProof, source: Ciphertext, public: Point, target: Ciphertext, recipient: Point, context: bytes
) -> bool:
    """Whether the proof holds for both ciphertexts, both keys and the context."""
    equations = equality_equations(proof, source, public, target, recipient, context)
    return equations is not None and holds(equations)


def equality_equations(
    proof: EqualityProof, source: Ciphertext, public: Point, target: Ciphertext, recipient: Point, context: bytes
) -> list[Equation] | None:
    """What holds exactly if the proof does; None for a proof that is refused at sight."""
    first, second, third = proof.key_announcement, proof.amount_announcement, proof.handle_announcement
    if any(map(is_identity, (public, recipient, target.commitment, target.handle, first, second, third))):
        return None
    z_s, z_r = proof.secret_response, proof.randomness_response
    if not (0 < z_s < ORDER and 0 < z_r < ORDER):
        return None
    c = _challenge(source, public, target, recipient, context, first, second, third)
    return [
        Equation({BASE_H: -c}, [(z_s, public), (-1, first)]),
        Equation({BASE_H: -z_r}, [(z_s, source.handle), (-1, second), (-c, source.commitment), (c, target.commitment)]),
        Equation({}, [(z_r, recipient), (-1, third), (-c, target.handle)]),
    ]


def _challenge(
    source: Ciphertext,
    public: Point,
    target: Ciphertext,
    recipient: Point,
    context: bytes,
    first: Point,
    second: Point,
    third: Point,
) -> int:
    transcript = Transcript(LABEL)
    transcript.absorb_bytes(context)
    transcript.absorb_computed(source.commitment, source.handle)
    transcript.absorb_points(public, target.commitment, target.handle, recipient, first, second, third)
    return transcript.challenge()
