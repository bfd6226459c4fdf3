"""The verifications that deciders ask for (`processors.model.Checks`), by the rooms that know how."""

import blake3

from bitsage.obelysk import CountedJob, JobInputInvalid, JobTypeFailed, UnknownJobType, failures_named, get_job_type
from bitsage.privacy import (
    Batch,
    PaymentBundle,
    combined,
    credited,
    deposited,
    verify_key_proof,
    verify_payment,
    verify_reencryption,
    verify_transfer,
    verify_withdrawal,
)
from bitsage.processors.benchmark import ROWS_MAX
from bitsage.processors.model import PaymentContext

from .jobwork import request_of

_COMMITMENT = b"bitsage proof commitment v1"


class ProductChecks:
    """Job inputs by obelysk, keys and payments by privacy. Never raises on hostile bytes.

    With a batch, proofs about hidden amounts are left to it: what they show counts once the batch holds.
    """

    def __init__(self, batch: Batch | None = None) -> None:
        self._batch = batch

    def job_input(self, job_type: str, job_input: str) -> tuple[str, str] | None:
        """None when the input suits the job type, else (reason code, sentence)."""
        try:
            with failures_named(job_type):
                found = get_job_type(job_type)
                found.validate(request_of(found, job_input))
        except JobInputInvalid as error:
            return f"input_{error.reason}", str(error)
        except UnknownJobType as error:
            return "unknown_job_type", str(error)
        except JobTypeFailed as error:
            return error.code, str(error)
        except MemoryError:
            return JobTypeFailed.code, f"the job type {job_type[:64]!r} ran out of memory on the input"
        return None

    def job_rows(self, job_type: str, job_input: str) -> int:
        """How many rows a proof of this valid input has, or may have; 1 where the job type does not say."""
        try:
            with failures_named(job_type):
                found = get_job_type(job_type)
                rows = found.rows(request_of(found, job_input)) if isinstance(found, CountedJob) else 1
        except (JobInputInvalid, UnknownJobType, JobTypeFailed, MemoryError):
            return 1
        return min(max(rows, 1), ROWS_MAX) if type(rows) is int else 1

    def key_proof(self, payment_key: bytes, key_proof: bytes, worker: bytes) -> bool:
        """Whether the proof shows knowledge of the payment key's secret, bound to the worker's address."""
        return verify_key_proof(payment_key, key_proof, worker)

    def payment(self, payment: bytes, payment_key: bytes, amount: int, context: PaymentContext) -> bytes | None:
        """The payment's ciphertext, if it holds exactly `amount` base units, bound to the context."""
        holds = verify_payment(
            payment,
            payment_key=payment_key,
            amount=amount,
            proof_commitment=context.proof_commitment,
            job_id=context.job_id,
            payment_nonce=context.payment_nonce,
            worker=context.worker,
        )
        return PaymentBundle.from_bytes(payment).ciphertext.to_bytes() if holds else None

    def deposited(self, balance: bytes, units: int) -> bytes:
        """The hidden balance with a public number of units more."""
        return deposited(balance, units)

    def credited(self, balance: bytes, ciphertext: bytes, factor: int) -> bytes:
        """The hidden balance with `factor` times a ciphertext more."""
        return credited(balance, ciphertext, factor)

    def folded(self, balance: bytes, other: bytes) -> bytes:
        """The sum of two hidden balances under one key."""
        return combined(balance, other)

    def transfer(
        self,
        transfer: bytes,
        *,
        balance: bytes,
        sender_key: bytes,
        recipients: list[bytes],
        factor: int,
        context: bytes,
    ) -> tuple[bytes, bytes] | None:
        """(ciphertext, balance that remains), if the transfer's proofs hold."""
        found = verify_transfer(
            transfer,
            balance=balance,
            sender_key=sender_key,
            recipients=recipients,
            factor=factor,
            context=context,
            batch=self._batch,
        )
        return None if found is None else (found.amount, found.remaining)

    def withdrawal(self, proof: bytes, *, balance: bytes, key: bytes, units: int, context: bytes) -> bytes | None:
        """The hidden balance that remains, if the withdrawal's proofs hold."""
        return verify_withdrawal(proof, balance=balance, key=key, units=units, context=context, batch=self._batch)

    def reencryption(
        self, proof: bytes, *, ciphertext: bytes, key: bytes, recipients: list[bytes], context: bytes
    ) -> bytes | None:
        """The ciphertext for the recipients, if it provably has what `ciphertext` under `key` has."""
        return verify_reencryption(
            proof, ciphertext=ciphertext, key=key, recipients=recipients, context=context, batch=self._batch
        )

    def proof_commitment(self, proof_hash: bytes, job_id: bytes, worker: bytes) -> bytes:
        """blake3(domain || proof_hash || job_id || worker)."""
        return blake3.blake3(_COMMITMENT + proof_hash + job_id + worker).digest()
