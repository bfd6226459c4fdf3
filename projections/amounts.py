"""Amounts in SQLite: base units do not fit 64 bits, so they are kept as canonical decimal text and never as floats.

Canonical: no sign but a leading minus, no leading zeros, `0` for zero. SQLite's own `sum()` and `<` must not be used on
such text; the functions that `register` adds to a connection do it exactly.
"""

import sqlite3

from bitsage.schemas.amounts import in_sage

_WIDTH = 48


def encode(amount: int) -> str:
    """The canonical text of an amount in base units."""
    return str(amount)


def decode(text: str) -> int:
    """The amount that a canonical text stands for.

    Raises:
        ValueError: the text is not canonical.
    """
    amount = int(text)
    if str(amount) != text:
        raise ValueError(f"not a canonical amount: {text!r}")
    return amount


def sort_key(amount: int) -> str:
    """A text of fixed width that sorts as the amount does, for |amount| < 10^48.

    Raises:
        OverflowError: the amount is too large.
    """
    if abs(amount) >= 10**_WIDTH:
        raise OverflowError("the amount has more than 48 digits")
    return f"1{amount:0{_WIDTH}d}" if amount >= 0 else f"0{10**_WIDTH + amount:0{_WIDTH}d}"


class _Sum:
    """SQL aggregate: the exact sum of amounts; NULLs do not count."""

    def __init__(self) -> None:
        self.total = 0

    def step(self, value: str | int | None) -> None:
        """Take in one value."""
        if value is not None:
            self.total += int(value)

    def finalize(self) -> str:
        """The sum as canonical text."""
        return encode(self.total)


def register(connection: sqlite3.Connection) -> None:
    """Add `amount_sum(x)` (aggregate), `amount_key(x)` (sorts and compares as the amount) and `sage(x)` (decimal)."""

    def key(value: str | int | None) -> str | None:
        return None if value is None else sort_key(int(value))

    def sage(value: str | int | None) -> str | None:
        return None if value is None else in_sage(int(value))

    # The stubs know of numeric aggregates only.
    connection.create_aggregate("amount_sum", 1, _Sum)  # type: ignore[arg-type]
    connection.create_function("amount_key", 1, key, deterministic=True)
    connection.create_function("sage", 1, sage, deterministic=True)
