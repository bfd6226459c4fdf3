"""What a job's events entail: its place in the market, the worker's record and stake, and the client's escrow."""

from bitsage.schemas.commands import (
    AdjustReputation,
    EnqueueJob,
    RefundEscrow,
    ReleaseEscrow,
    SettleAttempt,
    SlashStake,
    WithdrawJob,
)
from bitsage.schemas.events import JobCancelled, JobCompleted, JobFailed, JobReassigned, JobSubmitted
from bitsage.schemas.types import CommandBody

from .benchmark import work_done
from .job_state import Job
from .model import NETWORK, Command, Local, Rules, account_subject
from .views import job, proofs

FollowUp = tuple[str, CommandBody]
FollowUps = list[FollowUp]

#: Why an attempt ended -> (row of the slashing table or None, row of the reputation table).
#: Reasons that stand in neither column leave the worker alone.
CONSEQUENCES: dict[str, tuple[str | None, str]] = {
    "attempt_timeout": ("timeout", "slash"),
    "worker_offline": ("timeout", "slash"),
    # A row of its own, outside of the runs of failures: lock times are the client's choice, as short as the network allows,
    # and three of them that a worker sleeps through at once would otherwise cost it a quarter of its stake.
    "lock_timeout": ("lock_timeout", "lock_timeout"),
    "invalid_proof": ("invalid_proof", "slash"),
    "abandoned": (None, "failure"),
}


def withdrawal(job_id: bytes, attempt: int) -> FollowUp:
    """The market forgets the attempt: its queue entry, or the slot that it holds."""
    return NETWORK, WithdrawJob(job_id=job_id, attempt=attempt)


def _queue(state: Job) -> FollowUp:
    assert state.spec is not None
    entry = EnqueueJob(
        job_id=state.job_id,
        attempt=state.attempt,
        job_type=state.spec.job_type,
        tier=state.spec.tier,
        tee=state.spec.tee,
        priority=state.spec.priority,
        submitted_at=state.submitted_at,
        excluded=list(state.blamed),
        rows=state.rows,
        client=state.client,
        max_cost=state.spec.max_cost,
        min_cost=state.spec.min_cost,
        ramp_start=state.spec.ramp_start or state.submitted_at,
        ramp_ms=state.spec.ramp_ms,
        collateral=state.spec.collateral,
        reluctant=list(state.reluctant),
    )
    return NETWORK, entry


def job_submitted(command: Command, event: JobSubmitted, local: Local, rules: Rules) -> FollowUps:
    """Into the market."""
    return [_queue(job(local))]


def attempt_ended(command: Command, event: JobReassigned | JobFailed, local: Local, rules: Rules) -> FollowUps:
    """Consequences for the worker; then another attempt, or the client's refund."""
    state = job(local)
    again = isinstance(event, JobReassigned)
    ended = state.attempt - 1 if again else state.attempt
    assert state.spec is not None
    result = _consequences(command, event, ended, state.spec.collateral, rules)
    result.append(withdrawal(event.job_id, ended))
    if again:
        return [*result, _queue(state)]
    refund = RefundEscrow(job_id=event.job_id, reason=event.reason)
    return [*result, (account_subject(state.client), refund)]


def _consequences(
    command: Command, event: JobReassigned | JobFailed, attempt: int, collateral: int, rules: Rules
) -> FollowUps:
    if event.worker is None or event.reason not in CONSEQUENCES:
        return []
    slash, record = CONSEQUENCES[event.reason]
    subject = account_subject(event.worker)
    result: FollowUps = []
    # A lock that ran out costs the collateral and nothing else (where the network sets no share of its own).
    if slash is not None and (slash != "lock_timeout" or collateral or rules.parameters.slash_percent[slash]):
        reporter = command.body.reporter if isinstance(command.body, SettleAttempt) else None
        taken = SlashStake(reason=slash, job_id=event.job_id, attempt=attempt, reporter=reporter, collateral=collateral)
        result.append((subject, taken))
    return [*result, (subject, AdjustReputation(reason=record, job_id=event.job_id, attempt=attempt))]


def job_completed(command: Command, event: JobCompleted, local: Local, rules: Rules) -> FollowUps:
    """Payment, the slot, the worker's record."""
    state = job(local)
    release = ReleaseEscrow(
        job_id=event.job_id,
        worker=event.worker,
        cost=state.cost,
        proof_commitment=rules.checks.proof_commitment(event.proof_hash, event.job_id, event.worker),
        payment_nonce=event.attempt,
    )
    done = work_done(event, state, proofs(local))
    return [
        (account_subject(state.client), release),
        withdrawal(event.job_id, event.attempt),
        (account_subject(event.worker), done),
    ]


def job_cancelled(command: Command, event: JobCancelled, local: Local, rules: Rules) -> FollowUps:
    """The escrow goes back; the worker that held it loses nothing."""
    refund = RefundEscrow(job_id=event.job_id, reason="cancelled")
    return [(account_subject(job(local).client), refund), withdrawal(event.job_id, event.attempt)]
