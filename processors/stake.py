"""Staking, unstaking, and what a stake is good for."""

from dataclasses import dataclass

from bitsage.schemas.commands import RequestUnstake, StakeTokens, WithdrawStake
from bitsage.schemas.events import Staked, StakeRejected, Unstaked, UnstakeRequested
from bitsage.schemas.types import EventBody

from .account_state import Account
from .model import Command, Local, Rules
from .refusal import is_amount, rejected
from .views import account

#: Unlocks that may be pending at once: enough for people, and a bound on the state.
_UNLOCKS_MAX = 32


@dataclass(frozen=True, slots=True)
class Insufficient:
    """Even with what is being unlocked the stake is below `required`; base units."""

    current: int
    required: int


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The stake would suffice, but so much of it is being unlocked that what still counts does not."""


@dataclass(frozen=True, slots=True)
class Valid:
    """The stake suffices; none of it can leave before `until` (ms), whatever its owner asks for now."""

    amount: int
    tier: str
    until: int


def verify_stake(state: Account, required: int, now: int, lock_ms: int) -> Insufficient | Unlocked | Valid:
    """What the account's stake is good for (domain specification, section 6).

    Args:
        required: base units.
        now: ms.
        lock_ms: how long stake stays locked after a request to unstake.
    """
    if state.stake >= required:
        return Valid(state.stake, state.tier, now + lock_ms)
    if state.stake + state.unstaking >= required:
        return Unlocked()
    return Insufficient(state.stake, required)


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """Staked or StakeRejected; UnstakeRequested; Unstaked."""
    state = account(local)
    match command.body:
        case StakeTokens() as body:
            return _stake(state, body, rules)
        case RequestUnstake(amount=amount):
            if amount <= 0 or amount > state.stake:
                return rejected(command, "unstake_too_much" if amount > 0 else "amount_out_of_range")
            if len(state.unlocks) >= _UNLOCKS_MAX:
                return rejected(command, "too_many_unlocks")
            return [UnstakeRequested(amount=amount, unlock_at=command.at + rules.parameters.unstake_lock_ms)]
        case WithdrawStake():
            return _withdraw(state, command)
    return rejected(command, "wrong_subject")


def _stake(state: Account, body: StakeTokens, rules: Rules) -> list[EventBody]:
    minimum = rules.parameters.minimum_stake.get(body.tier)
    total = state.stake + body.amount
    if not state.public_key:
        return [StakeRejected(reason="no_wallet")]
    if minimum is None:
        return [StakeRejected(reason="unknown_tier")]
    if not is_amount(body.amount):
        return [StakeRejected(reason="amount_out_of_range")]
    if total < minimum:
        return [StakeRejected(reason="below_minimum", required=minimum, current=total)]
    if body.amount > state.balance:
        return [StakeRejected(reason="insufficient_balance", required=body.amount, current=state.balance)]
    return [Staked(amount=body.amount, total=total, tier=body.tier)]


def _withdraw(state: Account, command: Command) -> list[EventBody]:
    # Requests of one account unlock in the order they were made, up to the skew of its own clock.
    amount = 0
    for unlock in state.unlocks:
        if unlock.unlock_at > command.at:
            break
        amount += unlock.amount
    if amount:
        return [Unstaked(amount=amount)]
    return rejected(command, "stake_locked" if state.unlocks else "nothing_to_withdraw")
