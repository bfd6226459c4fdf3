"""The treasury's income: fees of jobs and its part of slashes; and what it gives back when a slash was overturned."""

from bitsage.schemas.commands import CollectFees, PayRestitution
from bitsage.schemas.events import FeesDistributed, RestitutionPaid
from bitsage.schemas.types import EventBody

from .model import Command, Local, Rules
from .refusal import is_amount, rejected
from .treasury_state import Treasury, evolve, income_mark, outlay_mark
from .views import treasury

INITIAL = Treasury()


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """FeesDistributed, once per income; RestitutionPaid, once per slash."""
    match command.body:
        case CollectFees() as body:
            parts = (body.burnt, body.treasury, body.stakers)
            owned = body.amount == 0 if body.ciphertext else is_amount(body.amount)
            if not owned or min(parts) < 0 or sum(parts) != body.amount:
                return rejected(command, "amount_out_of_range")
            if income_mark(body.source, body.payer, body.job_id, body.attempt, body.round) in treasury(local).marks:
                return rejected(command, "already_booked")
            sealed = treasury(local).sealed_fees
            if body.ciphertext:
                sealed = rules.checks.credited(sealed, body.ciphertext, 1)
            return [
                FeesDistributed(
                    job_id=body.job_id,
                    attempt=body.attempt,
                    payer=body.payer,
                    source=body.source,
                    amount=body.amount,
                    burnt=body.burnt,
                    treasury=body.treasury,
                    stakers=body.stakers,
                    ciphertext=body.ciphertext,
                    sealed_fees=sealed if body.ciphertext else b"",
                    round=body.round,
                )
            ]
        case PayRestitution() as body:
            return _pay(treasury(local), command, body)
    return rejected(command, "wrong_subject")


def _pay(state: Treasury, command: Command, body: PayRestitution) -> list[EventBody]:
    if not is_amount(body.amount):
        return rejected(command, "amount_out_of_range")
    if outlay_mark(body.account, body.reason, body.job_id, body.attempt) in state.marks:
        return rejected(command, "already_booked")
    # What is burnt is gone and what is set aside is the stakers': only what the treasury holds can be given back.
    paid = min(body.amount, state.treasury)
    return [
        RestitutionPaid(
            account=body.account,
            amount=paid,
            shortfall=body.amount - paid,
            reason=body.reason,
            job_id=body.job_id,
            attempt=body.attempt,
        )
    ]


__all__ = ["INITIAL", "decide", "evolve"]
