"""Encrypted payments: twisted ElGamal on the STARK curve and the proofs that tie a ciphertext to what is due.

`make_payment`, `verify_payment`, `decrypt_payment`, `make_claim` and `verify_claim` speak the bytes that travel in events;
the modules below them hold the curve, the encryption, the transcript and one file for each proof.
"""

from . import errors
from .dlog import DiscreteLog
from .elgamal import BALANCE_BITS, PAYMENT_BITS, UNIT, PaymentKey, to_units
from .payments import (
    PaymentBundle,
    decrypt_payment,
    make_claim,
    make_key_proof,
    make_payment,
    payment_public_key,
    verify_claim,
    verify_key_proof,
    verify_payment,
)

__all__ = [
    "BALANCE_BITS",
    "PAYMENT_BITS",
    "UNIT",
    "DiscreteLog",
    "PaymentBundle",
    "PaymentKey",
    "errors",
    "make_claim",
    "make_key_proof",
    "make_payment",
    "decrypt_payment",
    "payment_public_key",
    "to_units",
    "verify_claim",
    "verify_key_proof",
    "verify_payment",
]
