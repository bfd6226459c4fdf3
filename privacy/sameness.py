"""A target ciphertext, made afresh, that holds what a source holds: opening proof of the target, then the equality proof.

The opening proof shows that every recipient can decrypt the target and that its maker knows the amount and the randomness;
the equality proof shows that the amount is the source's. Bytes: opening proof || equality proof.
"""

import secrets
from collections.abc import Sequence

from fastecdsa.rust import Point

from .curve import RandomBits
from .elgamal import Ciphertext, PaymentKey
from .equality_proof import EqualityProof, equality_equations, prove_equality
from .equations import Equation
from .opening_proof import OpeningProof, opening_equations, prove_opening


def sameness_size(recipients: int = 1) -> int:
    """Bytes of both proofs."""
    return OpeningProof.size(recipients) + EqualityProof.SIZE


def prove_sameness(
    key: PaymentKey,
    source: Ciphertext,
    units: int,
    randomness: int,
    target: Ciphertext,
    recipients: Sequence[Point],
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> bytes:
    """Both proofs for a target of `units` made with `randomness`. `rng` is for published vectors only."""
    opening = prove_opening(units, randomness, target, recipients, context + b"opening", rng)
    equality = prove_equality(key, source, randomness, target, recipients[0], context + b"equality", rng)
    return opening.to_bytes() + equality.to_bytes()


def sameness_equations(
    data: bytes,
    source: Ciphertext,
    public: Point,
    target: Ciphertext,
    recipients: Sequence[Point],
    context: bytes,
) -> list[Equation] | None:
    """What holds exactly if both proofs do; None for proofs that are refused at sight.

    Raises:
        EncodingInvalid: the bytes are no such proofs.
    """
    split = OpeningProof.size(len(recipients))
    opening = OpeningProof.from_bytes(data[:split], len(recipients))
    equality = EqualityProof.from_bytes(data[split:])
    first = opening_equations(opening, target, recipients, context + b"opening")
    second = equality_equations(equality, source, public, target, recipients[0], context + b"equality")
    return None if first is None or second is None else first + second
