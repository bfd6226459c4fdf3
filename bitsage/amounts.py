"""Amounts as people write them: SAGE with up to 18 decimals, exact; base units everywhere else."""

import re
from decimal import Decimal, localcontext

from bitsage.schemas.amounts import DECIMALS, in_sage
from bitsage.schemas.parameters import SAGE

from .errors import InputError

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


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else text[:37] + "..."
    return "".join(c if c.isprintable() else "?" for c in short) or "nothing"


__all__ = ["in_sage", "to_base_units"]
