"""Admission of jobs against funds, and what becomes of the escrow."""

from bitsage.schemas.commands import RefundEscrow, ReleaseEscrow, SubmitJob
from bitsage.schemas.events import EscrowLocked, EscrowRefunded, EscrowReleased, JobRejected, JobSpec
from bitsage.schemas.ids import job_id as job_id_of
from bitsage.schemas.parameters import PAYMENT_UNIT, TIERS
from bitsage.schemas.types import EventBody

from .account_state import Account
from .hidden import CLIENT, ESCROW, escrow_context, handle, readers, shares
from .model import Command, Local, Rules
from .offers import refuse_offer
from .refusal import NAME_MAX, REMARK_MAX, is_amount, rejected
from .views import account

PRIORITY_MAX = 10
#: Encrypted amounts are below 2^40 units (privacy specification, section 2).
PAYMENT_MAX = PAYMENT_UNIT << 40
#: (reason code, sentence)
Refusal = tuple[str, str]


def worker_part(cost: int, rules: Rules) -> int:
    """The worker's share of `cost`, rounded down to whole payment units; the protocol gets the rest."""
    return cost * rules.parameters.worker_percent // (100 * PAYMENT_UNIT) * PAYMENT_UNIT


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """EscrowLocked or JobRejected; EscrowReleased; EscrowRefunded."""
    state = account(local)
    match command.body:
        case SubmitJob() as body:
            job_id = job_id_of(command.actor, command.id)
            refusal = _refuse(state, body, command.at, rules)
            if refusal is None and (job_id in state.escrows or job_id in state.sealed):
                refusal = ("job_exists", "")
            locked = _lock(state, command, body, job_id, rules) if refusal is None else refusal
            if isinstance(locked, EscrowLocked):
                return [locked]
            return [JobRejected(job_id=job_id, reason=locked[0], details=locked[1][:REMARK_MAX])]
        case ReleaseEscrow() as body:
            return _release(state, command, body, rules)
        case RefundEscrow(job_id=job_id, reason=reason):
            return _refund(state, command, job_id, reason, rules)
    return rejected(command, "wrong_subject")


def _refuse(state: Account, body: SubmitJob, now: int, rules: Rules) -> Refusal | None:
    parameters, spec = rules.parameters, body.spec
    if not state.public_key:
        return "no_wallet", ""
    if not 0 < len(spec.job_type) <= NAME_MAX:
        return "unknown_job_type", ""
    if len(spec.input.encode()) > parameters.job_input_max_bytes:
        return "input_too_large", f"the input may have at most {parameters.job_input_max_bytes} bytes"
    if spec.tier not in ("", *TIERS):
        return "unknown_tier", ""
    if spec.tee:
        return "attestation_unavailable", ""
    if not 0 <= spec.priority <= PRIORITY_MAX:
        return "priority_out_of_range", f"the priority has to be 0 to {PRIORITY_MAX}"
    if spec.deadline <= now:
        return "deadline_passed", ""
    if spec.deadline > now + parameters.deadline_max_ms:
        return "deadline_too_far", ""
    refusal = _refuse_sealed(state, body) if body.transfer else _refuse_cost(state, spec, rules)
    refusal = refusal or refuse_offer(spec, now, parameters)
    return refusal or rules.checks.job_input(spec.job_type, spec.input)


def _refuse_sealed(state: Account, body: SubmitJob) -> Refusal | None:
    if body.spec.max_cost or body.spec.min_cost or body.spec.ramp_ms or body.spec.ramp_start:
        return "offer_invalid", ""
    if not state.private.payment_key:
        return "no_private_account", ""
    if body.sequence != state.private.sequence:
        return "stale_sequence", ""
    return None


def _lock(state: Account, command: Command, body: SubmitJob, job_id: bytes, rules: Rules) -> EscrowLocked | Refusal:
    """The escrow; of a sealed offer its proof is verified last, because that takes long."""
    own = state.private
    if not body.transfer:
        return EscrowLocked(job_id=job_id, amount=body.spec.max_cost)
    verified = rules.checks.transfer(
        body.transfer,
        balance=own.available,
        sender_key=own.payment_key,
        recipients=readers(rules.escrow_key, rules),
        factor=shares(rules.parameters).price,
        context=escrow_context(rules, command.actor, own.sequence),
    )
    if verified is None:
        return "transfer_invalid", ""
    ciphertext, remaining = verified
    return EscrowLocked(
        job_id=job_id,
        amount=0,
        transfer=body.transfer,
        ciphertext=ciphertext,
        available=remaining,
        sequence=own.sequence + 1,
    )


def _refund(state: Account, command: Command, job_id: bytes, reason: str, rules: Rules) -> list[EventBody]:
    locked, sealed, own = state.escrows.get(job_id), state.sealed.get(job_id), state.private
    if sealed is not None:
        ciphertext = handle(sealed, CLIENT)
        pending = rules.checks.credited(own.pending, ciphertext, shares(rules.parameters).price)
        return [
            EscrowRefunded(
                job_id=job_id,
                amount=0,
                reason=reason,
                ciphertext=ciphertext,
                pending=pending,
                credit=own.credits + 1,
            )
        ]
    if locked is None:
        return rejected(command, "no_escrow")
    return [EscrowRefunded(job_id=job_id, amount=locked, reason=reason)]


def _refuse_cost(state: Account, spec: JobSpec, rules: Rules) -> Refusal | None:
    cost, percent = spec.max_cost, rules.parameters.worker_percent
    if not is_amount(cost):
        return "amount_out_of_range", ""
    # Both parts of the split have to be whole payment units.
    if cost % PAYMENT_UNIT or cost * percent % (100 * PAYMENT_UNIT):
        return "cost_not_divisible", "the cost has to be a multiple of 0.000005 SAGE"
    if cost * percent // 100 >= PAYMENT_MAX:
        return "cost_too_large", ""
    if cost > state.balance:
        return "insufficient_balance", ""
    return None


def _release(state: Account, command: Command, body: ReleaseEscrow, rules: Rules) -> list[EventBody]:
    sealed = state.sealed.get(body.job_id)
    if sealed is not None:
        return _release_sealed(sealed, command, body)
    locked = state.escrows.get(body.job_id)
    if locked is None:
        return rejected(command, "no_escrow")
    if not 0 < body.cost <= locked:
        return rejected(command, "amount_out_of_range")
    worker_amount = worker_part(body.cost, rules)
    return [
        EscrowReleased(
            job_id=body.job_id,
            worker=body.worker,
            worker_amount=worker_amount,
            protocol_amount=body.cost - worker_amount,
            refund=locked - body.cost,
            proof_commitment=body.proof_commitment,
            payment_nonce=body.payment_nonce,
        )
    ]


def _release_sealed(sealed: bytes, command: Command, body: ReleaseEscrow) -> list[EventBody]:
    # A sealed price is one price: all of it is paid.
    if body.cost:
        return rejected(command, "amount_out_of_range")
    return [
        EscrowReleased(
            job_id=body.job_id,
            worker=body.worker,
            worker_amount=0,
            protocol_amount=0,
            refund=0,
            proof_commitment=body.proof_commitment,
            payment_nonce=body.payment_nonce,
            ciphertext=handle(sealed, ESCROW),
        )
    ]
