"""Who holds what: balance, gas, stake, escrow, hidden balance of each account, the treasury, and the double entry.

Hidden amounts stand here as the ciphertexts that they are; `hidden` counts what went in and out of them in public.
"""

from collections.abc import Iterator

from bitsage.schemas.events import (
    BondForfeited,
    BondReturned,
    DisputeFiled,
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    PaymentDue,
    PaymentEncrypted,
    RestitutionGranted,
    RestitutionPaid,
    RewardGranted,
    Slashed,
    Staked,
    TokensGranted,
    Unstaked,
    UnstakeRequested,
    WalletCreated,
)
from bitsage.schemas.hidden_events import (
    Deposited,
    PaymentClaimed,
    PrivateAccountOpened,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.types import EventEnvelope

from .schema import Change, Column, Fold, Kind, Merge, Model, Read, Table, add, put

fold = Fold()


def _sum(name: str, doc: str) -> Column:
    return Column(name, Kind.AMOUNT, "accounts", doc, 0, Merge.SUM)


_ACCOUNTS = Table(
    "accounts",
    "One row per account; base units.",
    (Column("account", Kind.TEXT, "accounts", "0x and 64 hex digits", ""),),
    (
        Column("public_key", Kind.TEXT, "accounts", "hex; WalletCreated"),
        Column("created_at", Kind.TIME, "accounts", "WalletCreated"),
        _sum("balance", "spendable"),
        _sum("gas", "gas token, from the faucet"),
        _sum("stake", "staked now"),
        _sum("unstaking", "taken out of the stake, still locked or not yet withdrawn"),
        _sum("escrow", "public amounts locked for jobs with an open offer"),
        _sum("payments_due", "public amounts earned and not yet encrypted"),
        _sum(
            "hidden", "public amounts that went into hidden form from here, less those that came out; may be below zero"
        ),
        Column("payment_key", Kind.TEXT, "accounts", "hex, of the hidden balance; PrivateAccountOpened, PaymentDue"),
        Column("available", Kind.TEXT, "accounts", "hidden balance that can be spent: a ciphertext, hex", ""),
        Column("pending", Kind.TEXT, "accounts", "what arrived in hidden form since: a ciphertext, hex", ""),
        Column("credits", Kind.INTEGER, "accounts", "how often something arrived in `pending`", 0),
        Column("folded", Kind.INTEGER, "accounts", "how many of those are in `available`; PaymentClaimed", 0),
        Column("private_sequence", Kind.INTEGER, "accounts", "how often `available` changed", 0),
        _sum("bonds", "at stake in disputes"),
    ),
)
_PENDING = Table(
    "pending_payments",
    "Public payments that are due and not yet encrypted: what `payments_due` of `accounts` is made of.",
    (
        Column("account", Kind.TEXT, "accounts", "the worker", ""),
        Column("job_id", Kind.TEXT, "accounts", "32 hex digits", ""),
    ),
    (_sum("due", "PaymentDue less PaymentEncrypted"),),
)
_TREASURY = Table(
    "treasury",
    "One row: what the protocol took in, by what became of it.",
    (Column("subject", Kind.TEXT, "accounts", "treasury", ""),),
    (
        _sum("treasury", "kept by the treasury; FeesDistributed less RestitutionPaid"),
        _sum("burnt", "destroyed; FeesDistributed"),
        _sum("stakers", "set aside for the stakers; FeesDistributed"),
        Column("sealed_fees", Kind.TEXT, "accounts", "sum of the sealed prices' units: a ciphertext, hex", ""),
    ),
)
_FLOWS = Table(
    "flows",
    "One row: both sides of every movement between two accounts; a difference is on its way.",
    (Column("network", Kind.TEXT, "accounts", "network", ""),),
    (
        _sum("granted", "all tokens that ever were; TokensGranted"),
        _sum("wages_out", "workers' parts that left escrows; EscrowReleased"),
        _sum("wages_in", "PaymentDue"),
        _sum("rewards_out", "reporters' parts of slashes and lost bonds; Slashed, BondForfeited"),
        _sum("rewards_in", "RewardGranted"),
        _sum("income_out", "protocol parts of escrows, other parts of slashes; EscrowReleased, Slashed, BondForfeited"),
        _sum("income_in", "FeesDistributed"),
        _sum("restitution_out", "paid by the treasury for overturned slashes; RestitutionPaid"),
        _sum("restitution_in", "RestitutionGranted"),
    ),
)
_FLOWS_KEY = ("network",)


def _account(envelope: EventEnvelope, **amounts: int) -> Change:
    return add("accounts", (envelope.subject,), **amounts)


def _flow(**amounts: int) -> Change:
    return add("flows", _FLOWS_KEY, **amounts)


@fold.on(WalletCreated)
def _created(envelope: EventEnvelope, body: WalletCreated, read: Read) -> Iterator[Change]:
    yield put("accounts", (envelope.subject,), public_key=body.public_key.hex(), created_at=envelope.at)


@fold.on(TokensGranted)
def _granted(envelope: EventEnvelope, body: TokensGranted, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=body.amount, gas=body.gas_amount)
    yield _flow(granted=body.amount)


@fold.on(Staked)
def _staked(envelope: EventEnvelope, body: Staked, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=-body.amount, stake=body.amount)


@fold.on(UnstakeRequested)
def _unstaking(envelope: EventEnvelope, body: UnstakeRequested, read: Read) -> Iterator[Change]:
    yield _account(envelope, stake=-body.amount, unstaking=body.amount)


@fold.on(Unstaked)
def _unstaked(envelope: EventEnvelope, body: Unstaked, read: Read) -> Iterator[Change]:
    yield _account(envelope, unstaking=-body.amount, balance=body.amount)


@fold.on(Slashed)
def _slashed(envelope: EventEnvelope, body: Slashed, read: Read) -> Iterator[Change]:
    row = read("accounts", (envelope.subject,))
    stake = row["stake"] if row is not None else 0
    assert isinstance(stake, int)
    # `remaining` is the stake left; what the slash took beyond it came out of the locked part.
    from_stake = stake - body.remaining
    yield _account(envelope, stake=-from_stake, unstaking=from_stake - body.amount)
    yield _flow(rewards_out=body.reporter_amount, income_out=body.burnt + body.treasury)


@fold.on(RewardGranted)
def _rewarded(envelope: EventEnvelope, body: RewardGranted, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=body.amount)
    yield _flow(rewards_in=body.amount)


def _hidden(envelope: EventEnvelope, **values: str | int) -> Change:
    return put("accounts", (envelope.subject,), **values)


def _spent(envelope: EventEnvelope, body: Deposited | Withdrawn | TransferSent | EscrowLocked) -> Change:
    return _hidden(envelope, available=body.available.hex(), private_sequence=body.sequence)


def _arrived(
    envelope: EventEnvelope, body: TransferReceived | TransferReturned | EscrowRefunded | PaymentEncrypted
) -> Change:
    return _hidden(envelope, pending=body.pending.hex(), credits=body.credit)


@fold.on(PrivateAccountOpened)
def _opened(envelope: EventEnvelope, body: PrivateAccountOpened, read: Read) -> Iterator[Change]:
    yield _hidden(envelope, payment_key=body.payment_key.hex())


@fold.on(Deposited)
def _deposited(envelope: EventEnvelope, body: Deposited, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=-body.amount, hidden=body.amount)
    yield _spent(envelope, body)


@fold.on(Withdrawn)
def _withdrawn(envelope: EventEnvelope, body: Withdrawn, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=body.amount, hidden=-body.amount)
    yield _spent(envelope, body)


@fold.on(TransferSent)
def _sent(envelope: EventEnvelope, body: TransferSent, read: Read) -> Iterator[Change]:
    yield _spent(envelope, body)


@fold.on(TransferReceived)
def _received(envelope: EventEnvelope, body: TransferReceived, read: Read) -> Iterator[Change]:
    yield _arrived(envelope, body)


@fold.on(TransferReturned)
def _returned(envelope: EventEnvelope, body: TransferReturned, read: Read) -> Iterator[Change]:
    yield _arrived(envelope, body)


@fold.on(EscrowLocked)
def _locked(envelope: EventEnvelope, body: EscrowLocked, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=-body.amount, escrow=body.amount)
    if body.ciphertext:
        yield _spent(envelope, body)


@fold.on(EscrowReleased)
def _released(envelope: EventEnvelope, body: EscrowReleased, read: Read) -> Iterator[Change]:
    paid = body.worker_amount + body.protocol_amount
    yield _account(envelope, escrow=-paid - body.refund, balance=body.refund)
    yield _flow(wages_out=body.worker_amount, income_out=body.protocol_amount)


@fold.on(EscrowRefunded)
def _refunded(envelope: EventEnvelope, body: EscrowRefunded, read: Read) -> Iterator[Change]:
    yield _account(envelope, escrow=-body.amount, balance=body.amount)
    if body.credit:
        yield _arrived(envelope, body)


@fold.on(PaymentDue)
def _due(envelope: EventEnvelope, body: PaymentDue, read: Read) -> Iterator[Change]:
    yield _account(envelope, payments_due=body.amount)
    yield _hidden(envelope, payment_key=body.payment_key.hex())
    yield add("pending_payments", (envelope.subject, body.job_id.hex()), due=body.amount)
    yield _flow(wages_in=body.amount)


@fold.on(PaymentEncrypted)
def _encrypted(envelope: EventEnvelope, body: PaymentEncrypted, read: Read) -> Iterator[Change]:
    key = (envelope.subject, body.job_id.hex())
    row = read("pending_payments", key)
    amount = row["due"] if row is not None else 0
    assert isinstance(amount, int)
    yield _account(envelope, payments_due=-amount, hidden=amount)
    yield add("pending_payments", key, due=-amount)
    yield _arrived(envelope, body)


@fold.on(PaymentClaimed)
def _claimed(envelope: EventEnvelope, body: PaymentClaimed, read: Read) -> Iterator[Change]:
    yield _hidden(
        envelope, available=body.available.hex(), pending="", private_sequence=body.sequence, folded=body.credit
    )


@fold.on(FeesDistributed)
def _fees(envelope: EventEnvelope, body: FeesDistributed, read: Read) -> Iterator[Change]:
    yield add("treasury", (envelope.subject,), treasury=body.treasury, burnt=body.burnt, stakers=body.stakers)
    if body.ciphertext:
        yield put("treasury", (envelope.subject,), sealed_fees=body.sealed_fees.hex())
    yield _flow(income_in=body.amount)


@fold.on(DisputeFiled)
def _filed(envelope: EventEnvelope, body: DisputeFiled, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=-body.bond, bonds=body.bond)


@fold.on(BondReturned)
def _bond_returned(envelope: EventEnvelope, body: BondReturned, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=body.amount, bonds=-body.amount)


@fold.on(BondForfeited)
def _forfeited(envelope: EventEnvelope, body: BondForfeited, read: Read) -> Iterator[Change]:
    yield _account(envelope, bonds=-body.amount)
    yield _flow(rewards_out=body.reporter_amount, income_out=body.burnt + body.treasury)


@fold.on(RestitutionPaid)
def _restituted(envelope: EventEnvelope, body: RestitutionPaid, read: Read) -> Iterator[Change]:
    yield add("treasury", (envelope.subject,), treasury=-body.amount)
    yield _flow(restitution_out=body.amount)


@fold.on(RestitutionGranted)
def _restored(envelope: EventEnvelope, body: RestitutionGranted, read: Read) -> Iterator[Change]:
    yield _account(envelope, balance=body.amount)
    yield _flow(restitution_in=body.amount)


MODEL = Model(
    name="balances",
    version=1,
    doc="Who holds what, the treasury, and both sides of every movement.",
    topics=("accounts",),
    tables=(_ACCOUNTS, _PENDING, _TREASURY, _FLOWS),
    fold=fold,
    main="accounts",
    brief=("account", "balance", "stake", "unstaking", "escrow", "payments_due", "hidden"),
)
