"""The judgements of one job's proofs, folded from its events in `votes`."""

from dataclasses import dataclass, field, replace

from bitsage.schemas.events import (
    ConsensusReached,
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    TallyOpened,
    VoteCast,
)
from bitsage.schemas.types import EventBody

from .sorted_map import SortedMap


@dataclass(frozen=True, slots=True)
class Tally:
    """One attempt's judgement. `order`: validators in the order of their counted votes; `votes`: what they said."""

    attempt: int
    worker: bytes
    proof_hash: bytes
    output_hash: bytes
    validators: tuple[bytes, ...]
    threshold: int
    expires_at: int
    votes: SortedMap[bytes, bool] = field(default_factory=SortedMap)
    order: tuple[bytes, ...] = ()
    valid: int = 0
    outcome: str = ""
    decided_at: int = 0

    @property
    def invalid(self) -> int:
        """Counted votes against the proof."""
        return len(self.order) - self.valid

    def voted(self, validator: bytes, valid: bool) -> "Tally":
        """The judgement with one more vote."""
        votes = self.votes.set(validator, valid)
        return replace(self, votes=votes, order=(*self.order, validator), valid=self.valid + valid)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A decision judged anew: round `round` (from 1) of the attempt of its `tally`, whose outcome is the verdict."""

    round: int
    disputer: bytes
    filing: int
    decision: str
    tally: Tally

    @property
    def outcome(self) -> str:
        """`overturned`, `upheld` or `expired`; empty while the validators vote."""
        verdict = self.tally.outcome
        if verdict in ("", "expired"):
            return verdict
        return "upheld" if verdict == self.decision else "overturned"


@dataclass(frozen=True, slots=True)
class Votes:
    """The tallies of a job, one per judged attempt, in order of attempt; only the last can be undecided. The disputes."""

    tallies: tuple[Tally, ...] = ()
    disputes: tuple[Dispute, ...] = ()

    def tally_of(self, attempt: int) -> Tally | None:
        """The attempt's judgement, disputes aside."""
        return next((t for t in self.tallies if t.attempt == attempt), None)

    def disputes_of(self, attempt: int) -> tuple[Dispute, ...]:
        """The attempt's disputes by round; only the last can be open."""
        return tuple(d for d in self.disputes if d.tally.attempt == attempt)


def evolve(state: Votes, body: EventBody, at: int) -> Votes:
    """The judgements after one more event."""
    match body:
        case TallyOpened():
            tally = Tally(
                body.attempt,
                body.worker,
                body.proof_hash,
                body.output_hash,
                tuple(body.validators),
                body.threshold,
                body.expires_at,
            )
            return replace(state, tallies=(*state.tallies, tally))
        case VoteCast(validator=validator, valid=valid):
            return replace(state, tallies=(*state.tallies[:-1], state.tallies[-1].voted(validator, valid)))
        case ConsensusReached(outcome=outcome):
            decided = replace(state.tallies[-1], outcome=outcome, decided_at=at)
            return replace(state, tallies=(*state.tallies[:-1], decided))
        case DisputeOpened():
            tally = Tally(
                body.attempt,
                body.worker,
                body.proof_hash,
                body.output_hash,
                tuple(body.validators),
                body.threshold,
                body.expires_at,
            )
            dispute = Dispute(body.round, body.disputer, body.filing, body.decision, tally)
            return replace(state, disputes=(*state.disputes, dispute))
        case DisputeVoteCast() | DisputeResolved():
            return replace(state, disputes=tuple(_evolve_dispute(d, body, at) for d in state.disputes))
    return state


def _evolve_dispute(dispute: Dispute, body: DisputeVoteCast | DisputeResolved, at: int) -> Dispute:
    if (dispute.tally.attempt, dispute.round) != (body.attempt, body.round):
        return dispute
    match body:
        case DisputeVoteCast(validator=validator, valid=valid):
            return replace(dispute, tally=dispute.tally.voted(validator, valid))
        case DisputeResolved(verdict=verdict):
            return replace(dispute, tally=replace(dispute.tally, outcome=verdict, decided_at=at))
