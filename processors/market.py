"""The market: which worker gets which job, and who the validators are (domain specification, section 6).

Between two commands no waiting job fits a free worker. So a job that comes is matched against the workers, and a
worker that gets room against the jobs; nothing else can have changed.
"""

from bisect import insort
from dataclasses import dataclass

from bitsage.schemas.commands import (
    ChangeValidator,
    EnqueueJob,
    OfferCapacity,
    RaisePrice,
    RequestRetrial,
    RequestTally,
    WithdrawJob,
)
from bitsage.schemas.events import (
    CapacityChanged,
    JobMatched,
    JobQueued,
    JobWithdrawn,
    PriceRaised,
    RetrialRequested,
    TallyRequested,
    ValidatorSetChanged,
)
from bitsage.schemas.parameters import TIERS
from bitsage.schemas.types import EventBody

from .market_state import Market, evolve
from .matching import best_job, best_worker
from .model import Command, Local, Rules
from .pricing import Ramp, price_at
from .refusal import rejected
from .views import market

INITIAL = Market()


@dataclass(slots=True)
class _Draft:
    """Events in the making, and the market after them."""

    state: Market
    at: int
    events: list[EventBody]

    def add(self, event: EventBody) -> None:
        self.events.append(event)
        self.state = evolve(self.state, event, self.at)


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """The events that answer a command to the network."""
    state = market(local)
    draft = _Draft(state, command.at, [])
    match command.body:
        case OfferCapacity() as body:
            return _offer(draft, command, body)
        case EnqueueJob() as body:
            return _enqueue(draft, command, body, rules)
        case RaisePrice() as body:
            return _raise(draft, command, body, rules)
        case WithdrawJob(job_id=job_id, attempt=attempt):
            job = state.placements.get(job_id)
            if job is None or job.attempt != attempt:
                return rejected(command, "not_in_market")
            draft.add(JobWithdrawn(job_id=job_id, attempt=attempt, worker=job.worker or None))
            if job.worker:
                _fill(draft, job.worker)
            return draft.events
        case ChangeValidator() as body:
            return _change_validator(state, command, body, rules)
        case RequestTally(job_id=job_id, attempt=attempt, proof_hash=proof_hash):
            return [TallyRequested(job_id=job_id, attempt=attempt, proof_hash=proof_hash, epoch=state.epoch)]
        case RequestRetrial(job_id=job_id, attempt=attempt, disputer=disputer):
            return [RetrialRequested(job_id=job_id, attempt=attempt, disputer=disputer, epoch=state.epoch)]
    return rejected(command, "wrong_subject")


def _offer(draft: _Draft, command: Command, body: OfferCapacity) -> list[EventBody]:
    if body.tier not in TIERS:
        return rejected(command, "unknown_tier")
    if body.slots < 0:
        return rejected(command, "slots_out_of_range")
    if body.least_tier not in ("", *TIERS):
        return rejected(command, "unknown_tier")
    if body.asks and len(body.asks) != len(body.job_types):
        return rejected(command, "asks_invalid")
    draft.add(
        CapacityChanged(
            worker=body.worker,
            tier=body.tier,
            reputation=body.reputation,
            slots=body.slots,
            attested=body.attested,
            job_types=body.job_types,
            asks=body.asks,
            clients=body.clients,
            least_tier=body.least_tier,
            max_collateral=body.max_collateral,
            stake=body.stake,
        )
    )
    _fill(draft, body.worker)
    return draft.events


def _enqueue(draft: _Draft, command: Command, body: EnqueueJob, rules: Rules) -> list[EventBody]:
    if body.tier not in ("", *TIERS):
        return rejected(command, "unknown_tier")
    known = draft.state.placements.get(body.job_id)
    if known is not None and known.attempt >= body.attempt:
        return rejected(command, "already_in_market")
    if known is not None:
        # Attempts follow one another: the earlier one is over, whatever the market still holds of it.
        draft.add(JobWithdrawn(job_id=body.job_id, attempt=known.attempt, worker=known.worker or None))
    draft.add(_queued(body, command.at, rules))
    freed = known.worker if known is not None else b""
    if freed and best_job(draft.state, freed) != body.job_id:
        # The slot that the earlier attempt held goes to a job that comes before this one.
        _fill(draft, freed)
    if not draft.state.placements[body.job_id].worker:
        _match(draft, body.job_id)
    if freed:
        _fill(draft, freed)
    return draft.events


def _queued(body: EnqueueJob, now: int, rules: Rules) -> JobQueued:
    """The job's entry, with its place in the queue and its price of now."""
    ramp = Ramp(body.min_cost or body.max_cost, body.max_cost, body.ramp_start, body.ramp_ms)
    return JobQueued(
        job_id=body.job_id,
        attempt=body.attempt,
        job_type=body.job_type,
        tier=body.tier,
        tee=body.tee,
        priority=body.priority,
        submitted_at=body.submitted_at,
        excluded=body.excluded,
        # All jobs age alike, so the order between two of them never changes: a step of priority is a head start.
        order=body.submitted_at - body.priority * rules.parameters.ageing_ms,
        price=price_at(ramp, now, rules.parameters),
        rows=body.rows,
        client=body.client,
        max_cost=body.max_cost,
        min_cost=body.min_cost,
        ramp_start=body.ramp_start,
        ramp_ms=body.ramp_ms,
        collateral=body.collateral,
        reluctant=body.reluctant,
    )


def _raise(draft: _Draft, command: Command, body: RaisePrice, rules: Rules) -> list[EventBody]:
    job = draft.state.placements.get(body.job_id)
    if job is None or job.attempt != body.attempt:
        return rejected(command, "not_in_market")
    price = price_at(job.ramp, command.at, rules.parameters)
    if job.worker or price <= job.price or price < body.price:
        return rejected(command, "not_due")
    draft.add(PriceRaised(job_id=body.job_id, attempt=body.attempt, price=price))
    _match(draft, body.job_id)
    return draft.events


def _match(draft: _Draft, job_id: bytes) -> None:
    """Give the waiting job to the best worker that is free, if any."""
    job = draft.state.placements[job_id]
    worker = best_worker(draft.state, job)
    if worker is not None:
        draft.add(JobMatched(job_id=job_id, attempt=job.attempt, worker=worker, price=job.price))


def _fill(draft: _Draft, worker: bytes) -> None:
    """Give the worker the jobs that it has room for, the most urgent first."""
    while (job_id := best_job(draft.state, worker)) is not None:
        job = draft.state.placements[job_id]
        draft.add(JobMatched(job_id=job_id, attempt=job.attempt, worker=worker, price=job.price))


def _change_validator(state: Market, command: Command, body: ChangeValidator, rules: Rules) -> list[EventBody]:
    validators = list(state.validators)
    if body.active == (body.validator in validators):
        return rejected(command, "validator_unchanged")
    if not body.active:
        validators.remove(body.validator)
    elif len(validators) >= rules.parameters.validators_max:
        return rejected(command, "validators_full")
    else:
        insort(validators, body.validator)
    return [ValidatorSetChanged(epoch=state.epoch + 1, validators=validators)]


__all__ = ["INITIAL", "decide", "evolve"]
