"""An encrypted payment, its claim, and the registration of a payment key, as the bytes that travel in events.

payment = version 1 (1 byte) || C || D || opening proof || value proof (sender form): 481 bytes
claim   = value proof (receiver form): 160 bytes; key proof: 96 bytes; public key: 64 bytes
context = purpose || proof_commitment || job_id || nonce || worker, absorbed by every challenge
"""

import contextlib
import secrets
from dataclasses import dataclass
from typing import ClassVar, Self

from fastecdsa.rust import Point

from .curve import RandomBits, decode_point, random_scalar
from .dlog import DiscreteLog, decrypt, shared_table
from .elgamal import UNIT, Ciphertext, PaymentKey, encrypt, to_units
from .errors import EncodingInvalid, NotDecryptable, PrivacyError, ProofInvalid
from .key_proof import KeyProof, prove_key, verify_key
from .opening_proof import OpeningProof, prove_opening, verify_opening
from .value_proof import Form, ValueProof, prove_value_as_receiver, prove_value_as_sender, verify_value

_VERSION = b"\x01"
_CIPHERTEXT_BYTES = 128
_OPENING_BYTES = OpeningProof.size()
_PAYMENT, _CLAIM, _KEY = b"payment\0", b"claim\0\0\0", b"key\0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class PaymentBundle:
    """A ciphertext for one worker with the proofs that it is well formed and holds the amount that is due."""

    ciphertext: Ciphertext
    opening: OpeningProof
    value: ValueProof

    SIZE: ClassVar[int] = 1 + _CIPHERTEXT_BYTES + _OPENING_BYTES + ValueProof.SIZE

    def to_bytes(self) -> bytes:
        """Version, ciphertext, opening proof, value proof."""
        return _VERSION + self.ciphertext.to_bytes() + self.opening.to_bytes() + self.value.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            EncodingInvalid: anything else.
        """
        if len(data) != cls.SIZE:
            raise EncodingInvalid(f"a payment has {cls.SIZE} bytes, not {len(data)}")
        if data[:1] != _VERSION:
            raise EncodingInvalid("the payment's version is not known")
        opening_at = 1 + _CIPHERTEXT_BYTES
        value_at = opening_at + _OPENING_BYTES
        return cls(
            Ciphertext.from_bytes(data[1:opening_at]),
            OpeningProof.from_bytes(data[opening_at:value_at]),
            ValueProof.from_bytes(data[value_at:]),
        )


def make_payment(
    *,
    amount: int,
    payment_key: bytes,
    proof_commitment: bytes,
    job_id: bytes,
    payment_nonce: int,
    worker: bytes,
    rng: RandomBits = secrets.randbits,
) -> bytes:
    """Encrypt `amount` base units under the worker's payment key, with its proofs; 481 bytes.

    proof_commitment and worker are 32 bytes, job_id is 16, payment_nonce lies in [0, 2^64).
    `rng` is for published vectors only.

    Raises:
        AmountNotInUnits, AmountOutOfRange: the amount cannot be encrypted.
        EncodingInvalid: a key or a part of the context does not have its form.
    """
    units, public = to_units(amount), decode_point(payment_key)
    context = _context(_PAYMENT, proof_commitment, job_id, payment_nonce, worker)
    randomness = random_scalar(rng)
    ciphertext = encrypt(units, [public], randomness)
    opening = prove_opening(units, randomness, ciphertext, [public], context, rng)
    value = prove_value_as_sender(units, randomness, ciphertext, public, context, rng)
    return PaymentBundle(ciphertext, opening, value).to_bytes()


def verify_payment(
    payment: bytes,
    *,
    payment_key: bytes,
    amount: int,
    proof_commitment: bytes,
    job_id: bytes,
    payment_nonce: int,
    worker: bytes,
) -> bool:
    """Whether `payment` is an encryption of exactly `amount` base units under the key, bound to all of the rest.

    Never raises on hostile values: whatever is malformed is False.
    """
    try:
        bundle, public, units = PaymentBundle.from_bytes(payment), decode_point(payment_key), to_units(amount)
        context = _context(_PAYMENT, proof_commitment, job_id, payment_nonce, worker)
        return _holds(bundle, public, units, context)
    except PrivacyError:
        return False


def decrypt_payment(payment: bytes, secret: int, *, hint: int | None = None, table: DiscreteLog | None = None) -> int:
    """The amount of a payment in base units. `hint`, also in base units, is tried first.

    Any other amount is searched for with `table`, by default the shared one (`dlog.shared_table`).

    Raises:
        EncodingInvalid: malformed payment or secret.
        AmountInvalid: the hint is no amount that can be encrypted.
        NotDecryptable: not for this secret, or not below 2^40 units.
    """
    bundle, key = PaymentBundle.from_bytes(payment), PaymentKey(secret)
    if hint is not None:
        with contextlib.suppress(NotDecryptable):
            return decrypt(key, bundle.ciphertext, hint=to_units(hint)) * UNIT
    return decrypt(key, bundle.ciphertext, table=table or shared_table()) * UNIT


def make_claim(
    payment: bytes,
    secret: int,
    *,
    amount: int,
    proof_commitment: bytes,
    job_id: bytes,
    payment_nonce: int,
    worker: bytes,
    rng: RandomBits = secrets.randbits,
) -> bytes:
    """Prove with the payment secret that `payment` holds `amount` base units; 160 bytes.

    `rng` is for published vectors only.

    Raises:
        EncodingInvalid, AmountNotInUnits, AmountOutOfRange: malformed parts.
        ProofInvalid: the payment does not hold this amount under this secret.
    """
    key, bundle, units = PaymentKey(secret), PaymentBundle.from_bytes(payment), to_units(amount)
    context = _context(_CLAIM, proof_commitment, job_id, payment_nonce, worker)
    proof = prove_value_as_receiver(units, key, bundle.ciphertext, context, rng)
    if not verify_value(Form.RECEIVER, proof, units, bundle.ciphertext, key.point, context):
        raise ProofInvalid("claim")
    return proof.to_bytes()


def verify_claim(
    payment: bytes,
    proof: bytes,
    *,
    payment_key: bytes,
    amount: int,
    proof_commitment: bytes,
    job_id: bytes,
    payment_nonce: int,
    worker: bytes,
) -> bool:
    """Whether `proof` shows that `payment` opens to `amount` base units, bound to all of the rest.

    Never raises on hostile values: whatever is malformed is False.
    """
    try:
        bundle, public, units = PaymentBundle.from_bytes(payment), decode_point(payment_key), to_units(amount)
        context = _context(_CLAIM, proof_commitment, job_id, payment_nonce, worker)
        claim = ValueProof.from_bytes(proof)
        return verify_value(Form.RECEIVER, claim, units, bundle.ciphertext, public, context)
    except PrivacyError:
        return False


def payment_public_key(secret: int) -> bytes:
    """The 64-byte public key of a payment secret.

    Raises:
        EncodingInvalid: the secret is not in [1, n).
    """
    return PaymentKey(secret).public


def make_key_proof(secret: int, worker: bytes, rng: RandomBits = secrets.randbits) -> bytes:
    """Prove knowledge of the payment secret, bound to the worker's 32-byte address; 96 bytes.

    Raises:
        EncodingInvalid: the secret is not in [1, n), or the address does not have its form.
    """
    return prove_key(PaymentKey(secret), _key_context(worker), rng).to_bytes()


def verify_key_proof(payment_key: bytes, key_proof: bytes, worker: bytes) -> bool:
    """Whether the proof shows knowledge of the key's secret, bound to the worker's address. Never raises."""
    try:
        public, proof = decode_point(payment_key), KeyProof.from_bytes(key_proof)
        return verify_key(proof, public, _key_context(worker))
    except PrivacyError:
        return False


def _holds(bundle: PaymentBundle, public: Point, units: int, context: bytes) -> bool:
    return verify_opening(bundle.opening, bundle.ciphertext, [public], context) and verify_value(
        Form.SENDER, bundle.value, units, bundle.ciphertext, public, context
    )


def _key_context(worker: bytes) -> bytes:
    if len(worker) != 32:
        raise EncodingInvalid("an address has 32 bytes")
    return _KEY + worker


def _context(purpose: bytes, proof_commitment: bytes, job_id: bytes, payment_nonce: int, worker: bytes) -> bytes:
    if (len(proof_commitment), len(job_id), len(worker)) != (32, 16, 32):
        raise EncodingInvalid("the context needs 32 bytes of proof commitment, 16 of job id and 32 of address")
    if not 0 <= payment_nonce < 1 << 64:
        raise EncodingInvalid("the payment's nonce is not below 2^64")
    return purpose + proof_commitment + job_id + payment_nonce.to_bytes(8, "big") + worker
