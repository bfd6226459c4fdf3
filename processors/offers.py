"""Admission of an offer: a price ramp, a lock timeout and a collateral that a client may ask for."""

from bitsage.schemas.events import JobSpec
from bitsage.schemas.parameters import Parameters

from .pricing import price_unit
from .refusal import SUPPLY

#: (reason code, sentence)
Refusal = tuple[str, str]


def refuse_offer(spec: JobSpec, now: int, parameters: Parameters) -> Refusal | None:
    """What is wrong with the offer of a job whose maximum price and deadline are in order; None when nothing.

    Args:
        now: ms.
    """
    if spec.min_cost < 0 or spec.ramp_ms < 0 or spec.ramp_start < 0 or spec.collateral < 0:
        return "malformed", ""
    return _refuse_ramp(spec, now, parameters) or _refuse_lock(spec, parameters)


def _refuse_ramp(spec: JobSpec, now: int, parameters: Parameters) -> Refusal | None:
    if not spec.min_cost and not spec.ramp_ms and not spec.ramp_start:
        return None
    if not spec.min_cost or not spec.ramp_ms:
        return "offer_incomplete", ""
    if spec.min_cost > spec.max_cost:
        return "min_cost_too_high", ""
    if spec.min_cost % price_unit(parameters):
        return "cost_not_divisible", "the minimum price has to be a multiple of 0.000005 SAGE"
    start = spec.ramp_start or now
    # A ramp that began earlier would offer more at once than its minimum.
    if start < now - parameters.clock_skew_ms or start + spec.ramp_ms > spec.deadline:
        return "ramp_too_long", ""
    return None


def _refuse_lock(spec: JobSpec, parameters: Parameters) -> Refusal | None:
    least, most = parameters.lock_timeout_min_ms, parameters.attempt_timeout_ms
    if spec.lock_timeout_ms and not least <= spec.lock_timeout_ms <= most:
        return "lock_timeout_out_of_range", f"the lock timeout has to be {least} to {most} ms"
    # A sealed price cannot be compared; a worker names the largest collateral that it takes.
    if spec.collateral > (spec.max_cost or SUPPLY):
        return "collateral_too_large", ""
    return None
