"""The tally (domain specification, section 7): a decision needs floor(2n/3)+1 of all registered validators."""

from bitsage.schemas.commands import CastVote, CloseTally, OpenTally
from bitsage.schemas.events import ConsensusReached, TallyOpened, VoteCast, VoteRejected
from bitsage.schemas.parameters import threshold
from bitsage.schemas.types import EventBody

from .model import Command, Local, Rules
from .refusal import REMARK_MAX, rejected
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
    reason = _refuse(tally, command, body)
    if reason is not None or tally is None:
        refused = reason or "unknown_proof"
        return [VoteRejected(job_id=job_id, proof_hash=body.proof_hash, validator=command.actor, reason=refused)]
    cast = VoteCast(
        job_id=job_id,
        attempt=body.attempt,
        proof_hash=body.proof_hash,
        validator=command.actor,
        valid=body.valid,
        reason=body.reason,
    )
    after = evolve(Votes((tally,)), cast, command.at).tallies[0]
    if after.valid >= after.threshold:
        return [cast, _decided(after, job_id, "approved")]
    if after.invalid >= after.threshold:
        return [cast, _decided(after, job_id, "rejected")]
    return [cast]


def _refuse(tally: Tally | None, command: Command, body: CastVote) -> str | None:
    if tally is None:
        return "unknown_proof"
    if command.actor not in tally.validators:
        return "stranger"
    before = tally.votes.get(command.actor)
    # Two contradictory signed votes are a fault whenever the second one comes.
    if before is not None:
        return "duplicate" if before == body.valid else "equivocation"
    if tally.outcome or command.at >= tally.expires_at:
        return "late"
    return "malformed" if len(body.reason) > REMARK_MAX else None


def _decided(tally: Tally, job_id: bytes, outcome: str) -> ConsensusReached:
    contrary: list[bytes] = []
    if outcome != "expired":
        contrary = sorted(v for v, valid in tally.votes.items() if valid != (outcome == "approved"))
    reporter = next((v for v in tally.order if not tally.votes[v]), None) if outcome == "rejected" else None
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
        contrary=contrary,
        reporter=reporter,
    )


__all__ = ["INITIAL", "decide", "evolve"]
