"""Payments: what a client locked and how it was divided, what a worker is owed, and whether it was claimed.

Amounts stand here only where an event holds them in plain; of a sealed offer they are 0 and there is a ciphertext.
"""

from collections.abc import Iterator

from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    PaymentDue,
    PaymentEncrypted,
)
from bitsage.schemas.hidden_events import PaymentClaimed
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
        _column("due", Kind.AMOUNT, "PaymentDue; 0 of a sealed price"),
        _column("due_at", Kind.TIME, "PaymentDue"),
        _column("payment_key", Kind.TEXT, "hex; PaymentDue"),
        _column("proof_commitment", Kind.TEXT, "hex; PaymentDue, PaymentEncrypted"),
        _column("payment_nonce", Kind.INTEGER, "PaymentDue, PaymentEncrypted"),
        _column("due_ciphertext", Kind.TEXT, "a sealed price's unit for the escrow's key, hex; PaymentDue"),
        _column("payment", Kind.TEXT, "ciphertext and proofs, hex; PaymentEncrypted"),
        _column("ciphertext", Kind.TEXT, "for the worker, hex; PaymentEncrypted"),
        _column("credit", Kind.INTEGER, "which of the worker's credits it is; PaymentEncrypted"),
        _column("encrypted_at", Kind.TIME, "PaymentEncrypted"),
    ),
)
_FOLDED = Table(
    "folded",
    "One row per account that claimed: its credits up to this one are in its available balance.",
    (_column("account", Kind.TEXT, "who claimed", ""),),
    (
        _column("credit", Kind.INTEGER, "PaymentClaimed", 0),
        _column("claimed_at", Kind.TIME, "PaymentClaimed"),
    ),
)
_ESCROWS = Table(
    "escrows",
    "One row per job and client.",
    (_JOB, _column("client", Kind.TEXT, "who locked the funds", "")),
    (
        _column("locked", Kind.AMOUNT, "EscrowLocked; 0 of a sealed price"),
        _column("ciphertext", Kind.TEXT, "a sealed price's unit for client, escrow and any auditor, hex; EscrowLocked"),
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
        _column("amount", Kind.AMOUNT, "all of it; 0 of a sealed fee", 0),
        _column("ciphertext", Kind.TEXT, "a sealed price's unit for the escrow's key, hex", ""),
        _column("burnt", Kind.AMOUNT, "destroyed", 0),
        _column("treasury", Kind.AMOUNT, "kept", 0),
        _column("stakers", Kind.AMOUNT, "for the stakers", 0),
    ),
)
_VIEW = (
    "select p.job_id, p.worker, case when p.credit <= f.credit then 'claimed' "
    "when p.encrypted_at is not null then 'encrypted' else 'due' end as state, p.due, p.due_at, p.encrypted_at, "
    "case when p.credit <= f.credit then f.claimed_at end as claimed_at, p.credit, p.payment_nonce, "
    "p.proof_commitment, p.payment_key, p.due_ciphertext, p.ciphertext, p.payment "
    "from payment_facts p left join folded f on f.account = p.worker"
)


@fold.on(EscrowLocked)
def _locked(envelope: EventEnvelope, body: EscrowLocked, read: Read) -> Iterator[Change]:
    key, sealed = (body.job_id.hex(), envelope.subject), body.ciphertext.hex()
    yield put("escrows", key, locked=body.amount, ciphertext=sealed, locked_at=envelope.at)


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
        due_ciphertext=body.ciphertext.hex(),
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
        ciphertext=body.ciphertext.hex(),
        credit=body.credit,
        encrypted_at=envelope.at,
        proof_commitment=body.proof_commitment.hex(),
        payment_nonce=body.payment_nonce,
    )


@fold.on(PaymentClaimed)
def _claimed(envelope: EventEnvelope, body: PaymentClaimed, read: Read) -> Iterator[Change]:
    yield put("folded", (envelope.subject,), credit=body.credit, claimed_at=envelope.at)


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
        ciphertext=body.ciphertext.hex(),
        burnt=body.burnt,
        treasury=body.treasury,
        stakers=body.stakers,
    )


MODEL = Model(
    name="payments",
    version=1,
    doc="Escrows, payments and fees.",
    topics=("accounts",),
    tables=(_PAYMENTS, _FOLDED, _ESCROWS, _FEES),
    fold=fold,
    main="payments",
    brief=("job_id", "worker", "state", "due", "ciphertext", "payment_nonce"),
    views=(("payments", _VIEW),),
)
