"""Base units as people read them."""

from .parameters import SAGE

#: 1 SAGE is 10^18 base units.
DECIMALS = 18


def in_sage(amount: int) -> str:
    """Base units as a decimal number of SAGE, exact: 1500000000000000000 -> 1.5."""
    whole, part = divmod(abs(amount), SAGE)
    tail = f"{part:0{DECIMALS}d}".rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole}{'.' + tail if tail else ''}"
