"""What may point at fraud: benchmarks against measured rates, votes against decisions, and gaps in presence.

Facts only, each with its place in its subject's chain; what is remarkable about them is for a report to say.
"""

import json
from collections.abc import Iterator

from bitsage.schemas.events import (
    BenchmarkDoubted,
    ConsensusReached,
    RateMeasured,
    VoteCast,
    WorkerDeparted,
    WorkerRegistered,
    WorkerReturned,
    WorkerWentOffline,
)
from bitsage.schemas.types import EventEnvelope

from .records import address
from .schema import Change, Column, Fold, Kind, Merge, Model, Read, Table, Value, add, put

fold = Fold()
#: Why a worker went offline when it was for want of heartbeats.
INACTIVITY = "inactivity"


def _column(name: str, kind: Kind, doc: str, default: Value = None, *, source: str = "workers") -> Column:
    return Column(name, kind, source, doc, default)


def _vote(name: str, kind: Kind, doc: str, default: Value = None) -> Column:
    return _column(name, kind, doc, default, source="votes")


def _count(name: str, doc: str) -> Column:
    return Column(name, Kind.INTEGER, "workers", doc, 0, Merge.SUM)


_WORKER = _column("worker", Kind.TEXT, "0x and 64 hex digits", "")
_SEQUENCE = _column("sequence", Kind.INTEGER, "of the event in the worker's chain", 0)
_CLAIM = (
    _column("claim_rows", Kind.INTEGER, "the benchmark's rows", 0),
    _column("claim_ms", Kind.INTEGER, "the benchmark's time", 0),
)
_WATCHED = Table(
    "watched",
    "One row per worker.",
    (_WORKER,),
    (
        _column("benchmarks", Kind.JSON, "[[job type, rows, ms, upheld against a doubt], ...]; WorkerRegistered", "[]"),
        _column("registration", Kind.INTEGER, "sequence of the last WorkerRegistered", 0),
        _count("measured", "jobs that were held against a benchmark; RateMeasured"),
        _count("slow", "those that were slower than the claim allows; RateMeasured"),
        _count("doubts", "benchmarks that were voided; BenchmarkDoubted"),
        _count("gaps", "times that no heartbeat came; WorkerWentOffline"),
        _column("gap_since", Kind.TIME, "open gap; WorkerWentOffline"),
        _column("gap_total_ms", Kind.INTEGER, "sum of the closed gaps", 0),
        _column("gap_longest_ms", Kind.INTEGER, "longest closed gap", 0),
        _column("gap_sequence", Kind.INTEGER, "sequence of the event that ended the longest gap", 0),
    ),
)
_RATES = Table(
    "rates",
    "One row per job that was held against a benchmark; RateMeasured.",
    (_WORKER, _SEQUENCE),
    (
        _column("job_id", Kind.TEXT, "32 hex digits"),
        _column("attempt", Kind.INTEGER, "of the job", 0),
        _column("job_type", Kind.TEXT, "of the job"),
        _column("rows", Kind.INTEGER, "of its proof", 0),
        _column("elapsed_ms", Kind.INTEGER, "from JobStarted to ProofGenerated", 0),
        _column("waited_ms", Kind.INTEGER, "from JobAssigned to JobStarted", 0),
        *_CLAIM,
        _column("counted", Kind.FLAG, "at least as large as the benchmark's job", 0),
        _column("run", Kind.INTEGER, "slow jobs in a row, up to this one", 0),
        _column("at", Kind.TIME, "when"),
    ),
)
_DOUBTS = Table(
    "doubts",
    "One row per benchmark that was voided; BenchmarkDoubted.",
    (_WORKER, _SEQUENCE),
    (
        _column("job_type", Kind.TEXT, "of the benchmark"),
        *_CLAIM,
        _column("best_rows", Kind.INTEGER, "of the fastest of the jobs", 0),
        _column("best_ms", Kind.INTEGER, "time of the fastest of the jobs", 0),
        _column("jobs", Kind.JSON, "the jobs that contradict it", "[]"),
        _column("insisted", Kind.FLAG, "the worker had been told before: stake is slashed", 0),
        _column("at", Kind.TIME, "when"),
    ),
)
_TALLY = (
    _vote("job_id", Kind.TEXT, "32 hex digits", ""),
    _vote("attempt", Kind.INTEGER, "of the job", 0),
    _vote("proof_hash", Kind.TEXT, "64 hex digits", ""),
)
_BALLOTS = Table(
    "ballots",
    "One row per counted vote; VoteCast.",
    (*_TALLY, _vote("validator", Kind.TEXT, "who", "")),
    (_vote("valid", Kind.FLAG, "what", 0), _vote("ballot", Kind.INTEGER, "sequence in the job's chain of votes", 0)),
)
_DECISIONS = Table(
    "decisions",
    "One row per decision; ConsensusReached.",
    _TALLY,
    (
        _vote("outcome", Kind.TEXT, "approved, rejected or expired", ""),
        _vote("decision", Kind.INTEGER, "sequence in the job's chain of votes", 0),
        _vote("decided_at", Kind.TIME, "when"),
    ),
)
_AGAINST = (
    "select b.validator, b.job_id, b.attempt, b.proof_hash, d.outcome, b.ballot, d.decision, d.decided_at "
    "from ballots b join decisions d using (job_id, attempt, proof_hash) "
    "where (d.outcome = 'approved' and not b.valid) or (d.outcome = 'rejected' and b.valid)"
)


