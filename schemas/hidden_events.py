"""Events of hidden amounts: private accounts, transfers between them, and a sealed price that is shared with a worker.

A ciphertext is a commitment C and one handle for each reader, 64 bytes each; `available` and `pending` are what the account
holds after the event. `sequence` counts the changes of `available`, `credit` those that arrived in `pending`.
"""

from dataclasses import dataclass

from .types import Amount, Bytes16, Bytes32, EventBody


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateAccountOpened(EventBody):
    """From now on the account can hold hidden amounts under `payment_key`."""

    payment_key: bytes
    key_proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited(EventBody):
    """A public amount went from the balance into the hidden one."""

    amount: Amount
    available: bytes
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(EventBody):
    """A public amount came back from the hidden balance; `proof` shows that what remains is not below zero."""

    amount: Amount
    proof: bytes
    available: bytes
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentClaimed(EventBody):
    """The owner folded `pending`, up to the credit with this number, into `available`."""

    available: bytes
    sequence: int
    credit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSent(EventBody):
    """A hidden amount left the account. `ciphertext`: C and the handles of sender, recipient and any auditor."""

    recipient: Bytes32
    recipient_key: bytes
    transfer: bytes
    ciphertext: bytes
    available: bytes
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReceived(EventBody):
    """A hidden amount arrived. `transfer_sequence` is the sender's sequence after TransferSent."""

    sender: Bytes32
    transfer_sequence: int
    ciphertext: bytes
    pending: bytes
    credit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferBounced(EventBody):
    """The account has no such payment key: the amount goes back to the sender."""

    sender: Bytes32
    transfer_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReturned(EventBody):
    """A transfer came back from a recipient that could not take it."""

    recipient: Bytes32
    transfer_sequence: int
    ciphertext: bytes
    pending: bytes
    credit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceShared(EventBody):
    """The sealed price, encrypted anew for the worker of the attempt; `proof` shows that it is the same price."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    payment_key: bytes
    proof: bytes
    ciphertext: bytes
