"""What a worker's events entail: its place in the market, and the slash for repeated failures."""

from bitsage.schemas.commands import AdjustReputation, OfferCapacity, SlashStake
from bitsage.schemas.events import (
    BenchmarkDoubted,
    ReputationChanged,
    Slashed,
    Staked,
    UnstakeRequested,
    WorkerWentOffline,
)
from bitsage.schemas.types import CommandBody, EventBody

from .benchmark import BENCHMARK_FRAUD
from .model import NETWORK, Command, Local, Rules
from .payments import worker_address
from .reputation import reputation_of
from .views import account, worker
from .worker_state import REPEATED_FAILURES

FollowUps = list[tuple[str, CommandBody]]


def capacity_changed(command: Command, event: EventBody, local: Local, rules: Rules) -> FollowUps:
    """Tell the market what it may use of the worker from now on: nothing while its stake does not carry it."""
    state, stake = worker(local), account(local).stake
    usable = state.active and stake >= rules.parameters.minimum_stake[state.tier]
    offer = OfferCapacity(
        worker=worker_address(command.subject),
        tier=state.tier,
        reputation=reputation_of(state, rules),
        slots=state.slots if usable else 0,
        attested=state.attested,
        job_types=list(state.job_types),
        asks=list(state.asks),
        clients=list(state.clients),
        least_tier=state.least_tier,
        max_collateral=state.max_collateral,
        stake=stake,
    )
    return [(NETWORK, offer)]


def stake_changed(
    command: Command, event: Staked | Slashed | UnstakeRequested, local: Local, rules: Rules
) -> FollowUps:
    """The market stops at once to give jobs to a worker whose stake no longer suffices, and counts collaterals anew."""
    return capacity_changed(command, event, local, rules) if worker(local).active else []


def reputation_changed(command: Command, event: ReputationChanged, local: Local, rules: Rules) -> FollowUps:
    """The market orders workers by reputation; one that is out of the market has no place in that order."""
    return capacity_changed(command, event, local, rules) if worker(local).active else []


def benchmark_doubted(command: Command, event: BenchmarkDoubted, local: Local, rules: Rules) -> FollowUps:
    """A claim that was upheld although the network had shown that it does not hold costs stake; a first one does not."""
    if not event.insisted:
        return []
    return [(command.subject, SlashStake(reason=BENCHMARK_FRAUD, job_id=event.job_id, attempt=event.attempt))]


def went_offline(command: Command, event: WorkerWentOffline, local: Local, rules: Rules) -> FollowUps:
    """Out of the market; slashed when it was for repeated failures."""
    result = capacity_changed(command, event, local, rules)
    cause = command.body
    if event.reason == REPEATED_FAILURES and isinstance(cause, AdjustReputation):
        slash = SlashStake(reason=REPEATED_FAILURES, job_id=cause.job_id, attempt=cause.attempt)
        result.append((command.subject, slash))
    return result
