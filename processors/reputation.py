"""Reputation: a number from 0 to 1000 that moves by the table of the parameters, and the run of failures."""

from bitsage.schemas.commands import AdjustReputation
from bitsage.schemas.events import ReputationChanged, WorkerWentOffline
from bitsage.schemas.types import EventBody

from . import benchmark
from .model import Command, Local, Rules
from .payments import worker_address
from .refusal import rejected
from .views import worker
from .worker_state import REPEATED_FAILURES, Worker, adjustment_mark

REPUTATION_MAX = 1000
_FAILING = frozenset({"failure", "slash"})
_DISPUTES = frozenset({"dispute_won", "dispute_lost"})


def reputation_of(state: Worker, rules: Rules) -> int:
    """The worker's reputation now."""
    return rules.parameters.reputation_start if state.reputation is None else state.reputation


def changed(state: Worker, reason: str, job_id: bytes, attempt: int, rules: Rules) -> ReputationChanged:
    """The event that moves the reputation by the table's row `reason`, within 0 and 1000."""
    before = reputation_of(state, rules)
    after = min(REPUTATION_MAX, max(0, before + rules.parameters.reputation_change[reason]))
    failures = state.failures + 1 if reason in _FAILING else 0 if reason == "job_done" else state.failures
    return ReputationChanged(
        before=before, after=after, reason=reason, job_id=job_id, attempt=attempt, failures=failures
    )


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """ReputationChanged, after WorkerWentOffline when it was one failure too many; of a job done, how fast it was."""
    state = worker(local)
    match command.body:
        case AdjustReputation(reason=reason, job_id=job_id, attempt=attempt):
            if reason not in rules.parameters.reputation_change:
                return rejected(command, "unknown_adjustment")
            party = state.registered or state.validator or state.reputation is not None
            if reason in _DISPUTES and not party:
                # Whoever staked may dispute; a record has only who works or judges.
                return rejected(command, "not_registered")
            if adjustment_mark(reason, job_id, attempt) in state.marks:
                return rejected(command, "already_booked")
            moved = changed(state, reason, job_id, attempt, rules)
            too_many = reason in _FAILING and moved.failures >= rules.parameters.failures_until_inactive
            if too_many and state.registered and not state.suspended:
                # Offline first: what follows from the new reputation must not offer the worker to the market again.
                return [WorkerWentOffline(worker=worker_address(command.subject), reason=REPEATED_FAILURES), moved]
            return [moved, *benchmark.measured(state, command.body, worker_address(command.subject), rules)]
    return rejected(command, "wrong_subject")
