"""Workers and validators: registration, reputation and level, presence, their place in the market, and their record."""

import json
from collections.abc import Iterator

from bitsage.schemas.events import (
    CapacityChanged,
    ConsensusReached,
    JobCompleted,
    JobMatched,
    JobWithdrawn,
    ReputationChanged,
    ValidatorDeparted,
    ValidatorRegistered,
    ValidatorSetChanged,
    VoteCast,
    WorkerDeparted,
    WorkerRegistered,
    WorkerReturned,
    WorkerWentOffline,
)
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.types import EventEnvelope

from .records import address
from .schema import Change, Column, Fold, Kind, Merge, Model, Read, Table, Value, add, put

fold = Fold()
#: Reputation at which levels 4, 3, 2 and 1 begin (domain specification, section 2); below is level 0.
LEVELS = (850, 700, 500, 300)


def _column(name: str, kind: Kind, doc: str, default: Value = None) -> Column:
    return Column(name, kind, "workers", doc, default)


def _count(name: str, source: str, doc: str) -> Column:
    return Column(name, Kind.INTEGER, source, doc, 0, Merge.SUM)


_WORKERS = Table(
    "worker_facts",
    "One row per worker; `workers` is the view of it with the level.",
    (_column("worker", Kind.TEXT, "0x and 64 hex digits", ""),),
    (
        _column("registered", Kind.FLAG, "WorkerRegistered 1, WorkerDeparted 0", 0),
        _column("tier", Kind.TEXT, "WorkerRegistered"),
        _column("gpu_model", Kind.TEXT, "WorkerRegistered"),
        _column("stake", Kind.AMOUNT, "at registration; WorkerRegistered", 0),
        _column("payment_key", Kind.TEXT, "hex; WorkerRegistered"),
        _column("job_types", Kind.JSON, "WorkerRegistered", "[]"),
        _column("slots", Kind.INTEGER, "WorkerRegistered", 0),
        _column("attested", Kind.FLAG, "WorkerRegistered", 0),
        _column("registered_at", Kind.TIME, "WorkerRegistered"),
        _column("departed_at", Kind.TIME, "WorkerDeparted"),
        _column("online", Kind.FLAG, "WorkerRegistered, WorkerReturned 1; WorkerWentOffline, WorkerDeparted 0", 0),
        _column("online_changed_at", Kind.TIME, "the last change of `online`"),
        _column("absence", Kind.TEXT, "why it is offline or gone; WorkerWentOffline, WorkerDeparted"),
        _column("reputation", Kind.INTEGER, "0..1000; ReputationChanged", Parameters().reputation_start),
        _column("failures", Kind.INTEGER, "run of failures; ReputationChanged", 0),
        _column("market_slots", Kind.INTEGER, "0: not scheduled; CapacityChanged of the market", 0),
        _count("matched", "workers", "attempts given to it; JobMatched of the market"),
        _count("freed", "workers", "slots freed again; JobWithdrawn of the market"),
        _count("completed", "jobs", "approved jobs; JobCompleted"),
        _count("disproved", "votes", "proofs voted down; ConsensusReached"),
    ),
)
_VALIDATORS = Table(
    "validators",
    "One row per validator.",
    (_column("validator", Kind.TEXT, "0x and 64 hex digits", ""),),
    (
        _column("registered", Kind.FLAG, "ValidatorRegistered 1, ValidatorDeparted 0", 0),
        _column("stake", Kind.AMOUNT, "at registration; ValidatorRegistered", 0),
        _column("registered_at", Kind.TIME, "ValidatorRegistered"),
        _column("departed_at", Kind.TIME, "ValidatorDeparted"),
        _column("departure", Kind.TEXT, "why; ValidatorDeparted"),
        _count("votes", "votes", "counted votes; VoteCast"),
        _count("contrary", "votes", "votes against the decision; ConsensusReached"),
        _column("reputation", Kind.INTEGER, "moved by disputes; ReputationChanged", Parameters().reputation_start),
    ),
)
_SETS = Table(
    "validator_sets",
    "One row per epoch.",
    (_column("epoch", Kind.INTEGER, "counts the changes", 0),),
    (
        _column("at", Kind.TIME, "since when"),
        _column("validators", Kind.JSON, "addresses, ascending", "[]"),
    ),
)
_LEVEL_SQL = (
    "case " + " ".join(f"when reputation >= {bound} then {4 - i}" for i, bound in enumerate(LEVELS)) + " else 0 end"
)
_VIEW = (
    "select worker, registered, tier, gpu_model, online, reputation, "
    f"{_LEVEL_SQL} as level, failures, slots, market_slots, matched - freed as busy, completed, disproved, stake, "
    "attested, job_types, registered_at, online_changed_at, absence, departed_at, payment_key from worker_facts"
)


