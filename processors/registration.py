"""Joining and leaving, as a worker or as a validator, and whether a stake still carries it."""

from bitsage.schemas.commands import DepartValidator, DepartWorker, RegisterValidator, RegisterWorker, ReviewStanding
from bitsage.schemas.events import (
    RegistrationRejected,
    ValidatorDeparted,
    ValidatorRegistered,
    WorkerDeparted,
    WorkerRegistered,
)
from bitsage.schemas.parameters import TIERS, VALIDATOR
from bitsage.schemas.types import EventBody

from . import benchmark
from .account_state import Account
from .model import Command, Local, Rules
from .payments import worker_address
from .refusal import NAME_MAX, SUPPLY, rejected
from .stake import Insufficient, Unlocked, Valid, verify_stake
from .views import account, worker
from .worker_state import Worker

#: Every job type is an entry in the market's indexes, so their number is bounded.
JOB_TYPES_MAX = 16
#: For the same reason: a worker stands in them once for each job type and client that it works for.
CLIENTS_MAX = 8
_PAYMENT_KEY_MAX = 128
#: ReviewStanding's reason when the market could not take the validator in.
VALIDATORS_FULL = "validators_full"


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """WorkerRegistered, ValidatorRegistered or RegistrationRejected; WorkerDeparted, ValidatorDeparted."""
    state = worker(local)
    match command.body:
        case RegisterWorker() as body:
            return _register_worker(state, account(local), command, body, rules)
        case RegisterValidator():
            return _register_validator(state, account(local), command, rules)
        case DepartWorker():
            if not state.registered:
                return rejected(command, "not_registered")
            return [WorkerDeparted(worker=command.actor, reason="own_wish")]
        case DepartValidator():
            if not state.validator:
                return rejected(command, "not_registered")
            return [ValidatorDeparted(validator=command.actor, reason="own_wish")]
        case ReviewStanding(reason=reason):
            return _review(state, account(local), command, reason, rules)
    return rejected(command, "wrong_subject")


def _register_worker(
    state: Worker, funds: Account, command: Command, body: RegisterWorker, rules: Rules
) -> list[EventBody]:
    reason = _refuse_worker(state, funds, command, body, rules)
    if reason is not None:
        return [RegistrationRejected(reason=reason)]
    missing = _missing_stake(funds, body.tier, command.at, rules)
    if missing is not None:
        return [missing]
    asks = dict(zip(body.job_types, body.asks, strict=True)) if body.asks else {}
    return [
        WorkerRegistered(
            worker=command.actor,
            tier=body.tier,
            gpu_model=body.gpu_model,
            stake=funds.stake,
            payment_key=body.payment_key,
            job_types=sorted(set(body.job_types)),
            slots=body.slots,
            attested=False,
            asks=[ask for _, ask in sorted(asks.items())],
            clients=sorted(body.clients),
            least_tier=body.least_tier,
            max_collateral=body.max_collateral,
            benchmarks=sorted(body.benchmarks, key=lambda claim: claim.job_type),
            insisted=benchmark.exceeding(state, body.benchmarks, rules),
        )
    ]


def _refuse_worker(state: Worker, funds: Account, command: Command, body: RegisterWorker, rules: Rules) -> str | None:
    names = body.job_types
    checks = {
        "no_wallet": not funds.public_key,
        "already_validator": state.validator,
        "unknown_tier": body.tier not in TIERS,
        "attestation_unavailable": bool(body.quote),
        "job_types_invalid": not 0 < len(names) <= JOB_TYPES_MAX or not all(0 < len(n) <= NAME_MAX for n in names),
        "gpu_model_invalid": len(body.gpu_model) > NAME_MAX,
        "slots_out_of_range": not 1 <= body.slots <= rules.parameters.slots_per_worker,
        "payment_key_differs": funds.private.payment_key not in (b"", body.payment_key),
    }
    for reason, wrong in checks.items():
        if wrong:
            return reason
    policy = _refuse_policy(body)
    if policy is not None:
        return policy
    doubtful = benchmark.refuse_benchmarks(state, body, rules)
    if doubtful is not None:
        return doubtful
    key, proof = body.payment_key, body.key_proof
    if len(key) > _PAYMENT_KEY_MAX or not rules.checks.key_proof(key, proof, command.actor):
        return "key_proof_invalid"
    return None


def _refuse_policy(body: RegisterWorker) -> str | None:
    """What is wrong with a bidding policy; the tier is known to be one."""
    names = body.job_types
    if body.asks and (len(body.asks) != len(names) or len(set(names)) != len(names)):
        return "asks_invalid"
    if any(not 0 <= amount <= SUPPLY for amount in (*body.asks, body.max_collateral)):
        return "asks_invalid"
    if len(body.clients) > CLIENTS_MAX or len(set(body.clients)) != len(body.clients):
        return "clients_invalid"
    if body.least_tier not in ("", *TIERS):
        return "unknown_tier"
    if body.least_tier and TIERS.index(body.least_tier) > TIERS.index(body.tier):
        return "least_tier_too_high"
    return None


def _register_validator(state: Worker, funds: Account, command: Command, rules: Rules) -> list[EventBody]:
    checks = {
        "no_wallet": not funds.public_key,
        "already_registered": state.validator,
        # One stake cannot vouch for a proof and for the judgement of proofs.
        "already_worker": state.registered,
    }
    for reason, wrong in checks.items():
        if wrong:
            return [RegistrationRejected(reason=reason)]
    missing = _missing_stake(funds, VALIDATOR, command.at, rules)
    return [ValidatorRegistered(validator=command.actor, stake=funds.stake)] if missing is None else [missing]


def _missing_stake(funds: Account, tier: str, now: int, rules: Rules) -> RegistrationRejected | None:
    required = rules.parameters.minimum_stake[tier]
    match verify_stake(funds, required, now, rules.parameters.unstake_lock_ms):
        case Valid():
            return None
        case Unlocked():
            return RegistrationRejected(reason="stake_unlocked", required=required, current=funds.stake)
        case Insufficient(current=current):
            return RegistrationRejected(reason="stake_insufficient", required=required, current=current)


def _review(state: Worker, funds: Account, command: Command, reason: str, rules: Rules) -> list[EventBody]:
    address = worker_address(command.subject)
    minimum = rules.parameters.minimum_stake
    if state.registered and funds.stake < minimum[state.tier]:
        return [WorkerDeparted(worker=address, reason="stake_insufficient")]
    if state.validator and reason == VALIDATORS_FULL:
        return [ValidatorDeparted(validator=address, reason=VALIDATORS_FULL)]
    if state.validator and funds.stake < minimum[VALIDATOR]:
        return [ValidatorDeparted(validator=address, reason="stake_insufficient")]
    return rejected(command, "standing_unchanged")
