"""A ciphertext under one key turned into a fresh one under others: the escrow pays a worker or gives back.

    version 1 (1 byte) || recipients k (1 byte) || C', D'_1 .. D'_k || opening proof || equality proof

Without the fresh randomness the client, who knows the old one, could follow the money; without the equality proof the escrow
could pay another amount. The range is the source's, which was shown when the money went into escrow.
"""

import secrets
from collections.abc import Sequence

from fastecdsa.rust import Point

from .balances import holds_units
from .curve import POINT_BYTES, RandomBits, decode_point, random_scalar
from .elgamal import Ciphertext, PaymentKey, encrypt
from .errors import EncodingInvalid, PrivacyError, ProofInvalid
from .sameness import prove_sameness, sameness_equations, sameness_size
from .transcript import Transcript
from .verification import Batch, settle

LABEL = "BITSAGE_REENCRYPTION_V1"
MAX_RECIPIENTS = 8
_VERSION = 1


def reencryption_size(recipients: int) -> int:
    """Bytes of a re-encryption for so many recipients."""
    return 2 + POINT_BYTES * (1 + recipients) + sameness_size(recipients)


def make_reencryption(
    *,
    secret: int,
    ciphertext: bytes,
    units: int,
    recipients: Sequence[bytes],
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> bytes:
    """Encrypt what `ciphertext` (C || D under the secret's key) holds, which is `units`, for 1 to 8 public keys.

    `rng` is for published vectors only.

    Raises:
        EncodingInvalid: a key, the ciphertext or the secret does not have its form.
        AmountOutOfRange: units outside [0, 2^40).
        ProofInvalid: the ciphertext does not hold `units`.
    """
    key, source, publics = PaymentKey(secret), Ciphertext.from_bytes(ciphertext), _keys(recipients)
    fresh = random_scalar(rng)
    target = encrypt(units, publics, fresh)
    if not holds_units(source, key, units):
        raise ProofInvalid("ciphertext")
    digest = _digest(source, key.point, target, publics, context)
    proofs = prove_sameness(key, source, units, fresh, target, publics, digest, rng)
    return bytes([_VERSION, len(publics)]) + target.to_bytes() + proofs


def verify_reencryption(
    proof: bytes,
    *,
    ciphertext: bytes,
    key: bytes,
    recipients: Sequence[bytes],
    context: bytes,
    batch: Batch | None = None,
) -> bytes | None:
    """C' || D'_1 .. D'_k, or None if the re-encryption does not hold; with a batch it is checked there.

    Never raises on hostile bytes.
    """
    try:
        publics = _keys(recipients)
        if len(proof) != reencryption_size(len(publics)) or proof[:2] != bytes([_VERSION, len(publics)]):
            return None
        head = 2 + POINT_BYTES * (1 + len(publics))
        source, public = Ciphertext.from_bytes(ciphertext), decode_point(key)
        target = Ciphertext.from_bytes(proof[2:head], len(publics))
        digest = _digest(source, public, target, publics, context)
        equations = sameness_equations(proof[head:], source, public, target, publics, digest)
    except PrivacyError:
        return None
    return proof[2:head] if settle(equations, batch) else None


def _digest(
    source: Ciphertext, public: Point, target: Ciphertext, recipients: Sequence[Point], context: bytes
) -> bytes:
    transcript = Transcript(LABEL)
    transcript.absorb_bytes(context)
    transcript.absorb_number(len(recipients))
    transcript.absorb_points(source.commitment, source.handle, public, *recipients)
    transcript.absorb_points(target.commitment, *target.handles)
    return transcript.digest()


def _keys(recipients: Sequence[bytes]) -> tuple[Point, ...]:
    if not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise EncodingInvalid(f"a re-encryption has 1 to {MAX_RECIPIENTS} recipients")
    return tuple(map(decode_point, recipients))
