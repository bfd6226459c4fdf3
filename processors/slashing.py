"""Taking a share of a stake (and the collateral of the job at least), and the reporter's reward."""

from bitsage.schemas.commands import GrantReward, SlashStake
from bitsage.schemas.events import RewardGranted, Slashed
from bitsage.schemas.types import EventBody

from .account_state import Account, faults_within, reward_mark, slash_mark
from .model import Command, Local, Rules
from .penalty import divided
from .refusal import is_amount, rejected
from .views import account


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """Slashed or RewardGranted, each once for its cause."""
    state = account(local)
    match command.body:
        case SlashStake() as body:
            return _slash(state, command, body, rules)
        case GrantReward(amount=amount) as body:
            if reward_mark(body.slashed, body.reason, body.job_id, body.attempt, body.round) in state.marks:
                return rejected(command, "already_booked")
            if not is_amount(amount):
                return rejected(command, "amount_out_of_range")
            return [
                RewardGranted(
                    amount=amount,
                    slashed=body.slashed,
                    reason=body.reason,
                    job_id=body.job_id,
                    attempt=body.attempt,
                    round=body.round,
                )
            ]
    return rejected(command, "wrong_subject")


def _is_malice(state: Account, rules: Rules) -> bool:
    """Whether so many of the account's proofs were voted down that no accident explains it; nobody's word enters."""
    return len(faults_within(state, rules.parameters.malicious_window_ms)) >= rules.parameters.malicious_proofs


def _slash(state: Account, command: Command, body: SlashStake, rules: Rules) -> list[EventBody]:
    percent = rules.parameters.slash_percent.get(body.reason)
    if percent is None:
        return rejected(command, "unknown_slash_reason")
    if slash_mark(body.reason, body.job_id, body.attempt, body.round) in state.marks:
        return rejected(command, "already_booked")
    if body.reason == "malicious" and not _is_malice(state, rules):
        # Two proofs in a row may complete the same run; the first slash for it ended that run.
        return rejected(command, "no_malice")
    # Stake that is being unlocked answers for what its owner did before it was withdrawn.
    total = state.stake + state.unstaking
    amount = min(total, max(total * percent // 100, body.collateral))
    if not amount:
        return rejected(command, "nothing_to_slash")
    parts = divided(amount, body.reporter, command.subject, rules.parameters)
    return [
        Slashed(
            amount=amount,
            reason=body.reason,
            job_id=body.job_id,
            attempt=body.attempt,
            reporter=parts.reporter,
            reporter_amount=parts.reward,
            burnt=parts.burnt,
            treasury=parts.treasury,
            remaining=max(0, state.stake - amount),
            round=body.round,
        )
    ]
