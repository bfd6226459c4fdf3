"""Payments: what a client locked and how it was divided, what a worker is owed, and whether it was claimed.

Amounts stand here only where an event holds them in plain.
"""

from collections.abc import Iterator

from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    PaymentClaimed,
    PaymentDue,
    PaymentEncrypted,
)
from bitsage.schemas.types import EventEnvelope

from .records import address
from .schema import Change, Column, Fold, Kind, Model, Read, Table, Value, put

fold = Fold()


def _column(name: str, kind: Kind, doc: str, default: Value = None) -> Column:
    return Column(name, kind, "accounts", doc, default)


_JOB = _column("job_id", Kind.TEXT, "32 hex digits", "")
_PAYMENTS = Table(
    "payment_facts",
    "One row per job and worker; `payments` is the view of it with the state.",
    (_JOB, _column("worker", Kind.TEXT, "who is paid", "")),
    (
        _column("due", Kind.AMOUNT, "PaymentDue"),
        _column("due_at", Kind.TIME, "PaymentDue"),
        _column("payment_key", Kind.TEXT, "hex; PaymentDue"),
        _column("proof_commitment", Kind.TEXT, "hex; PaymentDue, PaymentEncrypted"),
        _column("payment_nonce", Kind.INTEGER, "PaymentDue, PaymentEncrypted"),
        _column("payment", Kind.TEXT, "ciphertext and proofs, hex; PaymentEncrypted"),
        _column("encrypted_at", Kind.TIME, "PaymentEncrypted"),
        _column("claimed", Kind.AMOUNT, "PaymentClaimed"),
        _column("claimed_at", Kind.TIME, "PaymentClaimed"),
    ),
)
_ESCROWS = Table(
    "escrows",
    "One row per job and client.",
    (_JOB, _column("client", Kind.TEXT, "who locked the funds", "")),
    (
        _column("locked", Kind.AMOUNT, "EscrowLocked"),
        _column("locked_at", Kind.TIME, "EscrowLocked"),
        _column("worker", Kind.TEXT, "EscrowReleased"),
        _column("worker_amount", Kind.AMOUNT, "EscrowReleased"),
        _column("protocol_amount", Kind.AMOUNT, "EscrowReleased"),
        _column("released_at", Kind.TIME, "EscrowReleased"),
        _column("refunded", Kind.AMOUNT, "what came back; EscrowReleased, EscrowRefunded"),
        _column("refunded_at", Kind.TIME, "EscrowRefunded"),
        _column("refund_reason", Kind.TEXT, "EscrowRefunded"),
    ),
)
_FEES = Table(
    "fees",
    "One row per income of the treasury.",
    (_column("sequence", Kind.INTEGER, "of the event in the treasury's chain", 0),),
    (
        _column("job_id", Kind.TEXT, "32 hex digits"),
        _column("attempt", Kind.INTEGER, "of the job"),
        _column("payer", Kind.TEXT, "client or slashed account"),
        _column("source", Kind.TEXT, "job_fee, or the reason of a slash"),
        _column("at", Kind.TIME, "when"),
        _column("amount", Kind.AMOUNT, "all of it", 0),
        _column("burnt", Kind.AMOUNT, "destroyed", 0),
        _column("treasury", Kind.AMOUNT, "kept", 0),
        _column("stakers", Kind.AMOUNT, "for the stakers", 0),
    ),
)
_VIEW = (
    "select job_id, worker, case when claimed_at is not null then 'claimed' "
    "when encrypted_at is not null then 'encrypted' else 'due' end as state, due, due_at, encrypted_at, claimed, "
    "claimed_at, payment_nonce, proof_commitment, payment_key, payment from payment_facts"
)


@fold.on(EscrowLocked)
def _locked(envelope: EventEnvelope, body: EscrowLocked, read: Read) -> Iterator[Change]:
    yield put("escrows", (body.job_id.hex(), envelope.subject), locked=body.amount, locked_at=envelope.at)


@fold.on(EscrowReleased)
def _released(envelope: EventEnvelope, body: EscrowReleased, read: Read) -> Iterator[Change]:
    yield put(
        "escrows",
        (body.job_id.hex(), envelope.subject),
        worker=address(body.worker),
        worker_amount=body.worker_amount,
        protocol_amount=body.protocol_amount,
        released_at=envelope.at,
        refunded=body.refund,
    )


@fold.on(EscrowRefunded)
def _refunded(envelope: EventEnvelope, body: EscrowRefunded, read: Read) -> Iterator[Change]:
    key = (body.job_id.hex(), envelope.subject)
    yield put("escrows", key, refunded=body.amount, refunded_at=envelope.at, refund_reason=body.reason)


@fold.on(PaymentDue)
def _due(envelope: EventEnvelope, body: PaymentDue, read: Read) -> Iterator[Change]:
    yield put(
        "payment_facts",
        (body.job_id.hex(), envelope.subject),
        due=body.amount,
        due_at=envelope.at,
        payment_key=body.payment_key.hex(),
        proof_commitment=body.proof_commitment.hex(),
        payment_nonce=body.payment_nonce,
    )


@fold.on(PaymentEncrypted)
def _encrypted(envelope: EventEnvelope, body: PaymentEncrypted, read: Read) -> Iterator[Change]:
    yield put(
        "payment_facts",
        (body.job_id.hex(), envelope.subject),
        payment=body.payment.hex(),
        encrypted_at=envelope.at,
        proof_commitment=body.proof_commitment.hex(),
        payment_nonce=body.payment_nonce,
    )


@fold.on(PaymentClaimed)
def _claimed(envelope: EventEnvelope, body: PaymentClaimed, read: Read) -> Iterator[Change]:
    yield put("payment_facts", (body.job_id.hex(), envelope.subject), claimed=body.amount, claimed_at=envelope.at)


@fold.on(FeesDistributed)
def _fees(envelope: EventEnvelope, body: FeesDistributed, read: Read) -> Iterator[Change]:
    yield put(
        "fees",
        (envelope.sequence,),
        job_id=body.job_id.hex(),
        attempt=body.attempt,
        payer=address(body.payer),
        source=body.source,
        at=envelope.at,
        amount=body.amount,
        burnt=body.burnt,
        treasury=body.treasury,
        stakers=body.stakers,
    )


MODEL = Model(
    name="payments",
    version=1,
    doc="Escrows, payments and fees.",
    topics=("accounts",),
    tables=(_PAYMENTS, _ESCROWS, _FEES),
    fold=fold,
    main="payments",
    brief=("job_id", "worker", "state", "due", "claimed", "payment_nonce"),
    views=(("payments", _VIEW),),
)
