"""A hidden balance added up from its account's own events, as its owner reads them: for sums that no search would find.

Every amount by itself is public or below 2^40 units, as its proofs show, so its owner finds each of them within a second,
however large their sum has become.
"""

from collections.abc import Callable, Iterable

from bitsage.privacy import UNIT
from bitsage.processors.hidden import CLIENT, SENDER, PrivateAccount, handle, shares
from bitsage.processors.private_state import evolve
from bitsage.schemas.events import EscrowLocked, EscrowRefunded, PaymentDue, PaymentEncrypted
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import EventBody


def balances_by_events(
    bodies: Iterable[EventBody], units: Callable[[bytes], int], parameters: Parameters
) -> dict[bytes, int]:
    """Every balance that the account ever held, available or pending, and its units.

    Args:
        bodies: all events of one account in `accounts`, in their order.
        units: reads a ciphertext (C and the owner's handle) of less than 2^40 units; what it raises is passed on.
        parameters: the network's, for the split of sealed prices.
    """
    split = shares(parameters)
    state, available, pending = PrivateAccount(), 0, 0
    sealed: set[tuple[bytes, int]] = set()
    found: dict[bytes, int] = {}

    for body in bodies:
        match body:
            case Deposited(amount=amount):
                available += amount // UNIT
            case Withdrawn(amount=amount):
                available -= amount // UNIT
            case TransferSent(ciphertext=ciphertext):
                available -= units(handle(ciphertext, SENDER))
            case EscrowLocked(ciphertext=ciphertext) if ciphertext:
                available -= split.price * units(handle(ciphertext, CLIENT))
            case PaymentClaimed():
                available, pending = available + pending, 0
            case TransferReceived(ciphertext=ciphertext) | TransferReturned(ciphertext=ciphertext):
                pending += units(ciphertext)
            case EscrowRefunded(ciphertext=ciphertext) if ciphertext:
                pending += split.price * units(ciphertext)
            case PaymentDue(job_id=job_id, payment_nonce=nonce, ciphertext=ciphertext) if ciphertext:
                sealed.add((job_id, nonce))
            case PaymentEncrypted(job_id=job_id, payment_nonce=nonce, ciphertext=ciphertext) if body.credit:
                pending += units(ciphertext) * (split.worker if (job_id, nonce) in sealed else 1)
        state = evolve(state, body)
        found[state.available], found[state.pending] = available, pending
    return found
