"""A worker's payments: due, then encrypted into its pending balance; each step once per (job id, nonce)."""

from bitsage.schemas.commands import OwePayment, PayWorker
from bitsage.schemas.events import PaymentDue, PaymentEncrypted
from bitsage.schemas.types import EventBody

from .account_state import Account, Payment, payment_mark
from .hidden import payment_context, shares
from .model import Command, Local, PaymentContext, Rules
from .refusal import is_amount, rejected
from .views import account, worker


def worker_address(subject: str) -> bytes:
    """The address behind an account's subject."""
    return bytes.fromhex(subject.removeprefix("0x"))


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """PaymentDue, PaymentEncrypted."""
    state = account(local)
    match command.body:
        case OwePayment() as body:
            return _owe(state, worker(local).payment_key, command, body)
        case PayWorker() as body:
            return _pay(state, command, body, rules)
    return rejected(command, "wrong_subject")


def _owe(state: Account, payment_key: bytes, command: Command, body: OwePayment) -> list[EventBody]:
    if payment_mark(body.job_id, body.payment_nonce) in state.marks or body.job_id in state.payments:
        return rejected(command, "already_booked")
    if body.amount != 0 if body.ciphertext else not is_amount(body.amount):
        return rejected(command, "amount_out_of_range")
    return [
        PaymentDue(
            job_id=body.job_id,
            worker=worker_address(command.subject),
            amount=body.amount,
            # The account's own key, once it has one, is the registered one.
            payment_key=state.private.payment_key or payment_key,
            proof_commitment=body.proof_commitment,
            payment_nonce=body.payment_nonce,
            ciphertext=body.ciphertext,
        )
    ]


def _pay(state: Account, command: Command, body: PayWorker, rules: Rules) -> list[EventBody]:
    due = state.payments.get(body.job_id)
    if due is None:
        known = payment_mark(body.job_id, body.payment_nonce) in state.marks
        return rejected(command, "already_paid" if known else "no_payment")
    if due.credit:
        return rejected(command, "already_paid")
    if (body.payment_nonce, body.proof_commitment) != (due.payment_nonce, due.proof_commitment):
        return rejected(command, "payment_mismatch")
    ciphertext = _verified(body, due, command.subject, rules) if body.payment else None
    if ciphertext is None:
        return rejected(command, "payment_invalid")
    own, factor = state.private, shares(rules.parameters).worker if due.ciphertext else 1
    return [
        PaymentEncrypted(
            job_id=body.job_id,
            worker=worker_address(command.subject),
            payment=body.payment,
            proof_commitment=due.proof_commitment,
            payment_nonce=due.payment_nonce,
            ciphertext=ciphertext,
            pending=rules.checks.credited(own.pending, ciphertext, factor),
            credit=own.credits + 1,
        )
    ]


def _verified(body: PayWorker, due: Payment, subject: str, rules: Rules) -> bytes | None:
    """The ciphertext that the worker gets, if its proof holds: of what is due, or of a sealed price's unit."""
    address = worker_address(subject)
    if not due.ciphertext:
        context = PaymentContext(due.proof_commitment, body.job_id, due.payment_nonce, address)
        return rules.checks.payment(body.payment, due.payment_key, due.amount, context)
    return rules.checks.reencryption(
        body.payment,
        ciphertext=due.ciphertext,
        key=rules.escrow_key,
        recipients=[due.payment_key],
        context=payment_context(rules, due.proof_commitment, body.job_id, due.payment_nonce, address),
    )
