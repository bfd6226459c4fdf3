"""Proof `key`: knowledge of s with P = s^-1 * H, that is H = s*P (privacy specification, section 3).

Announce A = k*P; c = challenge(context, P, A); z = k + c*s. Check z*P = A + c*H.
"""

import secrets
from dataclasses import dataclass
from typing import ClassVar, Self

from fastecdsa.rust import Point

from .curve import (
    ORDER,
    RandomBits,
    decode_point,
    decode_scalar,
    encode_point,
    encode_scalar,
    is_identity,
    random_scalar,
)
from .elgamal import PaymentKey
from .errors import EncodingInvalid
from .fixed_base import times_h
from .transcript import Transcript

LABEL = "BITSAGE_KEY_V1"


@dataclass(frozen=True, slots=True)
class KeyProof:
    """Announcement A and response z: 96 bytes."""

    announcement: Point
    response: int

    SIZE: ClassVar[int] = 96

    def to_bytes(self) -> bytes:
        """A (64 bytes), z (32 bytes)."""
        return encode_point(self.announcement) + encode_scalar(self.response)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            EncodingInvalid: anything else.
        """
        if len(data) != cls.SIZE:
            raise EncodingInvalid(f"a key proof has {cls.SIZE} bytes, not {len(data)}")
        return cls(decode_point(data[:64]), decode_scalar(data[64:]))


def prove_key(key: PaymentKey, context: bytes, rng: RandomBits = secrets.randbits) -> KeyProof:
    """Show knowledge of the key's secret, bound to `context`. `rng` is for published vectors only."""
    nonce = random_scalar(rng)
    announcement = key.point * nonce
    challenge = _challenge(key.point, context, announcement)
    return KeyProof(announcement, (nonce + challenge * key.secret) % ORDER)


def verify_key(proof: KeyProof, public: Point, context: bytes) -> bool:
    """Whether the proof holds for the public key and the context."""
    if is_identity(public) or is_identity(proof.announcement) or not 0 < proof.response < ORDER:
        return False
    challenge = _challenge(public, context, proof.announcement)
    return bool(public * proof.response == proof.announcement + times_h(challenge))


def _challenge(public: Point, context: bytes, announcement: Point) -> int:
    transcript = Transcript(LABEL)
    transcript.absorb_bytes(context)
    transcript.absorb_points(public, announcement)
    return transcript.challenge()
