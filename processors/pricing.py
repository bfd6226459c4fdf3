"""What an offer pays at a time: a price that rises step by step from a minimum to a maximum (a reverse Dutch auction).

Between two steps the price stands still, so that a match is a lookup and every raise is one event of the log.
"""

from dataclasses import dataclass
from math import gcd

from bitsage.schemas.parameters import PAYMENT_UNIT, Parameters


@dataclass(frozen=True, slots=True)
class Ramp:
    """From `low` to `high` (base units) in `length` ms from `start` (ms) on; a fixed price where both are equal."""

    low: int
    high: int
    start: int = 0
    length: int = 0


def price_unit(parameters: Parameters) -> int:
    """What prices are multiples of, in base units: both parts of such a price are whole payment units."""
    return PAYMENT_UNIT * (100 // gcd(100, parameters.worker_percent))


def price_at(ramp: Ramp, now: int, parameters: Parameters) -> int:
    """The price at `now` (ms), rounded down to whole price units; never below `low`, and never falling."""
    if now < ramp.start:
        return ramp.low
    steps = parameters.ramp_steps
    if steps <= 0 or now - ramp.start >= ramp.length:
        return ramp.high
    step = steps * (now - ramp.start) // ramp.length
    rise = (ramp.high - ramp.low) * step // steps
    unit = price_unit(parameters)
    return ramp.low + rise // unit * unit
