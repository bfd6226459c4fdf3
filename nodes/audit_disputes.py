"""Fourth pass of the audit, disputes: every bond, verdict, slash and restitution follows from what allows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bitsage.processors.disputes import ROUNDS_MAX
from bitsage.processors.model import account_subject
from bitsage.schemas.events import (
    BondForfeited,
    BondReturned,
    ConsensusReached,
    DisputeOpened,
    DisputeResolved,
    RestitutionClaimed,
    RestitutionGranted,
    RestitutionPaid,
    Slashed,
    VerdictEnforced,
)
from bitsage.schemas.parameters import threshold

from . import audit_amounts
from .audit_trails import JobTrail

if TYPE_CHECKING:
    from .audit_causes import CauseAudit


def voted_contrary(trail: JobTrail, subject: str, body: Slashed) -> bool:
    """Whether a decision or a verdict says that the account voted against it, in the slash's round."""
    named: list[bytes] = []
    if body.round:
        for _, verdict in trail.of(DisputeResolved):
            if (verdict.attempt, verdict.round) == (body.attempt, body.round):
                named += verdict.contrary
    else:
        for _, decision in trail.of(ConsensusReached):
            if decision.attempt == body.attempt:
                named += decision.contrary
        for _, part in trail.of(VerdictEnforced):
            if part.attempt == body.attempt:
                named += part.wrong
    return subject in map(account_subject, named)


def found_invalid(trail: JobTrail, subject: str, body: Slashed) -> bool:
    """Whether a dispute overturned the approval of the account's proof, in the slash's round."""
    return any(
        (account_subject(e.worker), e.attempt, e.round, e.outcome, e.verdict)
        == (subject, body.attempt, body.round, "overturned", "rejected")
        for _, e in trail.of(DisputeResolved)
    )


def is_malicious(audit: "CauseAudit", subject: str, body: Slashed) -> bool:
    """Whether enough proofs of the account had been voted down in time."""
    times = audit.trails.malice.get((subject, body.job_id, body.attempt, body.round), [])
    parameters = audit.network.parameters
    recent = [at for at in times if times and at > times[-1] - parameters.malicious_window_ms]
    return len(recent) >= parameters.malicious_proofs


def _returned(audit: "CauseAudit", trail: JobTrail, subject: str, body: BondReturned) -> str | None:
    if (wrong := _settled(audit, trail, subject, body)) is not None:
        return wrong
    if body.outcome in trail.refused or _verdict(trail, subject, body.attempt, body.outcome) in (
        "overturned",
        "expired",
    ):
        return None
    return "no dispute ended so"


def _forfeited(audit: "CauseAudit", trail: JobTrail, subject: str, body: BondForfeited) -> str | None:
    if (wrong := _settled(audit, trail, subject, body)) is not None:
        return wrong
    if not _verdict(trail, subject, body.attempt, "upheld"):
        return "the dispute was not lost"
    fair = audit_amounts.is_parted(audit, trail, subject, body)
    return None if fair else "its parts are not those of the table, or its reporter is another"


def _settled(audit: "CauseAudit", trail: JobTrail, subject: str, body: BondReturned | BondForfeited) -> str | None:
    filed = trail.bonds.get((subject, body.attempt), [])
    if body.amount not in filed:
        return "no such bond was left"
    return None if audit.nth("bond", subject, body.job_id, body.attempt) <= len(filed) else "it is settled twice"


def _verdict(trail: JobTrail, subject: str, attempt: int, outcome: str) -> str | None:
    for _, e in trail.of(DisputeResolved):
        if (account_subject(e.disputer), e.attempt, e.outcome) == (subject, attempt, outcome):
            return outcome
    return None


def _opened(audit: "CauseAudit", trail: JobTrail, subject: str, body: DisputeOpened) -> str | None:
    filed_at = audit.trails.filings.get((account_subject(body.disputer), body.job_id, body.attempt, body.filing))
    if filed_at is None or not audit.once("filing", body.disputer, body.filing):
        return "nobody filed it, or it is opened twice"
    if (body.job_id, body.attempt, body.disputer, body.epoch) not in audit.retrials:
        return "nobody asked for its validators"
    if body.validators != [v for v in audit.sets.get(body.epoch, []) if v not in (body.disputer, body.worker)]:
        return f"its validators are not the set of epoch {body.epoch} without the parties"
    if body.threshold != threshold(len(body.validators)):
        return "its threshold is not floor(2n/3)+1"
    if filed_at >= trail.decided_at.get(body.attempt, 0) + audit.network.parameters.dispute_window_ms:
        return "it was filed too late"
    return _opened_after(trail, body)


