"""The tally (domain specification, section 7): a decision needs floor(2n/3)+1 of all registered validators."""

from bitsage.schemas.commands import (
    CastDisputeVote,
    CastVote,
    CloseDispute,
    CloseTally,
    EnforceVerdict,
    OpenDispute,
    OpenTally,
)
from bitsage.schemas.events import ConsensusReached, TallyOpened, VoteCast
from bitsage.schemas.parameters import threshold
from bitsage.schemas.types import EventBody

from . import disputes
from .ballots import against, first_for, reached, refuse_vote, vote_rejected
from .model import Command, Local, Rules
from .refusal import rejected
from .views import votes
from .vote_state import Tally, Votes, evolve

INITIAL = Votes()


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """TallyOpened; VoteCast or VoteRejected; ConsensusReached as soon as it is reached, or when the time is over."""
    state = votes(local)
    last = state.tallies[-1] if state.tallies else None
    match command.body:
        case OpenTally() as body:
            if last is not None and (not last.outcome or body.attempt <= last.attempt):
                return rejected(command, "tally_exists")
            return _open(command, body, rules)
        case CastVote() as body:
            return _vote(state, command, body)
        case CloseTally(proof_hash=proof_hash):
            if last is None or last.outcome or last.proof_hash != proof_hash:
                return rejected(command, "no_open_tally")
            if command.at < last.expires_at:
                return rejected(command, "not_due")
            return [_decided(last, bytes.fromhex(command.subject), "expired")]
        case OpenDispute() | CastDisputeVote() | CloseDispute() | EnforceVerdict():
            return disputes.decide(local, command, rules)
    return rejected(command, "wrong_subject")


def _open(command: Command, body: OpenTally, rules: Rules) -> list[EventBody]:
    opened = TallyOpened(
        job_id=bytes.fromhex(command.subject),
        attempt=body.attempt,
        worker=body.worker,
        proof_hash=body.proof_hash,
        output_hash=body.output_hash,
        validators=body.validators,
        epoch=body.epoch,
        threshold=threshold(len(body.validators)),
        expires_at=command.at + rules.parameters.consensus_timeout_ms,
    )
    if body.validators:
        return [opened]
    # Nobody may vote, now or later: waiting would change nothing.
    tally = evolve(Votes(), opened, command.at).tallies[0]
    return [opened, _decided(tally, opened.job_id, "expired")]


def _vote(state: Votes, command: Command, body: CastVote) -> list[EventBody]:
    job_id = bytes.fromhex(command.subject)
    tally = next((t for t in state.tallies if (t.attempt, t.proof_hash) == (body.attempt, body.proof_hash)), None)
    reason = refuse_vote(tally, command, body)
    if reason is not None or tally is None:
        return [vote_rejected(command, body, reason or "unknown_proof")]
    cast = VoteCast(
        job_id=job_id,
        attempt=body.attempt,
        proof_hash=body.proof_hash,
        validator=command.actor,
        valid=body.valid,
        reason=body.reason,
        signed_at=command.signed_at,
        signed_correlation=command.correlation,
    )
    after = tally.voted(command.actor, body.valid)
    outcome = reached(after)
    return [cast, _decided(after, job_id, outcome)] if outcome else [cast]


def _decided(tally: Tally, job_id: bytes, outcome: str) -> ConsensusReached:
    return ConsensusReached(
        job_id=job_id,
        attempt=tally.attempt,
        worker=tally.worker,
        proof_hash=tally.proof_hash,
        output_hash=tally.output_hash,
        outcome=outcome,
        votes_valid=tally.valid,
        votes_invalid=tally.invalid,
        threshold=tally.threshold,
        contrary=against(tally, outcome),
        reporter=first_for(tally, outcome) if outcome == "rejected" else None,
    )


__all__ = ["INITIAL", "decide", "evolve"]
