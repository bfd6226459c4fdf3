"""The jobs that are not over, as events tell them: what workers, validators and the timer look at."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bitsage.processors.model import account_subject
from bitsage.schemas.events import (
    ConsensusReached,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobQueued,
    JobReassigned,
    JobStarted,
    JobSubmitted,
    PriceRaised,
    ProofGenerated,
    TallyOpened,
    VoteCast,
)
from bitsage.schemas.hidden_events import PriceShared
from bitsage.schemas.types import EventBody, EventEnvelope
from bitsage.streams.log import Record

from .client import Client
from .follower import Fold, Follower, Keep

#: Jobs that are over and kept in memory: for most late events nobody has to be asked.
REMEMBERED = 20_000
TOPICS_FOLLOWED = ("jobs", "proofs", "votes")


@dataclass(slots=True)
class OpenJob:
    """One unfinished job; each field is what one topic said last, so the order between topics does not matter."""

    job_id: bytes
    submitted: JobSubmitted | None = None
    assigned: JobAssigned | None = None
    ended_attempt: int = 0
    proofs: dict[bytes, ProofGenerated] = field(default_factory=dict)
    tally: TallyOpened | None = None
    decided: set[tuple[int, bytes]] = field(default_factory=set)
    voted: set[bytes] = field(default_factory=set)
    #: the last attempt that its worker began
    started: int = 0
    #: a sealed price, for the worker of one attempt
    told: PriceShared | None = None
    #: its last entry in the market with the price of now, for those who follow `workers` too
    queued: JobQueued | None = None

    @property
    def current(self) -> JobAssigned | None:
        """The attempt that is going on, if any."""
        return self.assigned if self.assigned is not None and self.assigned.attempt > self.ended_attempt else None

    @property
    def proof(self) -> ProofGenerated | None:
        """The proof of the attempt that is going on, if it has come."""
        attempt = self.current
        if attempt is None:
            return None
        return next((p for p in self.proofs.values() if p.attempt == attempt.attempt), None)

    @property
    def open_tally(self) -> TallyOpened | None:
        """The tally that still takes votes, if any."""
        tally = self.tally
        return tally if tally is not None and (tally.attempt, tally.proof_hash) not in self.decided else None


_LIFE = (
    *(JobSubmitted, JobQueued, JobAssigned, JobReassigned, JobStarted, PriceShared),
    *(ProofGenerated, TallyOpened, ConsensusReached, VoteCast),
)


class OpenJobs:
    """Folds the job topics (`follower.Fold`)."""

    def __init__(self) -> None:
        self.jobs: dict[bytes, OpenJob] = {}
        #: Jobs that are over, the last ones to end last.
        self._over: OrderedDict[bytes, None] = OrderedDict()
        #: Whether a group has ended, of those that `_over` has forgotten or never knew: a follower's `is_done`.
        self.ended: Callable[[str], bool] = lambda group: False
        #: Rises with every event, so that whoever looks for work need not look when nothing has happened.
        self.version = 0

    def fold(self, record: Record, envelope: EventEnvelope, body: EventBody) -> tuple[str, Keep]:
        """Fold one event; a job that is over is forgotten."""
        job_id = getattr(body, "job_id", None)
        if not isinstance(job_id, bytes):
            return envelope.subject, Keep.IGNORE
        self.version += 1
        group = job_id.hex()
        if isinstance(body, JobCompleted | JobFailed | JobCancelled):
            self.jobs.pop(job_id, None)
            self._over[job_id] = None
            if len(self._over) > REMEMBERED:
                self._over.popitem(last=False)
            return group, Keep.DONE
        # What is no part of an attempt's life must not bring a job back that this node never knew, or has forgotten.
        raised = isinstance(body, PriceRaised) and job_id in self.jobs
        if job_id in self._over or not (raised or isinstance(body, _LIFE)):
            return group, Keep.IGNORE
        if job_id not in self.jobs and self.ended(group):
            return group, Keep.IGNORE
        late = record.timestamp - envelope.at
        return group, self._fold_open(self.jobs.setdefault(job_id, OpenJob(job_id)), body, late)

    def _fold_open(self, job: OpenJob, body: EventBody, late: int) -> Keep:
        match body:
            case JobSubmitted():
                job.submitted = body
            case JobAssigned():
                job.assigned = _as_told(job, body, late)
            case PriceShared():
                job.told = body
            case JobReassigned():
                job.ended_attempt = max(job.ended_attempt, body.next_attempt - 1)
            case ProofGenerated():
                job.proofs = {key: p for key, p in job.proofs.items() if p.attempt >= body.attempt}
                job.proofs[body.proof_hash] = body
            case TallyOpened():
                job.tally = body
                job.voted = set()
            case ConsensusReached():
                job.decided.add((body.attempt, body.proof_hash))
            case VoteCast():
                job.voted.add(body.validator)
            case JobStarted():
                job.started = max(job.started, body.attempt)
            case JobQueued():
                job.queued = body
            case PriceRaised():
                if job.queued is None or job.queued.attempt != body.attempt:
                    return Keep.IGNORE
                job.queued = replace(job.queued, price=body.price)
            case _:
                return Keep.IGNORE
        return Keep.RETAIN


def job_follower(client: Client, file: Path, fold: Fold, jobs: OpenJobs) -> Follower:
    """A follower of the job topics for a client's account, with its memory in `file`; `fold` feeds `jobs`."""
    identity = f"{client.network.chain_id}/{account_subject(client.key.address)}/1"
    follower = Follower(client.log, client.network.seal_check(), TOPICS_FOLLOWED, file, identity, fold)
    jobs.ended = follower.is_done
    return follower


def _as_told(job: OpenJob, body: JobAssigned, late: int) -> JobAssigned:
    """The assignment with the time that the worker really has, when its event was written `late` ms after its cause.

    The decider counts from the record that assigns, which may have waited in the log while no coordinator ran; before the
    event nobody could know of it. What the client's deadline cuts short blames nobody and stays as it is.
    """
    if late <= 0 or (job.submitted is not None and body.expires_at >= job.submitted.spec.deadline):
        return body
    return replace(body, expires_at=body.expires_at + late, lock_until=body.lock_until + late if body.lock_until else 0)