def _opened_after(trail: JobTrail, body: DisputeOpened) -> str | None:
    said = (body.attempt, body.worker, body.proof_hash, body.output_hash, body.decision)
    decided = [(e.attempt, e.worker, e.proof_hash, e.output_hash, e.outcome) for _, e in trail.of(ConsensusReached)]
    if said not in decided or body.decision not in ("approved", "rejected"):
        return "there is no such decision"
    earlier = {e.round: e.outcome for _, e in trail.of(DisputeResolved) if e.attempt == body.attempt}
    before = range(1, body.round)
    if body.round > ROUNDS_MAX or any(earlier.get(n) != "expired" for n in before):
        return "an earlier dispute of it did not expire"
    return None


def _resolved(audit: "CauseAudit", trail: JobTrail, subject: str, body: DisputeResolved) -> str | None:
    for _, dispute in trail.of(DisputeOpened):
        if (dispute.attempt, dispute.round) != (body.attempt, body.round):
            continue
        if (dispute.disputer, dispute.worker, dispute.proof_hash) != (body.disputer, body.worker, body.proof_hash):
            return "it names others than the dispute"
        kept = "upheld" if body.verdict == dispute.decision else "overturned"
        if body.outcome != ("expired" if body.verdict == "expired" else kept):
            return "its outcome does not follow from its verdict"
        return None if audit.once("verdict", body.job_id, body.attempt, body.round) else "it is resolved twice"
    return "no such dispute was opened"


def _enforced(audit: "CauseAudit", trail: JobTrail, subject: str, body: VerdictEnforced) -> str | None:
    verdict = next((v for _, v in trail.verdicts if (v.attempt, v.round) == (body.attempt, body.round)), None)
    opened = next((d for d in trail.disputes if (d.attempt, d.round) == (body.attempt, body.round)), None)
    if verdict is None or opened is None or verdict.outcome == "expired":
        return "there is no verdict"
    if not set(body.contrary) <= set(verdict.contrary):
        return "it names validators that did not vote against the verdict"
    if verdict.outcome != "overturned" and (body.wrong or body.wronged):
        return "the decision was not overturned"
    yes = opened.decision == "approved"
    said = {v.validator: v.valid for _, v in trail.votes if v.attempt == body.attempt}
    if any(said.get(v) != yes for v in body.wrong) or any(said.get(v) != (not yes) for v in body.wronged):
        return "it names validators that voted otherwise"
    owed = opened.disputer if yes else opened.worker
    return None if body.beneficiary == owed else "it names another beneficiary"


def _claimed(audit: "CauseAudit", trail: JobTrail, subject: str, body: RestitutionClaimed) -> str | None:
    lost = [
        e.burnt + e.treasury
        for owner, e in trail.of(Slashed)
        if (owner, e.reason, e.attempt, e.round) == (subject, body.reason, body.attempt, 0)
    ]
    if body.amount not in lost:
        return "no slash brought the protocol that much"
    overturned = [e for _, e in trail.of(DisputeResolved) if (e.attempt, e.outcome) == (body.attempt, "overturned")]
    found = {
        "invalid_proof": any(account_subject(e.worker) == subject and e.verdict == "approved" for e in overturned),
        "contrary_vote": any(
            e.attempt == body.attempt and subject in map(account_subject, e.wronged)
            for _, e in trail.of(VerdictEnforced)
        ),
    }
    if not overturned or not found.get(body.reason, False):
        return "the decision behind the slash was not overturned"
    return None if audit.once("restitution", subject, body.reason, body.job_id, body.attempt) else "it is claimed twice"


def _paid(audit: "CauseAudit", trail: JobTrail, subject: str, body: RestitutionPaid) -> str | None:
    wanted = (account_subject(body.account), body.reason, body.attempt, body.amount + body.shortfall)
    if wanted not in [(owner, e.reason, e.attempt, e.amount) for owner, e in trail.of(RestitutionClaimed)]:
        return "nobody has a claim to it"
    return None if audit.once("outlay", *wanted[:2], body.job_id, body.attempt) else "it is paid twice"


def _granted(audit: "CauseAudit", trail: JobTrail, subject: str, body: RestitutionGranted) -> str | None:
    paid = [(account_subject(e.account), e.reason, e.attempt, e.amount) for _, e in trail.of(RestitutionPaid)]
    if (subject, body.reason, body.attempt, body.amount) not in paid:
        return "the treasury did not pay it"
    return None if audit.once("grant", subject, body.reason, body.job_id, body.attempt) else "it arrives twice"


DISPUTE_RULES: "dict[type, Callable[[CauseAudit, JobTrail, str, Any], str | None]]" = {
    BondReturned: _returned,
    BondForfeited: _forfeited,
    DisputeOpened: _opened,
    DisputeResolved: _resolved,
    VerdictEnforced: _enforced,
    RestitutionClaimed: _claimed,
    RestitutionPaid: _paid,
    RestitutionGranted: _granted,
}