@fold.on(WorkerRegistered)
def _registered(envelope: EventEnvelope, body: WorkerRegistered, read: Read) -> Iterator[Change]:
    yield put(
        "worker_facts",
        (envelope.subject,),
        registered=1,
        tier=body.tier,
        gpu_model=body.gpu_model,
        stake=body.stake,
        payment_key=body.payment_key.hex(),
        job_types=json.dumps(body.job_types, separators=(",", ":")),
        slots=body.slots,
        attested=int(body.attested),
        registered_at=envelope.at,
        departed_at=None,
        online=1,
        online_changed_at=envelope.at,
        absence=None,
    )


@fold.on(WorkerDeparted)
def _departed(envelope: EventEnvelope, body: WorkerDeparted, read: Read) -> Iterator[Change]:
    yield put(
        "worker_facts", (envelope.subject,), registered=0, departed_at=envelope.at, **_absent(envelope, body.reason)
    )


@fold.on(WorkerWentOffline)
def _offline(envelope: EventEnvelope, body: WorkerWentOffline, read: Read) -> Iterator[Change]:
    yield put("worker_facts", (envelope.subject,), **_absent(envelope, body.reason))


def _absent(envelope: EventEnvelope, reason: str) -> dict[str, Value]:
    return {"online": 0, "online_changed_at": envelope.at, "absence": reason}


@fold.on(WorkerReturned)
def _returned(envelope: EventEnvelope, body: WorkerReturned, read: Read) -> Iterator[Change]:
    yield put("worker_facts", (envelope.subject,), online=1, online_changed_at=envelope.at, absence=None)


@fold.on(ReputationChanged)
def _reputation(envelope: EventEnvelope, body: ReputationChanged, read: Read) -> Iterator[Change]:
    # A validator's record moves by disputes alone; whoever was both has one record.
    judges = read("validators", (envelope.subject,)) is not None
    if judges:
        yield put("validators", (envelope.subject,), reputation=body.after)
    if not judges or read("worker_facts", (envelope.subject,)) is not None:
        yield put("worker_facts", (envelope.subject,), reputation=body.after, failures=body.failures)


@fold.on(CapacityChanged)
def _capacity(envelope: EventEnvelope, body: CapacityChanged, read: Read) -> Iterator[Change]:
    yield put("worker_facts", (address(body.worker),), market_slots=body.slots)


@fold.on(JobMatched)
def _matched(envelope: EventEnvelope, body: JobMatched, read: Read) -> Iterator[Change]:
    yield add("worker_facts", (address(body.worker),), matched=1)


@fold.on(JobWithdrawn)
def _withdrawn(envelope: EventEnvelope, body: JobWithdrawn, read: Read) -> Iterator[Change]:
    if body.worker is not None:
        yield add("worker_facts", (address(body.worker),), freed=1)


@fold.on(JobCompleted)
def _completed(envelope: EventEnvelope, body: JobCompleted, read: Read) -> Iterator[Change]:
    yield add("worker_facts", (address(body.worker),), completed=1)


@fold.on(ValidatorRegistered)
def _validator(envelope: EventEnvelope, body: ValidatorRegistered, read: Read) -> Iterator[Change]:
    values: dict[str, Value] = {
        "stake": body.stake,
        "registered_at": envelope.at,
        "departed_at": None,
        "departure": None,
    }
    yield put("validators", (envelope.subject,), registered=1, **values)


@fold.on(ValidatorDeparted)
def _validator_left(envelope: EventEnvelope, body: ValidatorDeparted, read: Read) -> Iterator[Change]:
    yield put("validators", (envelope.subject,), registered=0, departed_at=envelope.at, departure=body.reason)


@fold.on(ValidatorSetChanged)
def _set(envelope: EventEnvelope, body: ValidatorSetChanged, read: Read) -> Iterator[Change]:
    members = json.dumps([address(validator) for validator in body.validators], separators=(",", ":"))
    yield put("validator_sets", (body.epoch,), at=envelope.at, validators=members)


@fold.on(VoteCast)
def _voted(envelope: EventEnvelope, body: VoteCast, read: Read) -> Iterator[Change]:
    yield add("validators", (address(body.validator),), votes=1)


@fold.on(ConsensusReached)
def _decided(envelope: EventEnvelope, body: ConsensusReached, read: Read) -> Iterator[Change]:
    if body.outcome == "rejected":
        yield add("worker_facts", (address(body.worker),), disproved=1)
    for validator in body.contrary:
        yield add("validators", (address(validator),), contrary=1)


MODEL = Model(
    name="workers",
    version=1,
    doc="Workers and validators: registration, reputation, presence, place in the market.",
    topics=("workers", "jobs", "votes"),
    tables=(_WORKERS, _VALIDATORS, _SETS),
    fold=fold,
    main="workers",
    brief=("worker", "registered", "tier", "gpu_model", "online", "reputation", "level", "busy", "slots", "completed"),
    views=(("workers", _VIEW),),
)
