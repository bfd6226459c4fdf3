"""Encrypted payments: twisted ElGamal on the STARK curve and the proofs that tie a ciphertext to what is due.

Hidden amounts: `balances` adds up encrypted balances; transfers, withdrawals and re-encryptions change them with proofs;
`supply` adds up their commitments; a `Batch` checks many proofs as one. Public amounts: `make_payment`, `verify_payment`,
`decrypt_payment`, `make_claim` and `verify_claim`. All of them speak the bytes that travel in events; the modules below them
hold the curve, the encryption, the transcript and one file for each proof.
"""

from . import errors
from .balances import EMPTY, combined, credited, decrypt_balance, deposited, scaled
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
from .reencryption import make_reencryption, verify_reencryption
from .supply import CommitmentSum, commitment, reencryption_shift, transfer_shift, withdrawal_shift
from .transfers import Transfer, make_transfer, verify_transfer
from .verification import Batch
from .withdrawals import make_withdrawal, verify_withdrawal

__all__ = [
    "BALANCE_BITS",
    "EMPTY",
    "PAYMENT_BITS",
    "UNIT",
    "Batch",
    "CommitmentSum",
    "DiscreteLog",
    "PaymentBundle",
    "PaymentKey",
    "Transfer",
    "combined",
    "commitment",
    "credited",
    "decrypt_balance",
    "decrypt_payment",
    "deposited",
    "errors",
    "make_claim",
    "make_key_proof",
    "make_payment",
    "make_reencryption",
    "make_transfer",
    "make_withdrawal",
    "payment_public_key",
    "reencryption_shift",
    "scaled",
    "to_units",
    "transfer_shift",
    "verify_claim",
    "verify_key_proof",
    "verify_payment",
    "verify_reencryption",
    "verify_transfer",
    "verify_withdrawal",
    "withdrawal_shift",
]
