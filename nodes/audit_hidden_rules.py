"""What every event about hidden amounts has to follow from: one rule for each kind, for `audit_privacy`.

A rule says what is wrong with an event, given its account before it; None when nothing is.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitsage.processors.account_state import Account, transfer_mark
from bitsage.processors.hidden import (
    CLIENT,
    ESCROW,
    RECIPIENT,
    SENDER,
    escrow_context,
    handle,
    payment_context,
    price_context,
    readers,
    shares,
    transfer_context,
    units_of,
    withdrawal_context,
)
from bitsage.processors.model import TREASURY, PaymentContext, account_subject
from bitsage.processors.payments import worker_address
from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    PaymentDue,
    PaymentEncrypted,
)
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    PriceShared,
    PrivateAccountOpened,
    TransferBounced,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)

if TYPE_CHECKING:
    from .audit_privacy import PrivacyAudit

Rule = Callable[["PrivacyAudit", Account, str, Any], str | None]


def _opened(audit: "PrivacyAudit", state: Account, subject: str, body: PrivateAccountOpened) -> str | None:
    if state.private.payment_key:
        return "the account is open already"
    good = audit.rules.checks.key_proof(body.payment_key, body.key_proof, worker_address(subject))
    return None if good else "its proof does not hold"


def _deposited(audit: "PrivacyAudit", state: Account, subject: str, body: Deposited) -> str | None:
    units = units_of(body.amount)
    left = None if not units else audit.rules.checks.deposited(state.private.available, units)
    return audit.spent(state, body, left)


def _withdrawn(audit: "PrivacyAudit", state: Account, subject: str, body: Withdrawn) -> str | None:
    units, own = units_of(body.amount), state.private
    if not units:
        return "it is no amount of whole units"
    context = withdrawal_context(audit.rules, worker_address(subject), own.sequence)
    left = audit.rules.checks.withdrawal(
        body.proof, balance=own.available, key=own.payment_key, units=units, context=context
    )
    return audit.spent(state, body, left)


def _moved(
    audit: "PrivacyAudit", state: Account, body: EscrowLocked | TransferSent, to: bytes, factor: int, context: bytes
) -> str | None:
    own = state.private
    found = audit.rules.checks.transfer(
        body.transfer,
        balance=own.available,
        sender_key=own.payment_key,
        recipients=readers(to, audit.rules),
        factor=factor,
        context=context,
    )
    if found is not None and found[0] != body.ciphertext:
        return "its ciphertext is not that of its proof"
    return audit.spent(state, body, None if found is None else found[1])


def _locked(audit: "PrivacyAudit", state: Account, subject: str, body: EscrowLocked) -> str | None:
    if not body.transfer:
        return None if not body.ciphertext else "its proof is missing"
    if body.amount:
        return "a sealed price has no public amount"
    context = escrow_context(audit.rules, worker_address(subject), state.private.sequence)
    factor = shares(audit.network.parameters).price
    return _moved(audit, state, body, audit.rules.escrow_key, factor, context)


def _sent(audit: "PrivacyAudit", state: Account, subject: str, body: TransferSent) -> str | None:
    context = transfer_context(audit.rules, worker_address(subject), state.private.sequence, body.recipient)
    return _moved(audit, state, body, body.recipient_key, 1, context)


def _released(audit: "PrivacyAudit", state: Account, subject: str, body: EscrowReleased) -> str | None:
    sealed = state.sealed.get(body.job_id)
    wanted = b"" if sealed is None else handle(sealed, ESCROW)
    return None if body.ciphertext == wanted else "it is not what was locked"


def _refunded(audit: "PrivacyAudit", state: Account, subject: str, body: EscrowRefunded) -> str | None:
    sealed = state.sealed.get(body.job_id)
    if sealed is None:
        return None if not body.credit and not body.ciphertext else "no sealed price was locked"
    factor = shares(audit.network.parameters).price
    return audit.arrived(state, body, handle(sealed, CLIENT), factor) if body.amount == 0 else "it has two amounts"


def _due(audit: "PrivacyAudit", state: Account, subject: str, body: PaymentDue) -> str | None:
    if state.private.payment_key:
        return None if body.payment_key == state.private.payment_key else "it is under another key than the account"
    known = audit.is_key_of(worker_address(subject), body.payment_key)
    return None if known else "it is under a key that the worker never registered"


def _encrypted(audit: "PrivacyAudit", state: Account, subject: str, body: PaymentEncrypted) -> str | None:
    due, worker = state.payments.get(body.job_id), worker_address(subject)
    if due is None or due.credit:
        return "nothing was due, or it was paid before"
    bound = (due.payment_nonce, due.proof_commitment)
    if (body.payment_nonce, body.proof_commitment) != bound:
        return "it is bound to another proof than the payment that was due"
    if not due.ciphertext:
        context = PaymentContext(due.proof_commitment, body.job_id, due.payment_nonce, worker)
        paid = audit.rules.checks.payment(body.payment, due.payment_key, due.amount, context)
        return "its proof does not hold" if paid is None else audit.arrived(state, body, paid)
    paid = audit.rules.checks.reencryption(
        body.payment,
        ciphertext=due.ciphertext,
        key=audit.rules.escrow_key,
        recipients=[due.payment_key],
        context=payment_context(audit.rules, due.proof_commitment, body.job_id, due.payment_nonce, worker),
    )
    if paid is None:
        return "its proof does not hold"
    return audit.arrived(state, body, paid, shares(audit.network.parameters).worker)


def _claimed(audit: "PrivacyAudit", state: Account, subject: str, body: PaymentClaimed) -> str | None:
    own = state.private
    if body.credit != own.credits or not own.waiting:
        return "it does not fold what was pending"
    return audit.spent(state, body, audit.rules.checks.folded(own.available, own.pending))


def _received(audit: "PrivacyAudit", state: Account, subject: str, body: TransferReceived) -> str | None:
    left = audit.sent(account_subject(body.sender), body.transfer_sequence)
    if left is None or account_subject(left.recipient) != subject or left.recipient_key != state.private.payment_key:
        return "no such transfer was sent to it"
    if transfer_mark("in", body.sender, body.transfer_sequence) in state.marks:
        return "it arrived before, or was turned away"
    return audit.arrived(state, body, handle(left.ciphertext, RECIPIENT))


def _bounced(audit: "PrivacyAudit", state: Account, subject: str, body: TransferBounced) -> str | None:
    left = audit.sent(account_subject(body.sender), body.transfer_sequence)
    if left is None or account_subject(left.recipient) != subject or left.recipient_key == state.private.payment_key:
        return "no transfer that it had to turn away was sent to it"
    again = transfer_mark("in", body.sender, body.transfer_sequence) in state.marks
    return "it arrived before, or was turned away" if again else None


def _returned(audit: "PrivacyAudit", state: Account, subject: str, body: TransferReturned) -> str | None:
    left = audit.sent(subject, body.transfer_sequence)
    recipient, sender = account_subject(body.recipient), worker_address(subject)
    if left is None or left.recipient != body.recipient:
        return "it never left"
    if not audit.bounced(recipient, sender, body.transfer_sequence):
        return "its recipient did not turn it away"
    if transfer_mark("back", body.recipient, body.transfer_sequence) in state.marks:
        return "it came back before"
    return audit.arrived(state, body, handle(left.ciphertext, SENDER))


def _fees(audit: "PrivacyAudit", state: Account, subject: str, body: FeesDistributed) -> str | None:
    if not body.ciphertext:
        return None if not body.sealed_fees else "it changes the sealed sum without a sealed fee"
    if subject != TREASURY or body.amount:
        return "a sealed fee is the treasury's and has no public amount"
    total = audit.rules.checks.credited(audit.sealed_fees, body.ciphertext, 1)
    return None if body.sealed_fees == total else "the sum after it is another"


def _shared(audit: "PrivacyAudit", state: Account, subject: str, body: PriceShared) -> str | None:
    price = audit.price(body.job_id)
    if not price or subject != body.job_id.hex() or not audit.is_key_of(body.worker, body.payment_key):
        return "it is no sealed price, or under a key that the worker never registered"
    found = audit.rules.checks.reencryption(
        body.proof,
        ciphertext=price,
        key=audit.rules.escrow_key,
        recipients=[body.payment_key],
        context=price_context(audit.rules, body.job_id, body.attempt, body.worker),
    )
    return None if found is not None and found == body.ciphertext else "its proof does not hold"


CHECKED: dict[type, Rule] = {
    PrivateAccountOpened: _opened,
    Deposited: _deposited,
    Withdrawn: _withdrawn,
    EscrowLocked: _locked,
    EscrowReleased: _released,
    EscrowRefunded: _refunded,
    TransferSent: _sent,
    TransferReceived: _received,
    TransferBounced: _bounced,
    TransferReturned: _returned,
    PaymentDue: _due,
    PaymentEncrypted: _encrypted,
    PaymentClaimed: _claimed,
    FeesDistributed: _fees,
    PriceShared: _shared,
}
