"""What the audit remembers of the events: the facts that other events have to follow from, by job and by account."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from bitsage.processors.kernel import subject_kind
from bitsage.processors.model import NETWORK
from bitsage.schemas.events import (
    CapacityChanged,
    CommandRejected,
    ConsensusReached,
    DisputeFiled,
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    JobAssigned,
    JobQueued,
    JobStarted,
    JobSubmitted,
    JobWithdrawn,
    PriceRaised,
    ProofGenerated,
    RestitutionClaimed,
    RetrialRequested,
    Slashed,
    Staked,
    TallyOpened,
    TallyRequested,
    Unstaked,
    ValidatorRegistered,
    ValidatorSetChanged,
    VoteCast,
    VoteRejected,
    WorkerDeparted,
    WorkerRegistered,
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
    disputes: list[DisputeOpened] = field(default_factory=list)
    dispute_votes: list[tuple[Where, DisputeVoteCast]] = field(default_factory=list)
    verdicts: list[tuple[Where, DisputeResolved]] = field(default_factory=list)
    #: attempt -> when it was decided, ms
    decided_at: dict[int, int] = field(default_factory=dict)

    def overturned(self, attempt: int) -> bool:
        """Whether a dispute reversed the decision on the attempt."""
        return any(v.attempt == attempt and v.outcome == "overturned" for _, v in self.verdicts)

    #: attempt -> price -> when the market named it (ms)
    prices: dict[int, dict[int, int]] = field(default_factory=dict)
    #: (event, attempt) -> when, of what a rate is measured between; a submission has attempt 0
    times: dict[tuple[str, int], int] = field(default_factory=dict)

    #: (account, attempt) -> the bonds that it left in disputes; why disputes were not admitted
    bonds: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    #: how often a client used the job's id again
    reused: int = 0
    _by_kind: dict[type, list[tuple[str, Any]]] = field(default_factory=dict)

    def put(self, fact: Fact) -> None:
        """Keep one more event, where each rule finds it: anybody can have a job named in any number of events."""
        self.facts.append(fact)
        self._by_kind.setdefault(type(fact.body), []).append((fact.subject, fact.body))
        match fact.body:
            case DisputeFiled(attempt=attempt, bond=bond):
                self.bonds.setdefault((fact.subject, attempt), []).append(bond)
            case CommandRejected(command="OpenDispute", reason=reason):
                self.refused.add(reason)
            case CommandRejected(command="AdmitJob"):
                self.reused += 1

    def of(self, kind: type[T]) -> Iterator[tuple[str, T]]:
        """(subject, event) of every event of this type that names the job."""
        return iter(self._by_kind.get(kind, ()))


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
    #: disputes that were filed, with their time, and requests for their judgement with the epoch that stood before them
    filings: dict[tuple[str, bytes, int, int], int] = field(default_factory=dict)
    retrials: list[tuple[Where, int, RetrialRequested]] = field(default_factory=list)
    #: (subject, job id, attempt, round) of a slash for malice -> the times of the proofs voted down before it
    malice: dict[tuple[str, bytes, int, int], list[int]] = field(default_factory=dict)
    _faults: dict[str, list[tuple[int, bytes, int]]] = field(default_factory=dict)
    #: (subject, reason, job id, attempt, round) of a slash -> the stake before it, what was being unlocked included
    at_stake: dict[tuple[str, str, bytes, int, int], int] = field(default_factory=dict)
    _stakes: dict[str, int] = field(default_factory=dict)
    #: subject -> benchmarks that it registered; the flag: upheld against a doubt
    benchmarks: dict[str, set[tuple[str, int, int, bool]]] = field(default_factory=dict)

    def add(self, where: Where, envelope: EventEnvelope, body: EventBody) -> None:
        """Remember what later passes ask for."""
        match body:
            case ValidatorSetChanged():
                self.sets.append((where, body))
            case ValidatorRegistered():
                self.joined.add(body.validator)
            case WorkerRegistered():
                claims = {(c.job_type, c.rows, c.ms, c.job_type in body.insisted) for c in body.benchmarks}
                self.benchmarks.setdefault(envelope.subject, set()).update(claims)
            case JobSubmitted():
                self._of(body.job_id).times[envelope.type, 0] = envelope.at
            case JobQueued() | PriceRaised() if envelope.subject == NETWORK:
                self._of(body.job_id).prices.setdefault(body.attempt, {}).setdefault(body.price, envelope.at)
            case Staked() | Unstaked():
                paid_in = body.amount if isinstance(body, Staked) else -body.amount
                self._stakes[envelope.subject] = self._stakes.get(envelope.subject, 0) + paid_in
            case JobAssigned() | JobStarted() | ProofGenerated():
                self._of(body.job_id).times[envelope.type, body.attempt] = envelope.at
            case WorkerWentOffline(reason=reason) | WorkerDeparted(reason=reason):
                self.gone.setdefault(envelope.subject, set()).add(reason)
            case TallyRequested() if envelope.subject == NETWORK:
                epoch = self.sets[-1][1].epoch if self.sets else 0
                self.requests.append((where, epoch, body))
            case RetrialRequested() if envelope.subject == NETWORK:
                epoch = self.sets[-1][1].epoch if self.sets else 0
                self.retrials.append((where, epoch, body))
            case DisputeFiled():
                self.filings[envelope.subject, body.job_id, body.attempt, body.filing] = envelope.at
            case ConsensusReached():
                self._of(body.job_id).decided_at[body.attempt] = envelope.at
            case Slashed() | RestitutionClaimed():
                self._fault(envelope, body)
            case CommandRejected(command="OpenDispute") if subject_kind(envelope.subject) == "job":
                self._of(bytes.fromhex(envelope.subject)).put(Fact(where, envelope.subject, body))
            case CommandRejected(command="AdmitJob", reason="job_exists") if subject_kind(envelope.subject) == "job":
                self._of(bytes.fromhex(envelope.subject)).put(Fact(where, envelope.subject, body))
        job_id = getattr(body, "job_id", None)
        # Of refused votes only the contradictory ones are a cause of anything, and the others cost nobody anything.
        idle = isinstance(body, VoteRejected) and body.reason != "equivocation"
        if isinstance(job_id, bytes) and not isinstance(body, _NOT_KEPT) and not idle:
            self._job(self._of(job_id), where, envelope.subject, body)

    def _fault(self, envelope: EventEnvelope, body: Slashed | RestitutionClaimed) -> None:
        """Count as `account_state` does: an account's events stand in one partition, so they come in their order."""
        subject, known = envelope.subject, self._faults.setdefault(envelope.subject, [])
        if isinstance(body, Slashed):
            total = self._stakes.get(subject, 0)
            self.at_stake[subject, body.reason, body.job_id, body.attempt, body.round] = total
            self._stakes[subject] = total - body.amount
        match body:
            case Slashed(reason="invalid_proof"):
                known.append((envelope.at, body.job_id, body.attempt))
            case Slashed(reason="malicious"):
                self.malice[subject, body.job_id, body.attempt, body.round] = [at for at, _, _ in known]
                known.clear()
            case RestitutionClaimed(reason="invalid_proof"):
                known[:] = [f for f in known if f[1:] != (body.job_id, body.attempt)]

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
            case DisputeOpened():
                trail.disputes.append(body)
            case DisputeVoteCast():
                trail.dispute_votes.append((where, body))
            case DisputeResolved():
                trail.verdicts.append((where, body))
        trail.put(Fact(where, subject, body))
