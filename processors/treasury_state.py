"""The treasury, folded from its events in `accounts`: what the protocol took in."""

from dataclasses import dataclass, field, replace

from bitsage.schemas.events import FeesDistributed, RestitutionPaid
from bitsage.schemas.types import EventBody

from .marks import mark
from .sorted_map import SortedMap


@dataclass(frozen=True, slots=True)
class Treasury:
    """Base units: destroyed, kept, set aside for stakers. `marks`: the incomes and restitutions booked, each once.

    `sealed_fees`: the sum of the sealed prices' units, for the escrow's key. The protocol's parts are multiples of it.
    """

    burnt: int = 0
    treasury: int = 0
    stakers: int = 0
    marks: SortedMap[bytes, None] = field(default_factory=SortedMap)
    sealed_fees: bytes = b""


def income_mark(source: str, payer: bytes, job_id: bytes, attempt: int, round_: int = 0) -> bytes:
    """What makes an income one income."""
    return mark("income", source, payer, job_id, attempt, round_)


def outlay_mark(account: bytes, reason: str, job_id: bytes, attempt: int) -> bytes:
    """What makes a restitution one restitution."""
    return mark("outlay", account, reason, job_id, attempt)


def evolve(state: Treasury, body: EventBody, at: int) -> Treasury:
    """The treasury after one more of its events."""
    match body:
        case FeesDistributed(source=source, payer=payer, job_id=job_id, attempt=attempt):
            return replace(
                state,
                burnt=state.burnt + body.burnt,
                treasury=state.treasury + body.treasury,
                stakers=state.stakers + body.stakers,
                marks=state.marks.set(income_mark(source, payer, job_id, attempt, body.round), None),
                # A sum that holds nothing has no bytes: fees of nothing may cancel each other out.
                sealed_fees=body.sealed_fees if body.ciphertext else state.sealed_fees,
            )
        case RestitutionPaid(account=account, amount=amount, reason=reason, job_id=job_id, attempt=attempt):
            marks = state.marks.set(outlay_mark(account, reason, job_id, attempt), None)
            return replace(state, treasury=state.treasury - amount, marks=marks)
    return state
