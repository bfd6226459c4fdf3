"""Rules of the audit's causes: prices, shares and slashes are as large as the numbers say, with or without the commands."""

from typing import TYPE_CHECKING

from bitsage.processors.escrow import worker_part
from bitsage.processors.pricing import Ramp, price_at
from bitsage.schemas.events import EscrowReleased, FeesDistributed, JobAssigned, Slashed

from .audit_trails import JobTrail

if TYPE_CHECKING:
    from .audit_causes import CauseAudit

#: Slashes that take the job's collateral at least.
_PLEDGED = frozenset({"timeout", "lock_timeout", "invalid_proof"})


def is_priced(audit: "CauseAudit", trail: JobTrail, body: JobAssigned) -> bool:
    """Whether the market named the price for the attempt, and the offer's ramp stood there at that time."""
    named = trail.prices.get(body.attempt, {}).get(body.cost)
    if trail.submitted is None or named is None:
        return False
    spec = trail.submitted.spec
    start = spec.ramp_start or trail.times.get(("JobSubmitted", 0), 0)
    ramp = Ramp(spec.min_cost or spec.max_cost, spec.max_cost, start, spec.ramp_ms)
    return price_at(ramp, named, audit.network.parameters) == body.cost


def is_share(audit: "CauseAudit", trail: JobTrail, subject: str, body: Slashed) -> bool:
    """Whether the slash took the share of the table, the job's collateral at least and the stake at most."""
    total = audit.trails.at_stake.get((subject, body.reason, body.job_id, body.attempt, body.round), 0)
    pledged = trail.submitted.spec.collateral if trail.submitted is not None and body.reason in _PLEDGED else 0
    share = total * audit.network.parameters.slash_percent.get(body.reason, 0) // 100
    return body.amount == min(total, max(share, pledged))


def is_divided(audit: "CauseAudit", body: EscrowReleased) -> bool:
    """Whether the worker gets its percentage of the cost; of a sealed price the public parts are nothing."""
    cost = body.worker_amount + body.protocol_amount
    return body.worker_amount == worker_part(cost, audit.network.rules(audit.checks))


def is_job_fee(audit: "CauseAudit", body: FeesDistributed) -> bool:
    """Whether a job's fee is burnt, kept and set aside as the percentages say; the stakers get what rounding leaves."""
    parameters = audit.network.parameters
    burnt = body.amount * parameters.fee_burnt_percent // 100
    kept = body.amount * parameters.fee_treasury_percent // 100
    return (body.burnt, body.treasury, body.stakers) == (burnt, kept, body.amount - burnt - kept)
