"""One account, folded from its own events in `accounts`: balance, stake, escrows, payments."""

from dataclasses import dataclass, field, replace

from bitsage.schemas.events import (
    BondForfeited,
    BondReturned,
    DisputeFiled,
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    PaymentDue,
    PaymentEncrypted,
    RestitutionClaimed,
    RestitutionGranted,
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
    TransferBounced,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from bitsage.schemas.types import EventBody

from . import private_state
from .hidden import PrivateAccount
from .marks import mark
from .sorted_map import SortedMap


@dataclass(frozen=True, slots=True)
class Unlock:
    """Stake on its way out: `amount` may be withdrawn from `unlock_at` (ms) on."""

    amount: int
    unlock_at: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that is due (`credit` is 0) or encrypted as the account's credit of that number, and not yet claimed.

    `amount` in base units; of a sealed price it is 0 and `ciphertext` is the price's unit for the escrow's key.
    """

    amount: int
    payment_key: bytes
    proof_commitment: bytes
    payment_nonce: int
    ciphertext: bytes = b""
    credit: int = 0


@dataclass(frozen=True, slots=True)
class Bond:
    """What is at stake (base units) in the account's `filing`-th dispute."""

    amount: int
    filing: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A proof of the account that was voted down, and when its stake was slashed for it (ms)."""

    at: int
    job_id: bytes
    attempt: int


@dataclass(frozen=True, slots=True)
class Account:
    """Amounts are base units of SAGE; `gas` is base units of the gas token.

    `escrows`: job id -> what is locked for it. `payments`: what the account earned as a worker and has not claimed.
    `marks`: digests of the slashes, rewards, payments and transfers that have been booked, so that none is booked twice.
    `bonds`: the account's disputes that are going on, of `filings` in all. `losses`: what slashes that a dispute
    can overturn brought the protocol. `faults`: proofs voted down since the last slash for malice, the latest ones.
    `private`: the hidden balance. `hidden`: base units that went into hidden form from here, less those that came out;
    below zero for whoever was paid. `sealed`: job id -> the ciphertext that is locked for it.
    """

    public_key: bytes = b""
    balance: int = 0
    gas: int = 0
    granted: int = 0
    granted_at: int | None = None
    stake: int = 0
    tier: str = ""
    unlocks: tuple[Unlock, ...] = ()
    escrows: SortedMap[bytes, int] = field(default_factory=SortedMap)
    payments: SortedMap[bytes, Payment] = field(default_factory=SortedMap)
    marks: SortedMap[bytes, None] = field(default_factory=SortedMap)
    bonds: SortedMap[bytes, Bond] = field(default_factory=SortedMap)
    losses: SortedMap[bytes, int] = field(default_factory=SortedMap)
    faults: tuple[Fault, ...] = ()
    filings: int = 0
    private: PrivateAccount = field(default_factory=PrivateAccount)
    hidden: int = 0
    sealed: SortedMap[bytes, bytes] = field(default_factory=SortedMap)

    @property
    def unstaking(self) -> int:
        """Stake that no longer counts and has not been withdrawn; a slash still reaches it."""
        return sum(unlock.amount for unlock in self.unlocks)


#: Faults that are remembered; the parameter `malicious_proofs` may not be larger.
FAULTS_MAX = 32


def slash_mark(reason: str, job_id: bytes, attempt: int, round_: int = 0) -> bytes:
    """What makes a slash one slash."""
    return mark("slash", reason, job_id, attempt, round_)


def reward_mark(slashed: bytes, reason: str, job_id: bytes, attempt: int, round_: int = 0) -> bytes:
    """What makes a reporter's reward one reward."""
    return mark("reward", slashed, reason, job_id, attempt, round_)


def bond_mark(job_id: bytes, attempt: int) -> bytes:
    """What an account may dispute once at a time."""
    return mark("bond", job_id, attempt)


def restitution_mark(reason: str, job_id: bytes, attempt: int) -> bytes:
    """What makes a restitution one restitution."""
    return mark("restitution", reason, job_id, attempt)


def faults_within(state: Account, window_ms: int) -> tuple[Fault, ...]:
    """The proofs voted down less than `window_ms` before the last one, that one included."""
    return tuple(fault for fault in state.faults if fault.at > state.faults[-1].at - window_ms)


def payment_mark(job_id: bytes, payment_nonce: int) -> bytes:
    """What makes a payment one payment: (job id, nonce)."""
    return mark("payment", job_id, payment_nonce)


def transfer_mark(way: str, other: bytes, sequence: int) -> bytes:
    """What makes a transfer one: (`in`, sender, its sequence) where it arrives, (`back`, recipient, ...) where it returns."""
    return mark("transfer", way, other, sequence)


def take(unlocks: tuple[Unlock, ...], amount: int) -> tuple[Unlock, ...]:
    """What is left when `amount` is taken out of `unlocks`, the oldest first."""
    left = []
    for unlock in unlocks:
        taken = min(unlock.amount, amount)
        amount -= taken
        if unlock.amount > taken:
            left.append(replace(unlock, amount=unlock.amount - taken))
    return tuple(left)


def evolve(state: Account, body: EventBody, at: int) -> Account:
    """The account after one more of its events."""
    match body:
        case WalletCreated(public_key=key):
            return replace(state, public_key=key)
        case TokensGranted(amount=amount, gas_amount=gas):
            granted = state.granted + amount
            return replace(state, balance=state.balance + amount, gas=state.gas + gas, granted=granted, granted_at=at)
        case Staked() | UnstakeRequested() | Unstaked() | Slashed():
            return _evolve_stake(state, body, at)
        case RewardGranted(amount=amount, slashed=slashed, reason=reason, job_id=job_id, attempt=attempt):
            marks = state.marks.set(reward_mark(slashed, reason, job_id, attempt, body.round), None)
            return replace(state, balance=state.balance + amount, marks=marks)
        case EscrowLocked() | EscrowReleased() | EscrowRefunded():
            return _evolve_escrow(state, body)
        case PaymentDue() | PaymentEncrypted() | PaymentClaimed():
            return _evolve_payments(state, body)
        case PrivateAccountOpened() | Deposited() | Withdrawn():
            return _evolve_private(state, body)
        case TransferSent() | TransferReceived() | TransferBounced() | TransferReturned():
            return _evolve_private(state, body)
        case DisputeFiled() | BondReturned() | BondForfeited() | RestitutionClaimed() | RestitutionGranted():
            return _evolve_disputes(state, body)
    return state


def _evolve_escrow(state: Account, body: EscrowLocked | EscrowReleased | EscrowRefunded) -> Account:
    job_id, private = body.job_id, private_state.evolve(state.private, body)
    match body:
        case EscrowLocked(ciphertext=ciphertext) if ciphertext:
            return replace(state, private=private, sealed=state.sealed.set(job_id, ciphertext))
        case EscrowLocked(amount=amount):
            return replace(state, balance=state.balance - amount, escrows=state.escrows.set(job_id, amount))
        case EscrowReleased(refund=amount) | EscrowRefunded(amount=amount):
            escrows, sealed = state.escrows.remove(job_id), state.sealed.remove(job_id)
            return replace(state, balance=state.balance + amount, escrows=escrows, sealed=sealed, private=private)


def _evolve_private(state: Account, body: EventBody) -> Account:
    state = replace(state, private=private_state.evolve(state.private, body))
    match body:
        case Deposited(amount=amount):
            return replace(state, balance=state.balance - amount, hidden=state.hidden + amount)
        case Withdrawn(amount=amount):
            return replace(state, balance=state.balance + amount, hidden=state.hidden - amount)
        case TransferReceived(sender=other, transfer_sequence=sequence):
            return replace(state, marks=state.marks.set(transfer_mark("in", other, sequence), None))
        case TransferBounced(sender=other, transfer_sequence=sequence):
            return replace(state, marks=state.marks.set(transfer_mark("in", other, sequence), None))
        case TransferReturned(recipient=other, transfer_sequence=sequence):
            return replace(state, marks=state.marks.set(transfer_mark("back", other, sequence), None))
    return state


def _evolve_stake(state: Account, body: Staked | UnstakeRequested | Unstaked | Slashed, at: int) -> Account:
    match body:
        case Staked(amount=amount, total=total, tier=tier):
            return replace(state, balance=state.balance - amount, stake=total, tier=tier)
        case UnstakeRequested(amount=amount, unlock_at=unlock_at):
            return replace(state, stake=state.stake - amount, unlocks=(*state.unlocks, Unlock(amount, unlock_at)))
        case Unstaked(amount=amount):
            return replace(state, balance=state.balance + amount, unlocks=take(state.unlocks, amount))
        case Slashed():
            return _slashed(state, body, at)


#: Faults that a decision on a proof finds, so that a dispute can find otherwise.
_RESTORABLE = frozenset({"invalid_proof", "contrary_vote"})


def _slashed(state: Account, body: Slashed, at: int) -> Account:
    from_stake = state.stake - body.remaining
    booked = slash_mark(body.reason, body.job_id, body.attempt, body.round)
    losses, faults = state.losses, state.faults
    if body.reason in _RESTORABLE and not body.round:
        losses = losses.set(booked, body.burnt + body.treasury)
    if body.reason == "invalid_proof":
        faults = (*faults, Fault(at, body.job_id, body.attempt))[-FAULTS_MAX:]
    elif body.reason == "malicious":
        faults = ()
    return replace(
        state,
        stake=body.remaining,
        unlocks=take(state.unlocks, body.amount - from_stake),
        marks=state.marks.set(booked, None),
        losses=losses,
        faults=faults,
    )


_DisputeEvent = DisputeFiled | BondReturned | BondForfeited | RestitutionClaimed | RestitutionGranted


def _evolve_disputes(state: Account, body: _DisputeEvent) -> Account:
    match body:
        case DisputeFiled(job_id=job_id, attempt=attempt, bond=amount):
            bonds = state.bonds.set(bond_mark(job_id, attempt), Bond(amount, body.filing))
            return replace(state, balance=state.balance - amount, bonds=bonds, filings=body.filing)
        case BondReturned(job_id=job_id, attempt=attempt, amount=amount):
            return replace(state, balance=state.balance + amount, bonds=state.bonds.remove(bond_mark(job_id, attempt)))
        case BondForfeited(job_id=job_id, attempt=attempt):
            return replace(state, bonds=state.bonds.remove(bond_mark(job_id, attempt)))
        case RestitutionClaimed(reason=reason, job_id=job_id, attempt=attempt):
            faults = state.faults
            if reason == "invalid_proof":
                faults = tuple(f for f in faults if (f.job_id, f.attempt) != (job_id, attempt))
            return replace(state, losses=state.losses.remove(slash_mark(reason, job_id, attempt)), faults=faults)
        case RestitutionGranted(amount=amount, reason=reason, job_id=job_id, attempt=attempt):
            marks = state.marks.set(restitution_mark(reason, job_id, attempt), None)
            return replace(state, balance=state.balance + amount, marks=marks)


def _evolve_payments(state: Account, body: PaymentDue | PaymentEncrypted | PaymentClaimed) -> Account:
    state = replace(state, private=private_state.evolve(state.private, body))
    match body:
        case PaymentDue(job_id=job_id, payment_nonce=nonce):
            due = Payment(body.amount, body.payment_key, body.proof_commitment, nonce, body.ciphertext)
            marks = state.marks.set(payment_mark(job_id, nonce), None)
            return replace(state, payments=state.payments.set(job_id, due), marks=marks)
        case PaymentEncrypted(job_id=job_id, credit=credit):
            due = state.payments[job_id]
            # A public amount goes into hidden form here.
            payments = state.payments.set(job_id, replace(due, credit=credit))
            return replace(state, payments=payments, hidden=state.hidden + due.amount)
        case PaymentClaimed(credit=credit):
            folded = [job_id for job_id, payment in state.payments.items() if 0 < payment.credit <= credit]
            payments = state.payments
            for job_id in folded:
                payments = payments.remove(job_id)
            return replace(state, payments=payments)
