"""The decider of accounts: hands each command to the file that knows its rules."""

from bitsage.schemas.commands import (
    CreateWallet,
    FileDispute,
    GrantRestitution,
    GrantReward,
    OwePayment,
    PayWorker,
    RefundEscrow,
    ReleaseEscrow,
    RequestTokens,
    RequestUnstake,
    RestoreStake,
    SettleBond,
    SlashStake,
    StakeTokens,
    SubmitJob,
    WithdrawStake,
)
from bitsage.schemas.hidden_commands import (
    ClaimPayment,
    CreditTransfer,
    Deposit,
    OpenPrivateAccount,
    ReturnTransfer,
    Transfer,
    Withdraw,
)
from bitsage.schemas.types import EventBody

from . import bonds, escrow, payments, private_accounts, slashing, stake, wallet
from .account_state import Account, evolve
from .model import Command, Local, Rules
from .refusal import rejected

INITIAL = Account()


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """The events that answer a command to an account."""
    match command.body:
        case CreateWallet() | RequestTokens():
            return wallet.decide(local, command, rules)
        case StakeTokens() | RequestUnstake() | WithdrawStake():
            return stake.decide(local, command, rules)
        case SlashStake() | GrantReward():
            return slashing.decide(local, command, rules)
        case SubmitJob() | ReleaseEscrow() | RefundEscrow():
            return escrow.decide(local, command, rules)
        case OwePayment() | PayWorker():
            return payments.decide(local, command, rules)
        case OpenPrivateAccount() | Deposit() | Withdraw() | ClaimPayment():
            return private_accounts.decide(local, command, rules)
        case Transfer() | CreditTransfer() | ReturnTransfer():
            return private_accounts.decide(local, command, rules)
        case FileDispute() | SettleBond() | RestoreStake() | GrantRestitution():
            return bonds.decide(local, command, rules)
    return rejected(command, "wrong_subject")


__all__ = ["INITIAL", "decide", "evolve"]
