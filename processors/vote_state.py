"""The judgements of one job's proofs, folded from its events in `votes`."""

from dataclasses import dataclass, field, replace

from bitsage.schemas.events import ConsensusReached, TallyOpened, VoteCast
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

    @property
    def invalid(self) -> int:
        """Counted votes against the proof."""
        return len(self.order) - self.valid


@dataclass(frozen=True, slots=True)
class Votes:
    """The tallies of a job, one per judged attempt, in order of attempt; only the last can be undecided."""

    tallies: tuple[Tally, ...] = ()


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
            return Votes((*state.tallies, tally))
        case VoteCast(validator=validator, valid=valid):
            last = state.tallies[-1]
            voted = replace(
                last,
                votes=last.votes.set(validator, valid),
                order=(*last.order, validator),
                valid=last.valid + valid,
            )
            return Votes((*state.tallies[:-1], voted))
        case ConsensusReached(outcome=outcome):
            return Votes((*state.tallies[:-1], replace(state.tallies[-1], outcome=outcome)))
    return state
