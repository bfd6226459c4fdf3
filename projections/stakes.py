"""Stakes: how much, for which tier, what is being unlocked until when, and every slash."""

import json
from collections.abc import Iterator, Mapping

from bitsage.schemas.events import Slashed, Staked, StakeRejected, Unstaked, UnstakeRequested
from bitsage.schemas.types import EventEnvelope

from .records import address
from .schema import Change, Column, Fold, Kind, Merge, Model, Read, Table, Value, add, put

fold = Fold()


def _column(name: str, kind: Kind, doc: str, default: Value = None, merge: Merge = Merge.LAST) -> Column:
    return Column(name, kind, "accounts", doc, default, merge)


_STAKES = Table(
    "stakes",
    "One row per account that ever staked; base units.",
    (_column("account", Kind.TEXT, "0x and 64 hex digits", ""),),
    (
        _column("amount", Kind.AMOUNT, "the stake now", 0),
        _column("tier", Kind.TEXT, "the tier staked for last; Staked"),
        _column("unstaking", Kind.AMOUNT, "sum of `unlocks`", 0),
        _column("unlocks", Kind.JSON, "[[amount, unlock_at], ...] in order of request; amounts as text", "[]"),
        _column("staked_at", Kind.TIME, "Staked, the last one"),
        _column("slashed", Kind.AMOUNT, "all that was slashed; Slashed", 0, Merge.SUM),
        _column("slash_count", Kind.INTEGER, "how often; Slashed", 0, Merge.SUM),
        _column("rejections", Kind.INTEGER, "refused stakes; StakeRejected", 0, Merge.SUM),
    ),
)
_SLASHES = Table(
    "slashes",
    "One row per slash.",
    (
        _column("account", Kind.TEXT, "who was slashed", ""),
        _column("sequence", Kind.INTEGER, "of the event in the account's chain", 0),
    ),
    (
        _column("at", Kind.TIME, "when"),
        _column("reason", Kind.TEXT, "row of the slashing table"),
        _column("job_id", Kind.TEXT, "32 hex digits"),
        _column("attempt", Kind.INTEGER, "of the job"),
        _column("amount", Kind.AMOUNT, "taken", 0),
        _column("reporter", Kind.TEXT, "who gets the reporter's part"),
        _column("reporter_amount", Kind.AMOUNT, "the reporter's part", 0),
        _column("burnt", Kind.AMOUNT, "destroyed", 0),
        _column("treasury", Kind.AMOUNT, "to the treasury", 0),
        _column("remaining", Kind.AMOUNT, "stake left", 0),
        _column("round", Kind.INTEGER, "0: the decision on the proof; else the dispute", 0),
    ),
)


def _integer(row: Mapping[str, Value] | None, name: str) -> int:
    value = 0 if row is None else row[name]
    assert isinstance(value, int)
    return value


def _unlocks(row: Mapping[str, Value] | None) -> list[tuple[int, int]]:
    text = "[]" if row is None else row["unlocks"]
    assert isinstance(text, str)
    return [(int(amount), until) for amount, until in json.loads(text)]


def _put_unlocks(envelope: EventEnvelope, unlocks: list[tuple[int, int]], **values: Value) -> Change:
    text = json.dumps([[str(amount), until] for amount, until in unlocks], separators=(",", ":"))
    total = sum(amount for amount, _ in unlocks)
    return put("stakes", (envelope.subject,), unlocks=text, unstaking=total, **values)


def _take(unlocks: list[tuple[int, int]], amount: int) -> list[tuple[int, int]]:
    """Take `amount` out of the unlocks, the oldest first."""
    left = []
    for held, until in unlocks:
        taken = min(held, amount)
        amount -= taken
        if held > taken:
            left.append((held - taken, until))
    return left


@fold.on(Staked)
def _staked(envelope: EventEnvelope, body: Staked, read: Read) -> Iterator[Change]:
    yield put("stakes", (envelope.subject,), amount=body.total, tier=body.tier, staked_at=envelope.at)


@fold.on(StakeRejected)
def _rejected(envelope: EventEnvelope, body: StakeRejected, read: Read) -> Iterator[Change]:
    yield add("stakes", (envelope.subject,), rejections=1)


@fold.on(UnstakeRequested)
def _unstaking(envelope: EventEnvelope, body: UnstakeRequested, read: Read) -> Iterator[Change]:
    row = read("stakes", (envelope.subject,))
    unlocks = [*_unlocks(row), (body.amount, body.unlock_at)]
    yield _put_unlocks(envelope, unlocks, amount=_integer(row, "amount") - body.amount)


@fold.on(Unstaked)
def _unstaked(envelope: EventEnvelope, body: Unstaked, read: Read) -> Iterator[Change]:
    yield _put_unlocks(envelope, _take(_unlocks(read("stakes", (envelope.subject,))), body.amount))


@fold.on(Slashed)
def _slashed(envelope: EventEnvelope, body: Slashed, read: Read) -> Iterator[Change]:
    row = read("stakes", (envelope.subject,))
    from_unlocks = max(0, body.amount - (_integer(row, "amount") - body.remaining))
    yield _put_unlocks(envelope, _take(_unlocks(row), from_unlocks), amount=body.remaining)
    yield add("stakes", (envelope.subject,), slashed=body.amount, slash_count=1)
    yield put(
        "slashes",
        (envelope.subject, envelope.sequence),
        at=envelope.at,
        reason=body.reason,
        job_id=body.job_id.hex(),
        attempt=body.attempt,
        amount=body.amount,
        reporter=address(body.reporter),
        reporter_amount=body.reporter_amount,
        burnt=body.burnt,
        treasury=body.treasury,
        remaining=body.remaining,
        round=body.round,
    )


MODEL = Model(
    name="stakes",
    version=1,
    doc="Stakes, unlocks and slashes.",
    topics=("accounts",),
    tables=(_STAKES, _SLASHES),
    fold=fold,
    main="stakes",
    brief=("account", "amount", "tier", "unstaking", "slashed", "slash_count"),
)
