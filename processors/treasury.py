"""The treasury's income: fees of jobs and its part of slashes."""

from bitsage.schemas.commands import CollectFees
from bitsage.schemas.events import FeesDistributed
from bitsage.schemas.types import EventBody

from .model import Command, Local, Rules
from .refusal import is_amount, rejected
from .treasury_state import Treasury, evolve, income_mark
from .views import treasury

INITIAL = Treasury()


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """FeesDistributed, once per income."""
    match command.body:
        case CollectFees() as body:
            parts = (body.burnt, body.treasury, body.stakers)
            owned = body.amount == 0 if body.ciphertext else is_amount(body.amount)
            if not owned or min(parts) < 0 or sum(parts) != body.amount:
                return rejected(command, "amount_out_of_range")
            if income_mark(body.source, body.payer, body.job_id, body.attempt) in treasury(local).marks:
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
                )
            ]
    return rejected(command, "wrong_subject")


__all__ = ["INITIAL", "decide", "evolve"]
