"""The life of a job (domain specification, section 6): admitted, assigned, started, settled; timeouts and cancelling.

A timeout does not fire while a proof is in judgement: the tally has its own end.
"""

from bitsage.schemas.commands import (
    AbandonJob,
    AdmitJob,
    AssignJob,
    CancelJob,
    DeclineJob,
    SettleAttempt,
    StartJob,
    TimeoutElapsed,
)
from bitsage.schemas.events import (
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobReassigned,
    JobStarted,
    JobSubmitted,
)
from bitsage.schemas.hidden_commands import SharePrice
from bitsage.schemas.hidden_events import PriceShared
from bitsage.schemas.types import EventBody

from .hidden import price_context
from .job_state import DECLINED, Job, evolve
from .model import Command, Local, Rules
from .refusal import rejected
from .views import job, proofs

INITIAL = Job()
#: What a worker may say of a job that no worker can finish, besides `input_` and the code of the job type's refusal.
JOB_AT_FAULT = frozenset({"too_large", "job_type_failed"})
#: How long a worker without a lock time may make up its mind: about a sealed price from when it was told, about a job of many
#: rows from the assignment on.
READING_MS = 60_000
#: Rows of the largest job that every worker is expected to prove (matrices of side 1024, 2^20 cycles of the machine).
LARGE_ROWS = 1 << 20


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """The events that answer a command to a job."""
    state = job(local)
    match command.body:
        case AdmitJob(client=client, spec=spec, rows=rows, price=price):
            if state.status != "unknown":
                return rejected(command, "job_exists")
            job_id = bytes.fromhex(command.subject)
            return [JobSubmitted(job_id=job_id, client=client, spec=spec, rows=rows, price=price)]
        case body if state.status == "unknown":
            return rejected(command, "unknown_job")
        case body if state.over:
            return rejected(command, "job_over")
        case AssignJob() as body:
            return _assign(state, command, body, rules)
        case StartJob(attempt=attempt) | AbandonJob(attempt=attempt) | DeclineJob(attempt=attempt) as body:
            return _by_worker(state, local, command, attempt, rules)
        case CancelJob():
            return _cancel(state, local, command)
        case SharePrice() as body:
            return _share(state, command, body, rules)
        case TimeoutElapsed() as body:
            return _time_out(state, local, command, body, rules)
        case SettleAttempt() as body:
            return _settle(state, local, command, body, rules)
    return rejected(command, "wrong_subject")


def in_judgement(state: Job, local: Local) -> bool:
    """Whether the attempt's proof has been admitted and not yet settled."""
    return state.held and proofs(local).attempt == state.attempt


def _deadline(state: Job) -> int:
    assert state.spec is not None
    return state.spec.deadline


def _assign(state: Job, command: Command, body: AssignJob, rules: Rules) -> list[EventBody]:
    if state.status != "waiting" or body.attempt != state.attempt:
        return rejected(command, "wrong_attempt")
    deadline = _deadline(state)
    if command.at >= deadline:
        return [JobFailed(job_id=state.job_id, reason="deadline_passed")]
    assert state.spec is not None
    if body.cost > state.spec.max_cost:
        return rejected(command, "amount_out_of_range")
    lock = state.spec.lock_timeout_ms
    return [
        JobAssigned(
            job_id=state.job_id,
            attempt=state.attempt,
            worker=body.worker,
            cost=body.cost or state.spec.max_cost,
            expires_at=min(command.at + rules.parameters.attempt_timeout_ms, deadline),
            lock_until=min(command.at + lock, deadline) if lock else 0,
        )
    ]


def blames_job(reason: str) -> bool:
    """Whether an AbandonJob for `reason` says that the job cannot be run or proven, by whomever.

    A job type need not see that before it runs the job (a program that never halts), so a worker must be able to give such
    a job back at no cost; otherwise a client could have workers slashed for jobs that nobody can finish.
    """
    return reason.startswith("input_") or reason in JOB_AT_FAULT


def _by_worker(state: Job, local: Local, command: Command, attempt: int, rules: Rules) -> list[EventBody]:
    if not state.held or command.actor != state.worker:
        return rejected(command, "not_assigned")
    if attempt != state.attempt:
        return rejected(command, "wrong_attempt")
    if in_judgement(state, local):
        return rejected(command, "in_judgement")
    if isinstance(command.body, DeclineJob):
        # Who has started, or had its time, took the job: giving it back now has the price of giving it back.
        may = command.at < state.lock_until or _may_read(state, command.at) or _is_too_large(state, command.at)
        in_time = state.status == "assigned" and may
        return [_ended(state, command.at, DECLINED if in_time else "abandoned", rules)]
    if isinstance(command.body, AbandonJob):
        return [_ended(state, command.at, "unprovable" if blames_job(command.body.reason) else "abandoned", rules)]
    if state.status == "running":
        return rejected(command, "already_started")
    return [JobStarted(job_id=state.job_id, attempt=state.attempt, worker=state.worker)]


