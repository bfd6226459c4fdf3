"""What every vote goes through, on a proof or in a dispute about one: may it count, and what have the votes come to?"""

from bitsage.schemas.commands import CastDisputeVote, CastVote
from bitsage.schemas.events import VoteRejected

from .model import Command
from .refusal import REMARK_MAX
from .vote_state import Tally

Ballot = CastVote | CastDisputeVote


def refuse_vote(tally: Tally | None, command: Command, body: Ballot) -> str | None:
    """Why the vote does not count; None when it does."""
    if tally is None:
        return "unknown_proof"
    if command.actor not in tally.validators:
        return "stranger"
    # A vote that could not stand in an event is none, so it is no second vote either.
    if len(body.reason) > REMARK_MAX:
        return "malformed"
    before = tally.votes.get(command.actor)
    # Two contradictory signed votes are a fault whenever the second one comes.
    if before is not None:
        return "duplicate" if before == body.valid else "equivocation"
    if tally.outcome or command.at >= tally.expires_at:
        return "late"
    return None


def vote_rejected(command: Command, body: Ballot, reason: str) -> VoteRejected:
    """The refusal; an equivocation keeps the whole vote, so that anybody can hold it against the first one."""
    job_id, judge = bytes.fromhex(command.subject), command.actor
    round_ = body.round if isinstance(body, CastDisputeVote) else 0
    if reason != "equivocation":
        return VoteRejected(
            job_id=job_id, proof_hash=body.proof_hash, validator=judge, reason=reason, round=max(0, round_)
        )
    return VoteRejected(
        job_id=job_id,
        proof_hash=body.proof_hash,
        validator=judge,
        reason=reason,
        attempt=body.attempt,
        round=round_,
        valid=body.valid,
        remark=body.reason,
        signed_at=command.signed_at,
        signed_correlation=command.correlation,
    )


def reached(tally: Tally) -> str:
    """`approved` or `rejected` when the threshold says so, else nothing."""
    if tally.valid >= tally.threshold:
        return "approved"
    return "rejected" if tally.invalid >= tally.threshold else ""


def against(tally: Tally, outcome: str) -> list[bytes]:
    """Who voted against an approval or rejection, in ascending order; nobody when the time ran out."""
    if outcome == "expired":
        return []
    return sorted(v for v, valid in tally.votes.items() if valid != (outcome == "approved"))


def first_for(tally: Tally, outcome: str) -> bytes | None:
    """The first validator that voted for the outcome."""
    return next((v for v in tally.order if tally.votes[v] == (outcome == "approved")), None)
