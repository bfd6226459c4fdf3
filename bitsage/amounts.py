"""Amounts as people write them: SAGE with up to 18 decimals, exact; base units everywhere else."""

import re
from decimal import Decimal, localcontext

from bitsage.schemas.parameters import SAGE

from .errors import InputError

DECIMALS = 18
_PLAIN = re.compile(r"(\d{1,12})(?:\.(\d+))?|\.(\d+)", re.ASCII)


def to_base_units(text: str) -> int:
    """Base units of a decimal number of SAGE: "1000" or "0.5".

    Raises:
        InputError: not a plain decimal number, negative, or with more than 18 decimals (code `bad_amount`).
    """
    plain = text.strip().replace("_", "")
    if plain.startswith("-"):
        raise InputError("bad_amount", f"an amount of SAGE is never negative: {_shown(text)}")
    match = _PLAIN.fullmatch(plain)
    if match is None:
        raise InputError("bad_amount", f"an amount of SAGE is a number such as 1000 or 0.5, not {_shown(text)}")
    decimals = match[2] or match[3] or ""
    if len(decimals.rstrip("0")) > DECIMALS:
        raise InputError("bad_amount", f"SAGE has {DECIMALS} decimals, {_shown(text)} has {len(decimals)}")
    with localcontext() as context:
        context.prec = 12 + len(decimals) + DECIMALS
        return int(Decimal(plain) * SAGE)


def in_sage(amount: int) -> str:
    """Base units as a decimal number of SAGE, exact: 1500000000000000000 -> 1.5."""
    whole, part = divmod(abs(amount), SAGE)
    tail = f"{part:0{DECIMALS}d}".rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole}{'.' + tail if tail else ''}"


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else text[:37] + "..."
    return "".join(c if c.isprintable() else "?" for c in short) or "nothing"
