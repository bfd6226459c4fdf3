"""What the audit remembers of the events: the facts that other events have to follow from, by job and by account."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from bitsage.processors.kernel import subject_kind
from bitsage.processors.model import NETWORK
from bitsage.schemas.events import (
    CapacityChanged,
    CommandRejected,
    ConsensusReached,
    JobQueued,
    JobSubmitted,
    JobWithdrawn,
    PriceRaised,
    ProofGenerated,
    TallyOpened,
    TallyRequested,
    ValidatorRegistered,
    ValidatorSetChanged,
    VoteCast,
    WorkerDeparted,
    WorkerWentOffline,
)
from bitsage.schemas.types import EventBody, EventEnvelope

Where = tuple[str, int, int]
T = TypeVar("T", bound=EventBody)
_NOT_KEPT = (CapacityChanged, JobQueued, JobWithdrawn, PriceRaised)


class Fact(NamedTuple):
    """An event, where it stands and whose it is."""

    where: Where
    subject: str
    body: EventBody


@dataclass(slots=True)
class JobTrail:
    """What is known of one job."""

    submitted: JobSubmitted | None = None
    proofs: dict[tuple[int, bytes], tuple[Where, ProofGenerated]] = field(default_factory=dict)
    tallies: list[tuple[Where, TallyOpened]] = field(default_factory=list)
    votes: list[tuple[Where, VoteCast]] = field(default_factory=list)
    decisions: list[tuple[Where, ConsensusReached]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def of(self, kind: type[T]) -> Iterator[tuple[str, T]]:
        """(subject, event) of every event of this type that names the job."""
        return ((fact.subject, fact.body) for fact in self.facts if isinstance(fact.body, kind))


@dataclass(slots=True)
class Trails:
    """Jobs by id, the validator sets by epoch, and who joined."""

    jobs: dict[bytes, JobTrail] = field(default_factory=dict)
    #: the changes of the validator set, and requests for tallies with the epoch that stood before them
    sets: list[tuple[Where, ValidatorSetChanged]] = field(default_factory=list)
    requests: list[tuple[Where, int, TallyRequested]] = field(default_factory=list)
    joined: set[bytes] = field(default_factory=set)
    #: subjects that went offline, and why; or departed
    gone: dict[str, set[str]] = field(default_factory=dict)

    def add(self, where: Where, envelope: EventEnvelope, body: EventBody) -> None:
        """Remember what later passes ask for."""
        match body:
            case ValidatorSetChanged():
                self.sets.append((where, body))
            case ValidatorRegistered():
                self.joined.add(body.validator)
            case WorkerWentOffline(reason=reason) | WorkerDeparted(reason=reason):
                self.gone.setdefault(envelope.subject, set()).add(reason)
            case TallyRequested() if envelope.subject == NETWORK:
                epoch = self.sets[-1][1].epoch if self.sets else 0
                self.requests.append((where, epoch, body))
            case CommandRejected(command="AdmitJob", reason="job_exists") if subject_kind(envelope.subject) == "job":
                self._of(bytes.fromhex(envelope.subject)).facts.append(Fact(where, envelope.subject, body))
        job_id = getattr(body, "job_id", None)
        if isinstance(job_id, bytes) and not isinstance(body, _NOT_KEPT):
            self._job(self._of(job_id), where, envelope.subject, body)

    def _of(self, job_id: bytes) -> JobTrail:
        return self.jobs.setdefault(job_id, JobTrail())

    def _job(self, trail: JobTrail, where: Where, subject: str, body: EventBody) -> None:
        match body:
            case JobSubmitted():
                trail.submitted = body
            case ProofGenerated():
                trail.proofs[body.attempt, body.proof_hash] = (where, body)
                return
            case TallyOpened():
                trail.tallies.append((where, body))
            case VoteCast():
                trail.votes.append((where, body))
            case ConsensusReached():
                trail.decisions.append((where, body))
        trail.facts.append(Fact(where, subject, body))