@fold.on(WorkerRegistered)
def _registered(envelope: EventEnvelope, body: WorkerRegistered, read: Read) -> Iterator[Change]:
    claims = [[claim.job_type, claim.rows, claim.ms, claim.job_type in body.insisted] for claim in body.benchmarks]
    text = json.dumps(claims, separators=(",", ":"))
    yield put("watched", (envelope.subject,), benchmarks=text, registration=envelope.sequence)
    yield from _back(envelope, read)


@fold.on(WorkerWentOffline)
def _offline(envelope: EventEnvelope, body: WorkerWentOffline, read: Read) -> Iterator[Change]:
    if body.reason != INACTIVITY:
        # It is out for another reason from now on.
        yield from _back(envelope, read)
        return
    yield put("watched", (envelope.subject,), gap_since=envelope.at)
    yield add("watched", (envelope.subject,), gaps=1)


@fold.on(WorkerReturned)
def _returned(envelope: EventEnvelope, body: WorkerReturned, read: Read) -> Iterator[Change]:
    yield from _back(envelope, read)


@fold.on(WorkerDeparted)
def _departed(envelope: EventEnvelope, body: WorkerDeparted, read: Read) -> Iterator[Change]:
    yield from _back(envelope, read)


def _back(envelope: EventEnvelope, read: Read) -> Iterator[Change]:
    row = read("watched", (envelope.subject,)) or {}
    since = row.get("gap_since")
    if not isinstance(since, int):
        return
    total, longest = row["gap_total_ms"], row["gap_longest_ms"]
    assert isinstance(total, int)
    assert isinstance(longest, int)
    lasted = max(0, envelope.at - since)
    yield put("watched", (envelope.subject,), gap_since=None, gap_total_ms=total + lasted)
    if lasted > longest:
        yield put("watched", (envelope.subject,), gap_longest_ms=lasted, gap_sequence=envelope.sequence)


@fold.on(RateMeasured)
def _measured(envelope: EventEnvelope, body: RateMeasured, read: Read) -> Iterator[Change]:
    yield add("watched", (envelope.subject,), measured=1, slow=int(body.run > 0))
    yield put(
        "rates",
        (envelope.subject, envelope.sequence),
        job_id=body.job_id.hex(),
        attempt=body.attempt,
        job_type=body.job_type,
        rows=body.rows,
        elapsed_ms=body.elapsed_ms,
        waited_ms=body.waited_ms,
        claim_rows=body.claim_rows,
        claim_ms=body.claim_ms,
        counted=int(body.counted),
        run=body.run,
        at=envelope.at,
    )


@fold.on(BenchmarkDoubted)
def _doubted(envelope: EventEnvelope, body: BenchmarkDoubted, read: Read) -> Iterator[Change]:
    yield add("watched", (envelope.subject,), doubts=1)
    yield put(
        "doubts",
        (envelope.subject, envelope.sequence),
        job_type=body.job_type,
        claim_rows=body.claim_rows,
        claim_ms=body.claim_ms,
        best_rows=body.best_rows,
        best_ms=body.best_ms,
        jobs=json.dumps([job_id.hex() for job_id in body.jobs], separators=(",", ":")),
        insisted=int(body.insisted),
        at=envelope.at,
    )


@fold.on(VoteCast)
def _voted(envelope: EventEnvelope, body: VoteCast, read: Read) -> Iterator[Change]:
    key = (envelope.subject, body.attempt, body.proof_hash.hex(), address(body.validator))
    yield put("ballots", key, valid=int(body.valid), ballot=envelope.sequence)


@fold.on(ConsensusReached)
def _decided(envelope: EventEnvelope, body: ConsensusReached, read: Read) -> Iterator[Change]:
    key = (envelope.subject, body.attempt, body.proof_hash.hex())
    yield put("decisions", key, outcome=body.outcome, decision=envelope.sequence, decided_at=envelope.at)


MODEL = Model(
    name="fraud",
    version=1,
    doc="What may point at fraud: benchmarks and measured rates, votes against decisions, gaps in presence.",
    topics=("workers", "votes"),
    tables=(_WATCHED, _RATES, _DOUBTS, _BALLOTS, _DECISIONS),
    fold=fold,
    main="watched",
    brief=("worker", "measured", "slow", "doubts", "gaps", "gap_longest_ms"),
    views=(("against", _AGAINST),),
    indexes=("create index ballots_by_validator on ballots (validator)",),
)
