"""Fourth pass of the audit: every event that moves money or ends a job follows from the event that allows it.

It needs no command, so it holds for all of history: a payment leads back to an escrow, the escrow to a completed job,
the job to an approved decision, the decision to the validators that were registered.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bitsage.processors.hidden import ESCROW, handle
from bitsage.processors.model import Checks, account_subject
from bitsage.schemas.events import (
    BenchmarkDoubted,
    BondForfeited,
    ConsensusReached,
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobMatched,
    JobReassigned,
    JobSubmitted,
    PaymentDue,
    RateMeasured,
    RewardGranted,
    Slashed,
    TallyOpened,
    VoteRejected,
)

from . import audit_amounts, audit_benchmarks
from .audit_disputes import DISPUTE_RULES, found_invalid, is_malicious, voted_contrary
from .audit_trails import JobTrail, Trails, Where
from .network import Network

if TYPE_CHECKING:
    from .audit import Verdict

_TIMEOUTS = ("attempt_timeout", "worker_offline")


@dataclass(slots=True)
class CauseAudit:
    """Matches each event with its cause; `skip`: events whose causes may stand beyond what was read."""

    network: Network
    verdict: "Verdict"
    trails: Trails
    checks: Checks
    skip: Collection[Where] = ()
    #: epoch -> validators
    sets: dict[int, list[bytes]] = field(default_factory=dict)
    #: (job id, attempt, proof hash, epoch) of every request for a tally
    requests: set[tuple[bytes, int, bytes, int]] = field(default_factory=set)
    #: (job id, attempt, disputer, epoch) of every request to judge anew
    retrials: set[tuple[bytes, int, bytes, int]] = field(default_factory=set)
    _used: Counter[Hashable] = field(default_factory=Counter)

    def run(self) -> None:
        """Check every event that has to have a cause."""
        self._validators()
        for trail in self.trails.jobs.values():
            for fact in trail.facts:
                rule = _RULES.get(type(fact.body)) or DISPUTE_RULES.get(type(fact.body))
                if rule is None or fact.where in self.skip:
                    continue
                detail = rule(self, trail, fact.subject, fact.body)
                if detail is None:
                    self.verdict.count("causes")
                else:
                    self.verdict.fail("cause", fact.where, f"{type(fact.body).__name__} for {fact.subject}: {detail}")

    def once(self, *name: Hashable) -> bool:
        """Whether this departure has not been matched with an arrival before."""
        return self.nth(*name) == 1

    def nth(self, *name: Hashable) -> int:
        """How often this has been matched, this time included."""
        self._used[name] += 1
        return self._used[name]

    def _validators(self) -> None:
        before: list[bytes] = []
        epoch = 0
        for where, change in self.trails.sets:
            moved = set(change.validators) ^ set(before)
            in_order = change.validators == sorted(set(change.validators))
            new = set(change.validators) - set(before)
            if change.epoch != epoch + 1 or len(moved) != 1 or not in_order or not new <= self.trails.joined:
                self.verdict.fail("validators", where, f"epoch {change.epoch} does not follow from epoch {epoch}")
            else:
                self.verdict.count("validator sets")
            before, epoch = change.validators, change.epoch
            self.sets[change.epoch] = change.validators
        for where, standing, request in self.trails.requests:
            self.requests.add((request.job_id, request.attempt, request.proof_hash, request.epoch))
            if request.epoch != standing:
                self.verdict.fail("validators", where, f"asks for epoch {request.epoch} while {standing} stands")
        for where, standing, retrial in self.trails.retrials:
            self.retrials.add((retrial.job_id, retrial.attempt, retrial.disputer, retrial.epoch))
            if retrial.epoch != standing:
                self.verdict.fail("validators", where, f"asks for epoch {retrial.epoch} while {standing} stands")


Rule = Callable[[CauseAudit, JobTrail, str, Any], str | None]


def _due(audit: CauseAudit, trail: JobTrail, subject: str, body: PaymentDue) -> str | None:
    for _, left in trail.of(EscrowReleased):
        wanted = (left.payment_nonce, left.worker, left.worker_amount, left.ciphertext, left.proof_commitment)
        if wanted == (body.payment_nonce, body.worker, body.amount, body.ciphertext, body.proof_commitment):
            return None if audit.once("wage", body.job_id, body.payment_nonce) else "it arrives twice"
    return "no escrow was released for it"


def _fees(audit: CauseAudit, trail: JobTrail, subject: str, body: FeesDistributed) -> str | None:
    payer = account_subject(body.payer)
    if body.burnt + body.treasury + body.stakers != body.amount:
        return "its parts are not the whole"
    if body.source == "job_fee":
        released = [e for owner, e in trail.of(EscrowReleased) if _paid(owner, e) == (payer, body.attempt)]
        left = (body.amount, body.ciphertext) in [(e.protocol_amount, e.ciphertext) for e in released]
        if not audit_amounts.is_job_fee(audit, body):
            return "its parts are not those of the table"
    else:
        taken: list[Slashed | BondForfeited] = [
            e for owner, e in trail.of(Slashed) if (owner, e.reason, e.round) == (payer, body.source, body.round)
        ]
        if body.source == "dispute_lost":
            taken = [e for owner, e in trail.of(BondForfeited) if owner == payer]
        parts = [(e.attempt, e.burnt, e.treasury, 0, b"") for e in taken]
        left = (body.attempt, body.burnt, body.treasury, body.stakers, body.ciphertext) in parts
    if not left:
        return "no such parts left the payer"
    once = audit.once("income", body.source, payer, body.job_id, body.attempt, body.round)
    return None if once else "it arrives twice"


def _paid(owner: str, body: EscrowReleased) -> tuple[str, int]:
    return owner, body.payment_nonce


def _reward(audit: CauseAudit, trail: JobTrail, subject: str, body: RewardGranted) -> str | None:
    slashed = account_subject(body.slashed)
    wanted = (slashed, body.reason, body.attempt, body.round, body.amount, subject)
    left = [
        *((o, e.reason, e.attempt, e.round, e.reporter_amount, account_subject(e.reporter)) for o, e in trail.of(Slashed)),
        *((o, "dispute_lost", e.attempt, 0, e.reporter_amount, account_subject(e.reporter))
          for o, e in trail.of(BondForfeited)),
    ]  # fmt: skip
    if wanted in left:
        once = audit.once("reward", slashed, body.reason, body.job_id, body.attempt, body.round)
        return None if once else "it arrives twice"
    return "nobody was slashed for it"


def _submitted(audit: CauseAudit, trail: JobTrail, subject: str, body: JobSubmitted) -> str | None:
    if body.rows != audit.checks.job_rows(body.spec.job_type, body.spec.input):
        return "its rows are not those of its input"
    wanted = (account_subject(body.client), body.spec.max_cost, body.price)
    for owner, e in trail.of(EscrowLocked):
        if (owner, e.amount, handle(e.ciphertext, ESCROW) if e.ciphertext else b"") == wanted:
            return None
    return "its cost was not put into escrow"


def _assigned(audit: CauseAudit, trail: JobTrail, subject: str, body: JobAssigned) -> str | None:
    if trail.submitted is None:
        return "its job was not submitted"
    spec = trail.submitted.spec
    if not (spec.min_cost or spec.max_cost) <= body.cost <= spec.max_cost:
        return "its cost is not the job's"
    chosen = [e for _, e in trail.of(JobMatched) if (e.attempt, e.worker) == (body.attempt, body.worker)]
    if not chosen:
        return "the market did not choose this worker"
    if not any(e.price == body.cost for e in chosen):
        return "the market matched it at another price"
    return None if audit_amounts.is_priced(audit, trail, body) else "the offer did not pay that at the time"


def _completed(audit: CauseAudit, trail: JobTrail, subject: str, body: JobCompleted) -> str | None:
    wanted = (body.attempt, body.worker, body.proof_hash, body.output_hash)
    for _, decision in trail.of(ConsensusReached):
        said = (decision.attempt, decision.worker, decision.proof_hash, decision.output_hash)
        if decision.outcome == "approved" and said == wanted:
            return None
    return "the validators did not approve this proof"


def _released(audit: CauseAudit, trail: JobTrail, subject: str, body: EscrowReleased) -> str | None:
    if trail.submitted is None or subject != account_subject(trail.submitted.client):
        return "the escrow is not this client's"
    agreed = [e.cost for _, e in trail.of(JobAssigned) if (e.attempt, e.worker) == (body.payment_nonce, body.worker)]
    if body.worker_amount + body.protocol_amount not in agreed:
        return "it is not what the job costs"
    if not audit_amounts.is_divided(audit, body):
        return "the worker's part of it is another"
    if body.refund != trail.submitted.spec.max_cost - body.worker_amount - body.protocol_amount:
        return "the client does not get back the rest"
    for _, done in trail.of(JobCompleted):
        bound = audit.checks.proof_commitment(done.proof_hash, done.job_id, done.worker)
        if (done.attempt, done.worker, bound) == (body.payment_nonce, body.worker, body.proof_commitment):
            return None if audit.once("escrow", body.job_id) else "it is released twice"
    return "no job was completed for it"


def _refunded(audit: CauseAudit, trail: JobTrail, subject: str, body: EscrowRefunded) -> str | None:
    if not any(owner == subject for owner, _ in trail.of(EscrowLocked)):
        return "the escrow is not this client's"
    if body.reason == "job_exists":
        return None if audit.nth("again", body.job_id) <= trail.reused else "the job was not refused"
    ends: list[JobCancelled | JobFailed] = [e for _, e in trail.of(JobCancelled)]
    ends += [e for _, e in trail.of(JobFailed)]
    if not any(getattr(e, "reason", "cancelled") == body.reason for e in ends):
        return "the job did not end so"
    return None if audit.once("escrow", body.job_id) else "it was released or refunded before"


def _slashed(audit: CauseAudit, trail: JobTrail, subject: str, body: Slashed) -> str | None:
    if not audit_amounts.is_parted(audit, trail, subject, body):
        return "its parts are not those of the table, or its reporter is another"
    reasons = {e.reason for e in _ends(trail, body.attempt) if e.worker and account_subject(e.worker) == subject}
    found = {
        "contrary_vote": voted_contrary(trail, subject, body),
        "equivocation": any(
            (account_subject(e.validator), e.reason, e.attempt, e.round)
            == (subject, "equivocation", body.attempt, body.round)
            for _, e in trail.of(VoteRejected)
        ),
        "lock_timeout": "lock_timeout" in reasons,
        "timeout": not reasons.isdisjoint(_TIMEOUTS),
        "invalid_proof": found_invalid(trail, subject, body) if body.round else "invalid_proof" in reasons,
        "malicious": is_malicious(audit, subject, body),
        "benchmark_fraud": audit_benchmarks.is_fraud(trail, subject, body.attempt),
        "repeated_failures": "repeated_failures" in audit.trails.gone.get(subject, ()),
    }
    if not found.get(body.reason, False):
        return f"there is no {body.reason}"
    if not audit_amounts.is_share(audit, trail, subject, body):
        return "it is not the share of the table"
    once = audit.once("slash", subject, body.reason, body.job_id, body.attempt, body.round)
    return None if once else "it is taken twice"


def _ends(trail: JobTrail, attempt: int) -> list[JobReassigned | JobFailed]:
    """How the attempt may have ended; a job that failed does not say which attempt was its last."""
    again: list[JobReassigned | JobFailed] = [e for _, e in trail.of(JobReassigned) if e.next_attempt == attempt + 1]
    return again + [e for _, e in trail.of(JobFailed)]


def _ended(audit: CauseAudit, trail: JobTrail, subject: str, body: JobReassigned | JobFailed) -> str | None:
    if body.reason == "worker_offline":
        known = body.worker is not None and account_subject(body.worker) in audit.trails.gone
        return None if known else "its worker was never gone"
    outcome = {"invalid_proof": "rejected", "consensus_expired": "expired"}.get(body.reason)
    if outcome is None:
        return None
    for _, decision in trail.of(ConsensusReached):
        attempt = body.next_attempt - 1 if isinstance(body, JobReassigned) else decision.attempt
        if (decision.outcome, decision.worker, decision.attempt) == (outcome, body.worker, attempt):
            return None
    return "the validators did not decide that"


def _tally(audit: CauseAudit, trail: JobTrail, subject: str, body: TallyOpened) -> str | None:
    if body.validators != audit.sets.get(body.epoch, []):
        return f"its validators are not the set of epoch {body.epoch}"
    asked = (body.job_id, body.attempt, body.proof_hash, body.epoch) in audit.requests
    return None if asked else "nobody asked for it"


_RULES: dict[type, Rule] = {
    PaymentDue: _due,
    FeesDistributed: _fees,
    RewardGranted: _reward,
    JobSubmitted: _submitted,
    JobAssigned: _assigned,
    JobCompleted: _completed,
    EscrowReleased: _released,
    EscrowRefunded: _refunded,
    Slashed: _slashed,
    JobReassigned: _ended,
    JobFailed: _ended,
    TallyOpened: _tally,
    RateMeasured: audit_benchmarks.measured,
    BenchmarkDoubted: audit_benchmarks.doubted,
}
