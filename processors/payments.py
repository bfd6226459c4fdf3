"""A worker's payments: due, encrypted, claimed; each step once per (job id, nonce)."""

from bitsage.schemas.commands import ClaimPayment, OwePayment, PayWorker
from bitsage.schemas.events import PaymentClaimed, PaymentDue, PaymentEncrypted
from bitsage.schemas.types import EventBody

from .account_state import Account, Payment, payment_mark
from .model import Command, Local, PaymentContext, Rules
from .refusal import is_amount, rejected
from .views import account, worker


def worker_address(subject: str) -> bytes:
    """The address behind an account's subject."""
    return bytes.fromhex(subject.removeprefix("0x"))


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """PaymentDue, PaymentEncrypted, PaymentClaimed."""
    state = account(local)
    match command.body:
        case OwePayment() as body:
            return _owe(state, worker(local).payment_key, command, body)
        case PayWorker() as body:
            return _pay(state, command, body, rules)
        case ClaimPayment() as body:
            return _claim(state, command, body, rules)
    return rejected(command, "wrong_subject")


def _owe(state: Account, payment_key: bytes, command: Command, body: OwePayment) -> list[EventBody]:
    if payment_mark(body.job_id, body.payment_nonce) in state.marks or body.job_id in state.payments:
        return rejected(command, "already_booked")
    if not is_amount(body.amount):
        return rejected(command, "amount_out_of_range")
    return [
        PaymentDue(
            job_id=body.job_id,
            worker=worker_address(command.subject),
            amount=body.amount,
            payment_key=payment_key,
            proof_commitment=body.proof_commitment,
            payment_nonce=body.payment_nonce,
        )
    ]


def _pay(state: Account, command: Command, body: PayWorker, rules: Rules) -> list[EventBody]:
    due = state.payments.get(body.job_id)
    if due is None:
        known = payment_mark(body.job_id, body.payment_nonce) in state.marks
        return rejected(command, "already_paid" if known else "no_payment")
    if due.payment:
        return rejected(command, "already_paid")
    if (body.payment_nonce, body.proof_commitment) != (due.payment_nonce, due.proof_commitment):
        return rejected(command, "payment_mismatch")
    context = _context(command.subject, body.job_id, due)
    if not body.payment or not rules.checks.payment(body.payment, due.payment_key, due.amount, context):
        return rejected(command, "payment_invalid")
    return [
        PaymentEncrypted(
            job_id=body.job_id,
            worker=context.worker,
            payment=body.payment,
            proof_commitment=due.proof_commitment,
            payment_nonce=due.payment_nonce,
        )
    ]


def _claim(state: Account, command: Command, body: ClaimPayment, rules: Rules) -> list[EventBody]:
    payment = state.payments.get(body.job_id)
    if payment is None:
        # Declined assignments use up numbers of attempts, and none of the attempts.
        nonces = range(1, rules.parameters.attempts + rules.parameters.declines + 1)
        known = any(payment_mark(body.job_id, nonce) in state.marks for nonce in nonces)
        return rejected(command, "already_claimed" if known else "no_payment")
    if not payment.payment:
        return rejected(command, "not_encrypted_yet")
    context = _context(command.subject, body.job_id, payment)
    if body.amount != payment.amount or not rules.checks.claim(
        payment.payment, payment.payment_key, payment.amount, body.proof, context
    ):
        return rejected(command, "claim_invalid")
    return [PaymentClaimed(job_id=body.job_id, amount=payment.amount, payment_nonce=payment.payment_nonce)]


def _context(subject: str, job_id: bytes, payment: Payment) -> PaymentContext:
    return PaymentContext(payment.proof_commitment, job_id, payment.payment_nonce, worker_address(subject))
