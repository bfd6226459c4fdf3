"""Rules of the audit's causes: prices, shares and slashes are as large as the numbers say, with or without the commands,
and what is taken from an account goes to whom the decision names."""

from typing import TYPE_CHECKING

from bitsage.processors.escrow import worker_part
from bitsage.processors.model import account_subject
from bitsage.processors.penalty import divided
from bitsage.processors.pricing import Ramp, price_at
from bitsage.schemas.events import (
    BondForfeited,
    ConsensusReached,
    DisputeResolved,
    EscrowReleased,
    FeesDistributed,
    JobAssigned,
    Slashed,
    VerdictEnforced,
)

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


def is_parted(audit: "CauseAudit", trail: JobTrail, subject: str, body: Slashed | BondForfeited) -> bool:
    """Whether reporter, treasury and fire got their percentages, and the reporter is the one that the decision names."""
    found = (body.reporter, body.reporter_amount, body.burnt, body.treasury)
    named = _reporters(trail, subject, body)
    return any(divided(body.amount, reporter, subject, audit.network.parameters) == found for reporter in named)


def _reporters(trail: JobTrail, subject: str, body: Slashed | BondForfeited) -> set[bytes | None]:
    """Who may be the reporter, by the events that the commands for a slash or a lost bond are made from; None: nobody."""
    verdicts = [e for _, e in trail.of(DisputeResolved) if e.attempt == body.attempt]
    match body:
        case BondForfeited():
            lost = (e for e in verdicts if (e.outcome, account_subject(e.disputer)) == ("upheld", subject))
            return {e.reporter for e in lost}
        case Slashed(reason="invalid_proof", round=0):
            decisions = (e for _, e in trail.of(ConsensusReached) if e.attempt == body.attempt)
            return {e.reporter for e in decisions if e.outcome == "rejected"}
        case Slashed(reason="invalid_proof", round=round_):
            return {e.disputer for e in verdicts if e.round == round_}
        case Slashed(reason="contrary_vote", round=0):
            parts = (e for _, e in trail.of(VerdictEnforced) if e.attempt == body.attempt)
            # Who is in neither list was not slashed for its vote; who was wrong had voted for the decision of that time.
            return {e.beneficiary for e in parts if subject in map(account_subject, e.wrong)} or {None}
    return {None}


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
