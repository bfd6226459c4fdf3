"""Judgements: who may vote on a proof, who voted what, which votes were refused, and the outcome."""

import json
from collections.abc import Iterable, Iterator

from bitsage.schemas.events import (
    ConsensusReached,
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    TallyOpened,
    VoteCast,
    VoteRejected,
)
from bitsage.schemas.types import EventEnvelope

from .records import address
from .schema import Change, Column, Fold, Key, Kind, Merge, Model, Read, Row, Table, Value, add, put

fold = Fold()


def _column(name: str, kind: Kind, doc: str, default: Value = None, merge: Merge = Merge.LAST) -> Column:
    return Column(name, kind, "votes", doc, default, merge)


_JOB = _column("job_id", Kind.TEXT, "32 hex digits", "")
_PROOF = _column("proof_hash", Kind.TEXT, "64 hex digits", "")
_TALLIES = Table(
    "tallies",
    "One row per job, attempt and proof.",
    (_JOB, _column("attempt", Kind.INTEGER, "of the job", 0), _PROOF),
    (
        _column("worker", Kind.TEXT, "whose proof; TallyOpened, ConsensusReached"),
        _column("output_hash", Kind.TEXT, "claimed result; TallyOpened, ConsensusReached"),
        _column("epoch", Kind.INTEGER, "of the validator set; TallyOpened"),
        _column("validators", Kind.JSON, "who may vote; TallyOpened", "[]"),
        _column("threshold", Kind.INTEGER, "how many must agree; TallyOpened, ConsensusReached"),
        _column("opened_at", Kind.TIME, "TallyOpened"),
        _column("expires_at", Kind.TIME, "TallyOpened"),
        _column("votes_valid", Kind.INTEGER, "VoteCast", 0, Merge.SUM),
        _column("votes_invalid", Kind.INTEGER, "VoteCast", 0, Merge.SUM),
        _column("outcome", Kind.TEXT, "approved, rejected or expired; empty while open; ConsensusReached", ""),
        _column("decided_at", Kind.TIME, "ConsensusReached"),
        _column("contrary", Kind.JSON, "who voted against it; ConsensusReached", "[]"),
        _column("reporter", Kind.TEXT, "who first said invalid; ConsensusReached"),
    ),
)
_VOTES = Table(
    "votes",
    "One row per counted vote.",
    (_JOB, _PROOF, _column("sequence", Kind.INTEGER, "of the event in the job's chain", 0)),
    (
        _column("attempt", Kind.INTEGER, "of the job", 0),
        _column("validator", Kind.TEXT, "who"),
        _column("valid", Kind.FLAG, "what", 0),
        _column("reason", Kind.TEXT, "why"),
        _column("at", Kind.TIME, "when"),
    ),
)
_REFUSED = Table(
    "refused_votes",
    "One row per vote that did not count.",
    (_JOB, _PROOF, _column("sequence", Kind.INTEGER, "of the event in the job's chain", 0)),
    (
        _column("validator", Kind.TEXT, "who"),
        _column("reason", Kind.TEXT, "a reason code"),
        _column("at", Kind.TIME, "when"),
    ),
)


_ROUND = _column("round", Kind.INTEGER, "which dispute of the attempt, from 1", 0)
_DISPUTES = Table(
    "disputes",
    "One row per dispute.",
    (_JOB, _column("attempt", Kind.INTEGER, "of the job", 0), _ROUND),
    (
        _column("disputer", Kind.TEXT, "who filed it; DisputeOpened, DisputeResolved"),
        _column("decision", Kind.TEXT, "what is contested: approved or rejected; DisputeOpened"),
        _column("worker", Kind.TEXT, "whose proof; DisputeOpened, DisputeResolved"),
        _column("proof_hash", Kind.TEXT, "64 hex digits; DisputeOpened, DisputeResolved"),
        _column("epoch", Kind.INTEGER, "of the validator set; DisputeOpened"),
        _column("validators", Kind.JSON, "who may vote; DisputeOpened", "[]"),
        _column("threshold", Kind.INTEGER, "how many must agree; DisputeOpened, DisputeResolved"),
        _column("opened_at", Kind.TIME, "DisputeOpened"),
        _column("expires_at", Kind.TIME, "DisputeOpened"),
        _column("votes_valid", Kind.INTEGER, "DisputeVoteCast", 0, Merge.SUM),
        _column("votes_invalid", Kind.INTEGER, "DisputeVoteCast", 0, Merge.SUM),
        _column("outcome", Kind.TEXT, "overturned, upheld or expired; empty while open; DisputeResolved", ""),
        _column("verdict", Kind.TEXT, "approved, rejected or expired; DisputeResolved", ""),
        _column("resolved_at", Kind.TIME, "DisputeResolved"),
        _column("contrary", Kind.JSON, "who voted against the verdict; DisputeResolved", "[]"),
        _column("reporter", Kind.TEXT, "who first voted for it; DisputeResolved"),
    ),
)
_DISPUTE_VOTES = Table(
    "dispute_votes",
    "One row per vote counted in a dispute.",
    (_JOB, _column("sequence", Kind.INTEGER, "of the event in the job's chain", 0)),
    (
        _column("attempt", Kind.INTEGER, "of the job", 0),
        _column("round", Kind.INTEGER, "which dispute of the attempt", 0),
        _column("proof_hash", Kind.TEXT, "64 hex digits"),
        _column("validator", Kind.TEXT, "who"),
        _column("valid", Kind.FLAG, "what", 0),
        _column("reason", Kind.TEXT, "why"),
        _column("at", Kind.TIME, "when"),
    ),
)


