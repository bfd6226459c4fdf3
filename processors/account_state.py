"""One account, folded from its own events in `accounts`: balance, stake, escrows, payments."""

from dataclasses import dataclass, field, replace

from bitsage.schemas.events import (
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    PaymentClaimed,
    PaymentDue,
    PaymentEncrypted,
    RewardGranted,
    Slashed,
    Staked,
    TokensGranted,
    Unstaked,
    UnstakeRequested,
    WalletCreated,
)
from bitsage.schemas.types import EventBody

from .marks import mark
from .sorted_map import SortedMap


@dataclass(frozen=True, slots=True)
class Unlock:
    """Stake on its way out: `amount` may be withdrawn from `unlock_at` (ms) on."""

    amount: int
    unlock_at: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that is due (`payment` is empty) or encrypted, and not yet claimed. `amount` in base units."""

    amount: int
    payment_key: bytes
    proof_commitment: bytes
    payment_nonce: int
    payment: bytes = b""


@dataclass(frozen=True, slots=True)
class Account:
    """Amounts are base units of SAGE; `gas` is base units of the gas token.

    `escrows`: job id -> what is locked for it. `payments`: what the account earned as a worker and has not claimed.
    `marks`: digests of the slashes, rewards and payments that have been booked, so that none is booked twice.
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

    @property
    def unstaking(self) -> int:
        """Stake that no longer counts and has not been withdrawn; a slash still reaches it."""
        return sum(unlock.amount for unlock in self.unlocks)


def slash_mark(reason: str, job_id: bytes, attempt: int) -> bytes:
    """What makes a slash one slash."""
    return mark("slash", reason, job_id, attempt)


def reward_mark(slashed: bytes, reason: str, job_id: bytes, attempt: int) -> bytes:
    """What makes a reporter's reward one reward."""
    return mark("reward", slashed, reason, job_id, attempt)


def payment_mark(job_id: bytes, payment_nonce: int) -> bytes:
    """What makes a payment one payment: (job id, nonce)."""
    return mark("payment", job_id, payment_nonce)


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
            return _evolve_stake(state, body)
        case RewardGranted(amount=amount, slashed=slashed, reason=reason, job_id=job_id, attempt=attempt):
            marks = state.marks.set(reward_mark(slashed, reason, job_id, attempt), None)
            return replace(state, balance=state.balance + amount, marks=marks)
        case EscrowLocked(job_id=job_id, amount=amount):
            return replace(state, balance=state.balance - amount, escrows=state.escrows.set(job_id, amount))
        case EscrowReleased(job_id=job_id, refund=amount) | EscrowRefunded(job_id=job_id, amount=amount):
            return replace(state, balance=state.balance + amount, escrows=state.escrows.remove(job_id))
        case PaymentDue() | PaymentEncrypted() | PaymentClaimed():
            return _evolve_payments(state, body)
    return state


def _evolve_stake(state: Account, body: Staked | UnstakeRequested | Unstaked | Slashed) -> Account:
    match body:
        case Staked(amount=amount, total=total, tier=tier):
            return replace(state, balance=state.balance - amount, stake=total, tier=tier)
        case UnstakeRequested(amount=amount, unlock_at=unlock_at):
            return replace(state, stake=state.stake - amount, unlocks=(*state.unlocks, Unlock(amount, unlock_at)))
        case Unstaked(amount=amount):
            return replace(state, balance=state.balance + amount, unlocks=take(state.unlocks, amount))
        case Slashed(amount=amount, remaining=remaining):
            from_stake = state.stake - remaining
            marks = state.marks.set(slash_mark(body.reason, body.job_id, body.attempt), None)
            return replace(state, stake=remaining, unlocks=take(state.unlocks, amount - from_stake), marks=marks)


def _evolve_payments(state: Account, body: PaymentDue | PaymentEncrypted | PaymentClaimed) -> Account:
    match body:
        case PaymentDue(job_id=job_id, payment_nonce=nonce):
            due = Payment(body.amount, body.payment_key, body.proof_commitment, nonce)
            marks = state.marks.set(payment_mark(job_id, nonce), None)
            return replace(state, payments=state.payments.set(job_id, due), marks=marks)
        case PaymentEncrypted(job_id=job_id, payment=payment):
            encrypted = replace(state.payments[job_id], payment=payment)
            return replace(state, payments=state.payments.set(job_id, encrypted))
        case PaymentClaimed(job_id=job_id, amount=amount):
            return replace(state, balance=state.balance + amount, payments=state.payments.remove(job_id))