def _may_read(state: Job, now: int) -> bool:
    """Whether the worker of a sealed offer without a lock time still waits for its price, or makes up its mind about it.

    Whoever could decline for nothing at the end of its time could hold a job for an hour at no cost.
    """
    if not state.price or state.lock_until:
        return False
    return state.shared != state.attempt or now < state.shared_at + READING_MS


def _is_too_large(state: Job, now: int) -> bool:
    """Whether the job is large enough that a worker may say, at once, that it is no job for its machine."""
    return state.rows > LARGE_ROWS and not state.lock_until and now < state.assigned_at + READING_MS


def _cancel(state: Job, local: Local, command: Command) -> list[EventBody]:
    if command.actor != state.client:
        return rejected(command, "not_client")
    if in_judgement(state, local):
        return rejected(command, "in_judgement")
    return [JobCancelled(job_id=state.job_id, attempt=state.attempt, worker=state.worker or None)]


def _time_out(state: Job, local: Local, command: Command, body: TimeoutElapsed, rules: Rules) -> list[EventBody]:
    if body.attempt != state.attempt:
        return rejected(command, "wrong_attempt")
    if in_judgement(state, local):
        return rejected(command, "in_judgement")
    deadline = _deadline(state)
    match body.kind:
        case "deadline" | "attempt" if not state.held:
            if command.at >= deadline:
                return [JobFailed(job_id=state.job_id, reason="deadline_passed")]
        case "deadline" | "attempt" if command.at >= state.expires_at:
            # An attempt that the client's deadline cut short says nothing about the worker.
            cut_short = state.expires_at == deadline
            return [_ended(state, command.at, "deadline_passed" if cut_short else "attempt_timeout", rules)]
        case "lock" if state.status == "assigned" and state.lock_until and command.at >= state.lock_until:
            cut_short = command.at >= deadline
            return [_ended(state, command.at, "deadline_passed" if cut_short else "lock_timeout", rules)]
        case "worker_offline" if state.held:
            return [_ended(state, command.at, "worker_offline", rules)]
    return rejected(command, "not_due")


def _share(state: Job, command: Command, body: SharePrice, rules: Rules) -> list[EventBody]:
    if not state.held or (body.attempt, body.worker) != (state.attempt, state.worker):
        return rejected(command, "wrong_attempt")
    if state.shared == state.attempt:
        return rejected(command, "already_shared")
    ciphertext = None
    if state.price:
        ciphertext = rules.checks.reencryption(
            body.proof,
            ciphertext=state.price,
            key=rules.escrow_key,
            recipients=[body.payment_key],
            context=price_context(rules, state.job_id, state.attempt, state.worker),
        )
    if ciphertext is None:
        return rejected(command, "price_invalid")
    return [
        PriceShared(
            job_id=state.job_id,
            attempt=state.attempt,
            worker=state.worker,
            payment_key=body.payment_key,
            proof=body.proof,
            ciphertext=ciphertext,
        )
    ]


def _settle(state: Job, local: Local, command: Command, body: SettleAttempt, rules: Rules) -> list[EventBody]:
    proof = proofs(local)
    if not in_judgement(state, local) or body.attempt != state.attempt:
        return rejected(command, "wrong_attempt")
    if (body.worker, body.proof_hash, body.output_hash) != (state.worker, proof.proof_hash, proof.output_hash):
        return rejected(command, "proof_mismatch")
    match body.outcome:
        case "approved":
            return [
                JobCompleted(
                    job_id=state.job_id,
                    attempt=state.attempt,
                    worker=state.worker,
                    proof_hash=proof.proof_hash,
                    output_hash=proof.output_hash,
                )
            ]
        case "rejected":
            return [_ended(state, command.at, "invalid_proof", rules)]
        case "expired":
            return [_ended(state, command.at, "consensus_expired", rules)]
    return rejected(command, "unknown_outcome")


def _ended(state: Job, now: int, reason: str, rules: Rules) -> JobReassigned | JobFailed:
    """The attempt is over without a result: another one while attempts and time are left."""
    declined = state.declined + (reason == DECLINED)
    spent = state.attempt - min(declined, rules.parameters.declines)
    if spent >= rules.parameters.attempts or now >= _deadline(state):
        return JobFailed(job_id=state.job_id, reason=reason, worker=state.worker)
    return JobReassigned(job_id=state.job_id, worker=state.worker, next_attempt=state.attempt + 1, reason=reason)


__all__ = ["INITIAL", "decide", "evolve", "in_judgement"]
