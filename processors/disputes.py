"""Disputes: a decision on a proof is judged anew, once, by the validators of that time; and what follows for them.

The disputer and the worker have no vote. An approval or rejection of the second judgement is final; one that expires
leaves the decision as it is, and the attempt may be disputed again.
"""

from collections.abc import Iterator

from bitsage.schemas.commands import CastDisputeVote, CloseDispute, EnforceVerdict, OpenDispute
from bitsage.schemas.events import DisputeOpened, DisputeResolved, DisputeVoteCast, VerdictEnforced
from bitsage.schemas.parameters import threshold
from bitsage.schemas.types import EventBody

from .ballots import against, first_for, reached, refuse_vote, vote_rejected
from .model import Command, Local, Rules
from .refusal import rejected
from .views import votes
from .vote_state import Dispute, Tally, Votes, evolve

#: Disputes of one attempt, all but the last expired: a bound on the state, and on what a filing can cause.
ROUNDS_MAX = 3
#: Validators per VerdictEnforced: each has two consequences at most, and one command may entail 256 others.
PART = 64


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """DisputeOpened; DisputeVoteCast or VoteRejected; DisputeResolved; VerdictEnforced."""
    state = votes(local)
    match command.body:
        case OpenDispute() as body:
            reason = _refuse(state, body, rules)
            return _open(state, command, body, rules) if reason is None else rejected(command, reason)
        case CastDisputeVote() as body:
            return _vote(_find(state, body.attempt, body.round), command, body)
        case CloseDispute(attempt=attempt, round=round_):
            dispute = _find(state, attempt, round_)
            if dispute is None or dispute.outcome:
                return rejected(command, "no_open_tally")
            if command.at < dispute.tally.expires_at:
                return rejected(command, "not_due")
            return [_resolved(dispute, dispute.tally, bytes.fromhex(command.subject), "expired")]
        case EnforceVerdict(attempt=attempt, round=round_, part=part):
            dispute = _find(state, attempt, round_)
            named = [] if dispute is None else consequences(state, dispute)[part * PART : (part + 1) * PART]
            if dispute is None or part < 0 or not named:
                return rejected(command, "nothing_to_enforce")
            return [_enforced(dispute, bytes.fromhex(command.subject), part, named)]
    return rejected(command, "wrong_subject")


def consequences(state: Votes, dispute: Dispute) -> list[tuple[str, bytes]]:
    """(`contrary`, `wrong` or `wronged`, validator) of a resolved dispute, in a fixed order; see VerdictEnforced."""
    return list(_consequences(state, dispute))


def _consequences(state: Votes, dispute: Dispute) -> Iterator[tuple[str, bytes]]:
    if dispute.outcome not in ("overturned", "upheld"):
        return
    for validator in against(dispute.tally, dispute.tally.outcome):
        yield "contrary", validator
    decided = state.tally_of(dispute.tally.attempt)
    if dispute.outcome == "overturned" and decided is not None:
        wronged = against(decided, decided.outcome)
        yield from (("wrong", v) for v in decided.votes if v not in wronged)
        yield from (("wronged", v) for v in wronged)


def _find(state: Votes, attempt: int, round_: int) -> Dispute | None:
    return next((d for d in state.disputes_of(attempt) if d.round == round_), None)


def _refuse(state: Votes, body: OpenDispute, rules: Rules) -> str | None:
    tally = state.tally_of(body.attempt)
    earlier = state.disputes_of(body.attempt)
    if tally is None or tally.outcome not in ("approved", "rejected"):
        return "not_decided"
    if any(d.outcome != "expired" or (d.disputer, d.filing) == (body.disputer, body.filing) for d in earlier):
        return "dispute_exists"
    if len(earlier) >= ROUNDS_MAX:
        return "too_many_disputes"
    if body.filed_at >= tally.decided_at + rules.parameters.dispute_window_ms:
        return "dispute_window_over"
    return None


def _open(state: Votes, command: Command, body: OpenDispute, rules: Rules) -> list[EventBody]:
    decided = state.tally_of(body.attempt)
    assert decided is not None
    judges = [v for v in body.validators if v not in (body.disputer, decided.worker)]
    opened = DisputeOpened(
        job_id=bytes.fromhex(command.subject),
        attempt=body.attempt,
        round=len(state.disputes_of(body.attempt)) + 1,
        disputer=body.disputer,
        filing=body.filing,
        decision=decided.outcome,
        worker=decided.worker,
        proof_hash=decided.proof_hash,
        output_hash=decided.output_hash,
        validators=judges,
        epoch=body.epoch,
        threshold=threshold(len(judges)),
        expires_at=command.at + rules.parameters.consensus_timeout_ms,
    )
    if judges:
        return [opened]
    dispute = evolve(Votes(), opened, command.at).disputes[0]
    return [opened, _resolved(dispute, dispute.tally, opened.job_id, "expired")]


def _vote(dispute: Dispute | None, command: Command, body: CastDisputeVote) -> list[EventBody]:
    tally = None if dispute is None or dispute.tally.proof_hash != body.proof_hash else dispute.tally
    reason = refuse_vote(tally, command, body)
    if reason is not None or dispute is None or tally is None:
        return [vote_rejected(command, body, reason or "unknown_proof")]
    job_id = bytes.fromhex(command.subject)
    cast = DisputeVoteCast(
        job_id=job_id,
        attempt=body.attempt,
        round=body.round,
        proof_hash=body.proof_hash,
        validator=command.actor,
        valid=body.valid,
        reason=body.reason,
        signed_at=command.signed_at,
        signed_correlation=command.correlation,
    )
    after = tally.voted(command.actor, body.valid)
    verdict = reached(after)
    return [cast, _resolved(dispute, after, job_id, verdict)] if verdict else [cast]


def _resolved(dispute: Dispute, tally: Tally, job_id: bytes, verdict: str) -> DisputeResolved:
    kept = "upheld" if verdict == dispute.decision else "overturned"
    return DisputeResolved(
        job_id=job_id,
        attempt=tally.attempt,
        round=dispute.round,
        disputer=dispute.disputer,
        worker=tally.worker,
        proof_hash=tally.proof_hash,
        outcome="expired" if verdict == "expired" else kept,
        verdict=verdict,
        votes_valid=tally.valid,
        votes_invalid=tally.invalid,
        threshold=tally.threshold,
        contrary=against(tally, verdict),
        reporter=None if verdict == "expired" else first_for(tally, verdict),
    )


def _enforced(dispute: Dispute, job_id: bytes, part: int, named: list[tuple[str, bytes]]) -> VerdictEnforced:
    lists = {kind: [v for k, v in named if k == kind] for kind in ("contrary", "wrong", "wronged")}
    return VerdictEnforced(
        job_id=job_id,
        attempt=dispute.tally.attempt,
        round=dispute.round,
        part=part,
        # Who was wronged by the decision: the worker, or whoever had to contest a false approval.
        beneficiary=dispute.tally.worker if dispute.decision == "rejected" else dispute.disputer,
        **lists,
    )
