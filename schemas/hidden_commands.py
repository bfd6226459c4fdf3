"""Commands about hidden amounts. `sequence` is the account's as its owner knew it: another one means that it moved on."""

from dataclasses import dataclass

from .types import Amount, Bytes16, Bytes32, CommandBody


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPrivateAccount(CommandBody):
    """Hold hidden amounts under `payment_key`; `key_proof` shows that the signer knows its secret."""

    payment_key: bytes
    key_proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit(CommandBody):
    """Move a public amount from the balance into the hidden one."""

    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw(CommandBody):
    """Move a public amount from the hidden balance back."""

    amount: Amount
    sequence: int
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPayment(CommandBody):
    """Fold what arrived into the available hidden balance; with `job_id` only if that job's payment is among it."""

    job_id: Bytes16 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(CommandBody):
    """Move a hidden amount to another account, whose payment key the sender names."""

    recipient: Bytes32
    recipient_key: bytes
    sequence: int
    transfer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransfer(CommandBody):
    """A transfer for the subject. `ciphertext`: C and the handles of sender and recipient."""

    sender: Bytes32
    transfer_sequence: int
    recipient_key: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnTransfer(CommandBody):
    """A transfer of the subject that its recipient could not take. `ciphertext`: C and the sender's handle."""

    recipient: Bytes32
    transfer_sequence: int
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePrice(CommandBody):
    """The sealed price for the worker of an attempt, under that worker's payment key."""

    attempt: int
    worker: Bytes32
    payment_key: bytes
    proof: bytes
