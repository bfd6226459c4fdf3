"""Conservation of the supply: what was granted is held by accounts, taken in by the treasury, or on its way."""

from collections.abc import Iterable

from bitsage.schemas.commands import CollectFees, GrantRestitution, GrantReward, OwePayment
from bitsage.schemas.types import CommandBody

from .account_state import Account
from .treasury_state import Treasury


def holdings(state: Account) -> int:
    """Everything public that belongs to the account, in base units: balance, stake, escrows, payments due, bonds.

    What went into hidden form from here (`Account.hidden`) counts too: over all accounts it is what is hidden.
    """
    escrows = sum(state.escrows.values())
    payments = sum(payment.amount for payment in state.payments.values() if not payment.credit)
    bonds = sum(bond.amount for bond in state.bonds.values())
    return state.balance + state.stake + state.unstaking + escrows + payments + bonds + state.hidden


def taken_in(state: Treasury) -> int:
    """Everything that the protocol took in, burnt parts included; base units."""
    return state.burnt + state.treasury + state.stakers


def in_flight(undelivered: Iterable[CommandBody]) -> int:
    """What left one account and waits in a command to be booked in another; base units."""
    moving = OwePayment | GrantReward | CollectFees | GrantRestitution
    return sum(body.amount for body in undelivered if isinstance(body, moving))


def is_conserved(accounts: Iterable[Account], treasury: Treasury, undelivered: Iterable[CommandBody]) -> bool:
    """Whether not one base unit was made or lost."""
    states = list(accounts)
    granted = sum(state.granted for state in states)
    return granted == sum(map(holdings, states)) + taken_in(treasury) + in_flight(undelivered)
