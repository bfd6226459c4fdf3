"""How an account's own events change its hidden balance; the ciphertexts stand in the events."""

from dataclasses import replace

from bitsage.schemas.events import EscrowLocked, EscrowRefunded, PaymentDue, PaymentEncrypted
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    PrivateAccountOpened,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.types import EventBody

from .hidden import PrivateAccount


def evolve(state: PrivateAccount, body: EventBody) -> PrivateAccount:
    """The private account after one more event of its owner's account."""
    match body:
        case PrivateAccountOpened(payment_key=key):
            return replace(state, payment_key=key)
        case PaymentDue(payment_key=key) if not state.payment_key:
            # A worker's account opens with its first payment, under the key of its registration.
            return replace(state, payment_key=key)
        case Deposited() | Withdrawn() | TransferSent():
            return replace(state, available=body.available, sequence=body.sequence)
        case EscrowLocked(ciphertext=ciphertext) if ciphertext:
            return replace(state, available=body.available, sequence=body.sequence)
        case PaymentClaimed(available=available, sequence=sequence, credit=credit):
            return replace(state, available=available, pending=b"", sequence=sequence, folded=credit)
        case TransferReceived() | TransferReturned():
            return replace(state, pending=body.pending, credits=body.credit)
        case EscrowRefunded() | PaymentEncrypted() if body.credit:
            return replace(state, pending=body.pending, credits=body.credit)
    return state
