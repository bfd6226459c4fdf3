"""Jobs: what was asked for, who does it, how far it is, and how each attempt went."""

from collections.abc import Iterator
from typing import Any

from bitsage.schemas.events import (
    ConsensusReached,
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobMatched,
    JobQueued,
    JobReassigned,
    JobRejected,
    JobStarted,
    JobSubmitted,
    PaymentDue,
    PaymentEncrypted,
    ProofGenerated,
    ProofRefused,
    TallyOpened,
)
from bitsage.schemas.types import EventEnvelope

from .jobs_tables import ATTEMPTS, FACTS, MONEY, VIEW
from .records import address
from .schema import Change, Fold, Model, Read, Value, add, put

fold = Fold()


def _facts(envelope: EventEnvelope, **values: Value) -> Change:
    return put("job_facts", (envelope.subject,), **values)


def _attempt(job_id: bytes, number: int, **values: Value) -> Change:
    return put("attempts", (job_id.hex(), number), **values)


def _current(envelope: EventEnvelope, read: Read) -> int:
    row = read("job_facts", (envelope.subject,))
    attempt = 1 if row is None else row["attempt"]
    assert isinstance(attempt, int)
    return attempt


@fold.on(JobSubmitted)
def _submitted(envelope: EventEnvelope, body: JobSubmitted, read: Read) -> Iterator[Change]:
    spec = body.spec
    yield _facts(
        envelope,
        client=address(body.client),
        correlation=envelope.correlation.hex(),
        job_type=spec.job_type,
        input=spec.input,
        max_cost=spec.max_cost,
        price=body.price.hex(),
        tier=spec.tier,
        tee=int(spec.tee),
        priority=spec.priority,
        deadline=spec.deadline,
        submitted_at=envelope.at,
        phase="waiting",
    )


@fold.on(JobAssigned)
def _assigned(envelope: EventEnvelope, body: JobAssigned, read: Read) -> Iterator[Change]:
    worker = address(body.worker)
    yield _facts(envelope, phase="assigned", attempt=body.attempt, worker=worker)
    times: dict[str, Value] = {"assigned_at": envelope.at, "expires_at": body.expires_at}
    yield _attempt(body.job_id, body.attempt, worker=worker, cost=body.cost, **times)


@fold.on(JobStarted)
def _started(envelope: EventEnvelope, body: JobStarted, read: Read) -> Iterator[Change]:
    yield _facts(envelope, phase="running")
    yield _attempt(body.job_id, body.attempt, started_at=envelope.at)


@fold.on(JobReassigned)
def _reassigned(envelope: EventEnvelope, body: JobReassigned, read: Read) -> Iterator[Change]:
    yield _attempt(body.job_id, _current(envelope, read), ended_at=envelope.at, reason=body.reason)
    yield _facts(envelope, phase="waiting", attempt=body.next_attempt, worker=None, reason=body.reason)


@fold.on(JobCompleted)
def _completed(envelope: EventEnvelope, body: JobCompleted, read: Read) -> Iterator[Change]:
    hashes: dict[str, Value] = {"output_hash": body.output_hash.hex(), "proof_hash": body.proof_hash.hex()}
    yield _facts(envelope, phase="completed", worker=address(body.worker), ended_at=envelope.at, reason=None, **hashes)
    yield _attempt(body.job_id, body.attempt, ended_at=envelope.at)


@fold.on(JobFailed)
def _failed(envelope: EventEnvelope, body: JobFailed, read: Read) -> Iterator[Change]:
    yield _attempt(body.job_id, _current(envelope, read), ended_at=envelope.at, reason=body.reason)
    yield _facts(envelope, phase="failed", ended_at=envelope.at, reason=body.reason)


@fold.on(JobCancelled)
def _cancelled(envelope: EventEnvelope, body: JobCancelled, read: Read) -> Iterator[Change]:
    yield _attempt(body.job_id, _current(envelope, read), ended_at=envelope.at, reason="cancelled")
    yield _facts(envelope, phase="cancelled", ended_at=envelope.at, reason="cancelled")


@fold.on(JobQueued)
def _queued(envelope: EventEnvelope, body: JobQueued, read: Read) -> Iterator[Change]:
    yield _attempt(body.job_id, body.attempt, queued_at=envelope.at)


@fold.on(JobMatched)
def _matched(envelope: EventEnvelope, body: JobMatched, read: Read) -> Iterator[Change]:
    yield _attempt(body.job_id, body.attempt, matched_at=envelope.at)


@fold.on(ProofGenerated)
def _proved(envelope: EventEnvelope, body: ProofGenerated, read: Read) -> Iterator[Change]:
    yield _attempt(
        body.job_id,
        body.attempt,
        proved_at=envelope.at,
        proof_hash=body.proof_hash.hex(),
        output_hash=body.output_hash.hex(),
        proof_system=body.proof_system,
        security_bits=body.security_bits,
        backend=body.backend,
        proof_bytes=len(body.proof),
        run_ms=body.run_ms,
        prove_ms=body.prove_ms,
    )


@fold.on(ProofRefused)
def _refused(envelope: EventEnvelope, body: ProofRefused, read: Read) -> Iterator[Change]:
    yield add("job_facts", (envelope.subject,), proofs_refused=1)


@fold.on(TallyOpened)
def _voting(envelope: EventEnvelope, body: TallyOpened, read: Read) -> Iterator[Change]:
    yield _attempt(body.job_id, body.attempt, voting_at=envelope.at, decided_at=None, outcome=None)


@fold.on(ConsensusReached)
def _decided(envelope: EventEnvelope, body: ConsensusReached, read: Read) -> Iterator[Change]:
    yield _attempt(body.job_id, body.attempt, decided_at=envelope.at, outcome=body.outcome)


@fold.on(JobRejected)
def _rejected(envelope: EventEnvelope, body: JobRejected, read: Read) -> Iterator[Change]:
    key = (body.job_id.hex(), envelope.subject)
    yield put("job_money", key, rejected_at=envelope.at, rejection=body.reason, details=body.details)


def _money(column: str) -> Any:
    """A handler that notes when the account's side of the job reached `column`."""

    def note(envelope: EventEnvelope, body: Any, read: Read) -> Iterator[Change]:
        yield put("job_money", (body.job_id.hex(), envelope.subject), **{column: envelope.at})

    return note


for _event, _when in (
    (EscrowLocked, "locked_at"),
    (EscrowReleased, "released_at"),
    (EscrowRefunded, "refunded_at"),
    (PaymentDue, "due_at"),
    (PaymentEncrypted, "paid_at"),
):
    fold.on(_event)(_money(_when))

MODEL = Model(
    name="jobs",
    version=1,
    doc="What was asked for, who does it, how far it is, and how each attempt went.",
    topics=("accounts", "workers", "jobs", "proofs", "votes"),
    tables=(FACTS, ATTEMPTS, MONEY),
    fold=fold,
    main="jobs",
    brief=("job_id", "state", "job_type", "attempt", "worker", "reason", "submitted_at", "ended_at"),
    views=(("jobs", VIEW),),
)
