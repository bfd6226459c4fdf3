"""What a hidden balance can hold and be spent from, in units: told before anything is sent."""

from bitsage.privacy import BALANCE_BITS

from .errors import BalanceTooLarge, InsufficientHidden, PurseError

#: One step moves less than 2^48 units and leaves less than 2^48, so nothing gets out of a balance of so many or more.
STUCK = (1 << (BALANCE_BITS + 1)) - 1


def units_of(amount: int, unit: int, what: str, least: str) -> int:
    """How often `unit` goes into `amount` (base units); `what` and `least` (SAGE) are for the text.

    Raises:
        PurseError: not a whole number of times, or less than nothing.
    """
    units, rest = divmod(amount, unit)
    if rest:
        raise PurseError(f"{what} has to be a multiple of {least} SAGE", "not_in_units")
    if units < 0:
        raise PurseError(f"{what} is not negative", "not_in_units")
    return units


def covered(units: int, have: int) -> None:
    """Whether one proof can move `units` out of `have`.

    Raises:
        InsufficientHidden: there is less.
        BalanceTooLarge: it would move or leave 2^48 units or more.
    """
    if units > have:
        raise InsufficientHidden("the hidden balance does not cover that; deposit more, or claim what is pending")
    if have >= STUCK:
        raise BalanceTooLarge(
            "the hidden balance is 2^49 - 1 micro-SAGE or more: nothing can be taken out of it any more"
        )
    if max(units, have - units) >> BALANCE_BITS:
        raise BalanceTooLarge(
            "what moves and what remains have to be below 2^48 micro-SAGE each; withdraw a part first"
        )


def stays_spendable(units: int) -> None:
    """Whether a hidden balance of so many units, what is pending included, can be spent from.

    Raises:
        BalanceTooLarge: it could not.
    """
    if units >= STUCK:
        raise BalanceTooLarge(
            "a hidden balance of 2^49 - 1 micro-SAGE or more could never be taken out again; withdraw a part first"
        )


__all__ = ["STUCK", "covered", "stays_spendable", "units_of"]