def _addresses(raw: Iterable[bytes]) -> str:
    return json.dumps([address(one) for one in raw], separators=(",", ":"))


def _opening(envelope: EventEnvelope, body: TallyOpened | DisputeOpened) -> Row:
    return {
        "worker": address(body.worker),
        "epoch": body.epoch,
        "validators": _addresses(body.validators),
        "threshold": body.threshold,
        "opened_at": envelope.at,
        "expires_at": body.expires_at,
    }


def _outcome(body: ConsensusReached | DisputeResolved) -> Row:
    return {
        "worker": address(body.worker),
        "threshold": body.threshold,
        "outcome": body.outcome,
        "contrary": _addresses(body.contrary),
        "reporter": None if body.reporter is None else address(body.reporter),
    }


def _count(table: str, key: Key, body: VoteCast | DisputeVoteCast) -> Change:
    return add(table, key, **{"votes_valid" if body.valid else "votes_invalid": 1})


def _vote(envelope: EventEnvelope, body: VoteCast | DisputeVoteCast) -> Row:
    return {
        "attempt": body.attempt,
        "validator": address(body.validator),
        "valid": int(body.valid),
        "reason": body.reason,
        "at": envelope.at,
    }


# ---- the votes on a proof ----


def _tally(envelope: EventEnvelope, body: TallyOpened | VoteCast | ConsensusReached) -> Key:
    return envelope.subject, body.attempt, body.proof_hash.hex()


@fold.on(TallyOpened)
def _opened(envelope: EventEnvelope, body: TallyOpened, read: Read) -> Iterator[Change]:
    yield put("tallies", _tally(envelope, body), output_hash=body.output_hash.hex(), **_opening(envelope, body))


@fold.on(VoteCast)
def _voted(envelope: EventEnvelope, body: VoteCast, read: Read) -> Iterator[Change]:
    yield _count("tallies", _tally(envelope, body), body)
    yield put("votes", (envelope.subject, body.proof_hash.hex(), envelope.sequence), **_vote(envelope, body))


@fold.on(VoteRejected)
def _refused(envelope: EventEnvelope, body: VoteRejected, read: Read) -> Iterator[Change]:
    key = (envelope.subject, body.proof_hash.hex(), envelope.sequence)
    yield put("refused_votes", key, validator=address(body.validator), reason=body.reason, at=envelope.at)


@fold.on(ConsensusReached)
def _decided(envelope: EventEnvelope, body: ConsensusReached, read: Read) -> Iterator[Change]:
    found: Row = {"output_hash": body.output_hash.hex(), "decided_at": envelope.at}
    yield put("tallies", _tally(envelope, body), **found, **_outcome(body))


# ---- and once more in a dispute ----


def _dispute(envelope: EventEnvelope, body: DisputeOpened | DisputeVoteCast | DisputeResolved) -> Key:
    return envelope.subject, body.attempt, body.round


@fold.on(DisputeOpened)
def _disputed(envelope: EventEnvelope, body: DisputeOpened, read: Read) -> Iterator[Change]:
    parties: Row = {"disputer": address(body.disputer), "decision": body.decision, "proof_hash": body.proof_hash.hex()}
    yield put("disputes", _dispute(envelope, body), **parties, **_opening(envelope, body))


@fold.on(DisputeVoteCast)
def _judged(envelope: EventEnvelope, body: DisputeVoteCast, read: Read) -> Iterator[Change]:
    yield _count("disputes", _dispute(envelope, body), body)
    about: Row = {"round": body.round, "proof_hash": body.proof_hash.hex()}
    yield put("dispute_votes", (envelope.subject, envelope.sequence), **about, **_vote(envelope, body))


@fold.on(DisputeResolved)
def _resolved(envelope: EventEnvelope, body: DisputeResolved, read: Read) -> Iterator[Change]:
    about: Row = {"disputer": address(body.disputer), "proof_hash": body.proof_hash.hex()}
    found: Row = {"verdict": body.verdict, "resolved_at": envelope.at}
    yield put("disputes", _dispute(envelope, body), **about, **found, **_outcome(body))


MODEL = Model(
    name="consensus",
    version=1,
    doc="Who may vote on a proof, who voted what, the outcome, and disputes about it.",
    topics=("votes",),
    tables=(_TALLIES, _VOTES, _REFUSED, _DISPUTES, _DISPUTE_VOTES),
    fold=fold,
    main="tallies",
    brief=("job_id", "attempt", "proof_hash", "votes_valid", "votes_invalid", "threshold", "outcome"),
    indexes=("create index tallies_by_outcome on tallies (outcome)",),
)
