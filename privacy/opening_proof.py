"""Proof `opening`: (C, D_1..D_k) is an encryption under P_1..P_k of one m with one r (privacy specification, section 3).

Announce A = a*G + b*H and B_i = b*P_i; c = challenge(context, k, C, D_i, P_i, A, B_i); z_m = a + c*m, z_r = b + c*r.
Check z_m*G + z_r*H = A + c*C and z_r*P_i = B_i + c*D_i for every i.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fastecdsa.rust import Point

from .curve import (
    ORDER,
    POINT_BYTES,
    SCALAR_BYTES,
    RandomBits,
    decode_scalar,
    encode_point,
    encode_scalar,
    is_identity,
    random_scalar,
)
from .elgamal import Ciphertext, decode_points
from .equations import Equation, holds
from .errors import EncodingInvalid
from .fixed_base import times_g, times_h
from .generators import BASE_G, BASE_H
from .transcript import Transcript

LABEL = "BITSAGE_OPENING_V1"


@dataclass(frozen=True, slots=True)
class OpeningProof:
    """Announcements A, B_1..B_k and responses z_m, z_r: 64 * (1 + k) + 64 bytes."""

    commitment_announcement: Point
    handle_announcements: tuple[Point, ...]
    amount_response: int
    randomness_response: int

    @staticmethod
    def size(recipients: int = 1) -> int:
        """Bytes of a proof for so many recipients."""
        return POINT_BYTES * (1 + recipients) + 2 * SCALAR_BYTES

    def to_bytes(self) -> bytes:
        """A, B_1..B_k, z_m, z_r."""
        points = b"".join(map(encode_point, (self.commitment_announcement, *self.handle_announcements)))
        return points + encode_scalar(self.amount_response) + encode_scalar(self.randomness_response)

    @classmethod
    def from_bytes(cls, data: bytes, recipients: int = 1) -> Self:
        """What `to_bytes` wrote.

        Raises:
            EncodingInvalid: anything else.
        """
        if len(data) != cls.size(recipients):
            raise EncodingInvalid(f"an opening proof has {cls.size(recipients)} bytes, not {len(data)}")
        first, *handles = decode_points(data[:-64], 1 + recipients)
        return cls(first, tuple(handles), decode_scalar(data[-64:-32]), decode_scalar(data[-32:]))


def prove_opening(
    units: int,
    randomness: int,
    ciphertext: Ciphertext,
    recipients: Sequence[Point],
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> OpeningProof:
    """Show knowledge of what `ciphertext` was made of, bound to `context`. `rng` is for published vectors only."""
    a, b = random_scalar(rng), random_scalar(rng)
    first, handles = times_g(a) + times_h(b), tuple(key * b for key in recipients)
    challenge = _challenge(ciphertext, recipients, context, first, handles)
    return OpeningProof(first, handles, (a + challenge * units) % ORDER, (b + challenge * randomness) % ORDER)


def verify_opening(proof: OpeningProof, ciphertext: Ciphertext, recipients: Sequence[Point], context: bytes) -> bool:
    """Whether the proof holds for the ciphertext, the recipients' public keys in their order, and the context."""
    equations = opening_equations(proof, ciphertext, recipients, context)
    return equations is not None and holds(equations)


def opening_equations(
    proof: OpeningProof, ciphertext: Ciphertext, recipients: Sequence[Point], context: bytes
) -> list[Equation] | None:
    """What holds exactly if the proof does; None for a proof that is refused at sight."""
    if not len(recipients) == len(ciphertext.handles) == len(proof.handle_announcements) > 0:
        return None
    first, handles = proof.commitment_announcement, proof.handle_announcements
    if any(map(is_identity, (ciphertext.commitment, *ciphertext.handles, *recipients, first, *handles))):
        return None
    z_m, z_r = proof.amount_response, proof.randomness_response
    if not (0 < z_m < ORDER and 0 < z_r < ORDER):
        return None
    c = _challenge(ciphertext, recipients, context, first, handles)
    parts = zip(recipients, handles, ciphertext.handles, strict=True)
    return [
        Equation({BASE_G: z_m, BASE_H: z_r}, [(-1, first), (-c, ciphertext.commitment)]),
        *(Equation({}, [(z_r, key), (-1, announced), (-c, handle)]) for key, announced, handle in parts),
    ]


def _challenge(
    ciphertext: Ciphertext, recipients: Sequence[Point], context: bytes, first: Point, handles: Sequence[Point]
) -> int:
    transcript = Transcript(LABEL)
    transcript.absorb_bytes(context)
    transcript.absorb_number(len(recipients))
    transcript.absorb_points(ciphertext.commitment, *ciphertext.handles, *recipients, first, *handles)
    return transcript.challenge()
