"""The accounts' side of disputes: the bond, and what a slash that was overturned gives back."""

from bitsage.schemas.commands import FileDispute, GrantRestitution, RestoreStake, SettleBond
from bitsage.schemas.events import (
    BondForfeited,
    BondReturned,
    DisputeFiled,
    RestitutionClaimed,
    RestitutionGranted,
)
from bitsage.schemas.types import EventBody

from .account_state import Account, bond_mark, restitution_mark, slash_mark
from .model import Command, Local, Rules
from .penalty import divided
from .refusal import is_amount, rejected
from .views import account


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """DisputeFiled; BondReturned or BondForfeited; RestitutionClaimed; RestitutionGranted."""
    state = account(local)
    match command.body:
        case FileDispute(job_id=job_id, attempt=attempt):
            reason = _refuse(state, job_id, attempt, rules)
            if reason is not None:
                return rejected(command, reason)
            bond, filing = rules.parameters.dispute_bond, state.filings + 1
            return [DisputeFiled(job_id=job_id, attempt=attempt, filing=filing, bond=bond)]
        case SettleBond() as body:
            return _settle(state, command, body, rules)
        case RestoreStake(reason=reason, job_id=job_id, attempt=attempt):
            lost = state.losses.get(slash_mark(reason, job_id, attempt))
            if not lost:
                return rejected(command, "nothing_to_restore")
            return [RestitutionClaimed(amount=lost, reason=reason, job_id=job_id, attempt=attempt)]
        case GrantRestitution(amount=amount, reason=reason, job_id=job_id, attempt=attempt):
            if restitution_mark(reason, job_id, attempt) in state.marks:
                return rejected(command, "already_booked")
            if not is_amount(amount):
                return rejected(command, "amount_out_of_range")
            return [RestitutionGranted(amount=amount, reason=reason, job_id=job_id, attempt=attempt)]
    return rejected(command, "wrong_subject")


def _refuse(state: Account, job_id: bytes, attempt: int, rules: Rules) -> str | None:
    if not state.public_key:
        return "no_wallet"
    if attempt < 1:
        return "not_decided"
    # What is being unlocked does not count: who disputes has something to lose.
    if state.stake < rules.parameters.dispute_minimum_stake:
        return "dispute_stake"
    if bond_mark(job_id, attempt) in state.bonds:
        return "already_disputed"
    if state.balance < rules.parameters.dispute_bond:
        return "insufficient_balance"
    return None


def _settle(state: Account, command: Command, body: SettleBond, rules: Rules) -> list[EventBody]:
    bond = state.bonds.get(bond_mark(body.job_id, body.attempt))
    if bond is None or bond.filing != body.filing:
        return rejected(command, "no_bond")
    if not body.lost:
        return [BondReturned(job_id=body.job_id, attempt=body.attempt, amount=bond.amount, outcome=body.outcome)]
    parts = divided(bond.amount, body.reporter, command.subject, rules.parameters)
    return [
        BondForfeited(
            job_id=body.job_id,
            attempt=body.attempt,
            amount=bond.amount,
            reporter=parts.reporter,
            reporter_amount=parts.reward,
            burnt=parts.burnt,
            treasury=parts.treasury,
        )
    ]
