"""How a slash was divided, and who was named as its reporter: what any case has to show besides its own rule."""

from collections.abc import Sequence

from bitsage.processors.model import account_subject
from bitsage.processors.penalty import divided
from bitsage.schemas.events import DisputeOpened, DisputeResolved, Slashed, VerdictEnforced
from bitsage.schemas.types import EventBody, EventEnvelope

from .evidence_rules import Trial
from .network import Network

Events = Sequence[tuple[EventEnvelope, EventBody]]


def misdivided(accused: str, slash: Slashed, events: Events, network: Network) -> list[str]:
    """What is wrong with the slash's parts."""
    parts = divided(slash.amount, _reporter(accused, slash, events), accused, network.parameters)
    wrong = []
    if slash.reporter != parts.reporter:
        wrong.append("its reporter is not the one that the votes or the dispute name")
    if (slash.reporter_amount, slash.burnt, slash.treasury) != tuple(parts[1:]):
        wrong.append("it was not divided as the table says")
    return wrong


def _reporter(accused: str, slash: Slashed, events: Events) -> bytes | None:
    """Who reported the fault, by what was signed: the first to vote the proof down, or a party of the dispute."""
    if slash.reason == "invalid_proof" and not slash.round:
        # The order of the votes is that of their chain.
        in_order = sorted(events, key=lambda event: event[0].sequence)
        votes = Trial.of(slash, in_order, 0).votes
        return next((validator for validator, valid in votes.items() if not valid), None)
    if slash.reason == "invalid_proof":
        return next((d.disputer for d in _disputes(slash, events) if d.round == slash.round), None)
    if slash.reason != "contrary_vote" or slash.round:
        return None
    wanted = (slash.job_id, slash.attempt)
    of_attempt = [b for _, b in events if (getattr(b, "job_id", b""), getattr(b, "attempt", 0)) == wanted]
    named = [b for b in of_attempt if isinstance(b, VerdictEnforced) and accused in map(account_subject, b.wrong)]
    if not named:
        return None
    over = {b.round for b in of_attempt if isinstance(b, DisputeResolved) and b.outcome == "overturned"}
    opened = next((d for d in _disputes(slash, events) if d.round in over), None)
    if opened is None:
        return None
    return opened.worker if opened.decision == "rejected" else opened.disputer


def _disputes(slash: Slashed, events: Events) -> list[DisputeOpened]:
    wanted = (slash.job_id, slash.attempt)
    return [b for _, b in events if isinstance(b, DisputeOpened) and (b.job_id, b.attempt) == wanted]
