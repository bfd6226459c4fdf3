"""Hidden balances: opening a private account, deposits, withdrawals, transfers and what comes back of them.

A credit goes to `pending`, so that it never invalidates a proof that its owner has under way; the owner folds it in.
"""

from bitsage.schemas.hidden_commands import (
    ClaimPayment,
    CreditTransfer,
    Deposit,
    OpenPrivateAccount,
    ReturnTransfer,
    Transfer,
    Withdraw,
)
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    PrivateAccountOpened,
    TransferBounced,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.types import EventBody

from .account_state import Account, payment_mark, transfer_mark
from .hidden import (
    HIDDEN_MAX,
    RECIPIENT,
    SENDER,
    handle,
    is_sequence,
    readers,
    transfer_context,
    units_of,
    withdrawal_context,
)
from .model import Command, Local, Rules
from .refusal import is_amount, rejected
from .views import account, worker


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """The events that answer a command about a hidden balance."""
    state = account(local)
    match command.body:
        case OpenPrivateAccount() as body:
            return _open(state, worker(local).payment_key, command, body, rules)
        case CreditTransfer() as body:
            return _credit(state, command, body, rules)
        case ReturnTransfer() as body:
            return _return(state, command, body, rules)
        case _ if not state.private.payment_key:
            return rejected(command, "no_private_account")
        case Deposit(amount=amount):
            return _deposit(state, command, amount, rules)
        case Withdraw() as body:
            return _withdraw(state, command, body, rules)
        case ClaimPayment(job_id=job_id):
            return _claim(state, command, job_id, rules)
        case Transfer() as body:
            return _transfer(state, command, body, rules)
    return rejected(command, "wrong_subject")


def _open(
    state: Account, registered: bytes, command: Command, body: OpenPrivateAccount, rules: Rules
) -> list[EventBody]:
    if not state.public_key:
        return rejected(command, "no_wallet")
    if state.private.payment_key:
        return rejected(command, "private_account_exists")
    if registered not in (b"", body.payment_key):
        return rejected(command, "payment_key_differs")
    if not rules.checks.key_proof(body.payment_key, body.key_proof, command.actor):
        return rejected(command, "key_proof_invalid")
    return [PrivateAccountOpened(payment_key=body.payment_key, key_proof=body.key_proof)]


def _deposit(state: Account, command: Command, amount: int, rules: Rules) -> list[EventBody]:
    units = units_of(amount)
    if not is_amount(amount) or amount >= HIDDEN_MAX:
        return rejected(command, "amount_out_of_range")
    if units is None:
        return rejected(command, "not_in_units")
    if amount > state.balance:
        return rejected(command, "insufficient_balance")
    available = rules.checks.deposited(state.private.available, units)
    return [Deposited(amount=amount, available=available, sequence=state.private.sequence + 1)]


def _withdraw(state: Account, command: Command, body: Withdraw, rules: Rules) -> list[EventBody]:
    units, own = units_of(body.amount), state.private
    if not is_amount(body.amount):
        return rejected(command, "amount_out_of_range")
    if units is None:
        return rejected(command, "not_in_units")
    if body.sequence != own.sequence:
        return rejected(command, "stale_sequence")
    context = withdrawal_context(rules, command.actor, own.sequence)
    remaining = rules.checks.withdrawal(
        body.proof, balance=own.available, key=own.payment_key, units=units, context=context
    )
    if remaining is None:
        return rejected(command, "withdrawal_invalid")
    return [Withdrawn(amount=body.amount, proof=body.proof, available=remaining, sequence=own.sequence + 1)]


def _claim(state: Account, command: Command, job_id: bytes | None, rules: Rules) -> list[EventBody]:
    own = state.private
    if job_id is not None and (reason := _why_not(state, job_id, rules)) is not None:
        return rejected(command, reason)
    if not own.waiting:
        return rejected(command, "nothing_pending")
    available = rules.checks.folded(own.available, own.pending)
    return [PaymentClaimed(available=available, sequence=own.sequence + 1, credit=own.credits)]


def _why_not(state: Account, job_id: bytes, rules: Rules) -> str | None:
    payment = state.payments.get(job_id)
    if payment is not None:
        return None if payment.credit else "not_encrypted_yet"
    # Declined assignments use up numbers of attempts, and none of the attempts.
    nonces = range(1, rules.parameters.attempts + rules.parameters.declines + 1)
    known = any(payment_mark(job_id, nonce) in state.marks for nonce in nonces)
    return "already_claimed" if known else "no_payment"


def _transfer(state: Account, command: Command, body: Transfer, rules: Rules) -> list[EventBody]:
    own = state.private
    if body.sequence != own.sequence:
        return rejected(command, "stale_sequence")
    verified = rules.checks.transfer(
        body.transfer,
        balance=own.available,
        sender_key=own.payment_key,
        recipients=readers(body.recipient_key, rules),
        factor=1,
        context=transfer_context(rules, command.actor, own.sequence, body.recipient),
    )
    if verified is None:
        return rejected(command, "transfer_invalid")
    ciphertext, remaining = verified
    return [
        TransferSent(
            recipient=body.recipient,
            recipient_key=body.recipient_key,
            transfer=body.transfer,
            ciphertext=ciphertext,
            available=remaining,
            sequence=own.sequence + 1,
        )
    ]


def _credit(state: Account, command: Command, body: CreditTransfer, rules: Rules) -> list[EventBody]:
    own = state.private
    if not is_sequence(body.transfer_sequence):
        return rejected(command, "malformed")
    if transfer_mark("in", body.sender, body.transfer_sequence) in state.marks:
        return rejected(command, "already_booked")
    if not own.payment_key or own.payment_key != body.recipient_key:
        return [TransferBounced(sender=body.sender, transfer_sequence=body.transfer_sequence)]
    ciphertext = handle(body.ciphertext, RECIPIENT)
    return [
        TransferReceived(
            sender=body.sender,
            transfer_sequence=body.transfer_sequence,
            ciphertext=ciphertext,
            pending=rules.checks.credited(own.pending, ciphertext, 1),
            credit=own.credits + 1,
        )
    ]


def _return(state: Account, command: Command, body: ReturnTransfer, rules: Rules) -> list[EventBody]:
    own = state.private
    if not is_sequence(body.transfer_sequence) or not own.payment_key:
        return rejected(command, "malformed")
    if transfer_mark("back", body.recipient, body.transfer_sequence) in state.marks:
        return rejected(command, "already_booked")
    ciphertext = handle(body.ciphertext, SENDER)
    return [
        TransferReturned(
            recipient=body.recipient,
            transfer_sequence=body.transfer_sequence,
            ciphertext=ciphertext,
            pending=rules.checks.credited(own.pending, ciphertext, 1),
            credit=own.credits + 1,
        )
    ]
