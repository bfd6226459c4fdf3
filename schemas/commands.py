"""Every command body. `COMMANDS` says who may sign it and which decider (topic of its events) answers.

`owner`: the subject is the signer's own address. `anyone`: any account (the decider checks the role).
`authority`: only the network's coordinator key; these are the follow-ups of `processors/policies.py`, the payer's
encryptions and the timer's observations.
"""

from dataclasses import dataclass
from typing import Literal

from .account_commands import (
    CollectFees,
    CreateWallet,
    FileDispute,
    GrantRestitution,
    GrantReward,
    OwePayment,
    PayRestitution,
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
from .hidden_commands import (
    ClaimPayment,
    CreditTransfer,
    Deposit,
    OpenPrivateAccount,
    ReturnTransfer,
    SharePrice,
    Transfer,
    Withdraw,
)
from .job_commands import (
    AbandonJob,
    AdmitJob,
    AssignJob,
    CancelJob,
    DeclineJob,
    SettleAttempt,
    StartJob,
    SubmitProof,
    TimeoutElapsed,
)
from .types import CommandBody
from .vote_commands import (
    CastDisputeVote,
    CastVote,
    CloseDispute,
    CloseTally,
    EnforceVerdict,
    OpenDispute,
    OpenTally,
)
from .worker_commands import (
    AdjustReputation,
    ChangeValidator,
    DepartValidator,
    DepartWorker,
    EnqueueJob,
    OfferCapacity,
    RaisePrice,
    RegisterValidator,
    RegisterWorker,
    ReportPresence,
    RequestRetrial,
    RequestTally,
    ReviewStanding,
    WithdrawJob,
)

__all__ = [
    "AbandonJob",
    "AdjustReputation",
    "AdmitJob",
    "AssignJob",
    "COMMANDS",
    "CancelJob",
    "CastDisputeVote",
    "CastVote",
    "ChangeValidator",
    "ClaimPayment",
    "CloseDispute",
    "CloseTally",
    "CollectFees",
    "CommandRule",
    "CreateWallet",
    "CreditTransfer",
    "DeclineJob",
    "DepartValidator",
    "DepartWorker",
    "Deposit",
    "EnforceVerdict",
    "EnqueueJob",
    "FileDispute",
    "GrantRestitution",
    "GrantReward",
    "OfferCapacity",
    "OpenDispute",
    "OpenPrivateAccount",
    "OpenTally",
    "OwePayment",
    "PayRestitution",
    "PayWorker",
    "RaisePrice",
    "RefundEscrow",
    "RegisterValidator",
    "RegisterWorker",
    "ReleaseEscrow",
    "ReportPresence",
    "RequestRetrial",
    "RequestTally",
    "RequestTokens",
    "RequestUnstake",
    "RestoreStake",
    "ReturnTransfer",
    "ReviewStanding",
    "SettleAttempt",
    "SettleBond",
    "SharePrice",
    "Signer",
    "SlashStake",
    "StakeTokens",
    "StartJob",
    "SubmitJob",
    "SubmitProof",
    "TimeoutElapsed",
    "Transfer",
    "Withdraw",
    "WithdrawJob",
    "WithdrawStake",
]

Signer = Literal["owner", "anyone", "authority"]


@dataclass(frozen=True, slots=True)
class CommandRule:
    """Who signs a command, and the topic (without prefix) of the decider that answers it."""

    body: type[CommandBody]
    topic: str
    signer: Signer


def _rules() -> dict[str, CommandRule]:
    table: dict[tuple[str, Signer], tuple[type[CommandBody], ...]] = {
        ("accounts", "owner"): (
            CreateWallet, RequestTokens, StakeTokens, RequestUnstake, WithdrawStake, SubmitJob, ClaimPayment,
            OpenPrivateAccount, Deposit, Withdraw, Transfer, FileDispute,
        ),
        ("accounts", "authority"): (
            ReleaseEscrow, RefundEscrow, OwePayment, PayWorker, CollectFees, SlashStake, GrantReward, CreditTransfer,
            ReturnTransfer, SettleBond, RestoreStake, PayRestitution, GrantRestitution,
        ),
        ("workers", "owner"): (RegisterWorker, DepartWorker, RegisterValidator, DepartValidator),
        ("workers", "authority"): (
            ReviewStanding, AdjustReputation, ReportPresence, OfferCapacity, ChangeValidator, EnqueueJob, WithdrawJob,
            RequestTally, RaisePrice, RequestRetrial,
        ),
        ("jobs", "anyone"): (StartJob, AbandonJob, CancelJob, DeclineJob),
        ("jobs", "authority"): (AdmitJob, AssignJob, SettleAttempt, TimeoutElapsed, SharePrice),
        ("proofs", "anyone"): (SubmitProof,),
        ("votes", "anyone"): (CastVote, CastDisputeVote),
        ("votes", "authority"): (OpenTally, CloseTally, OpenDispute, CloseDispute, EnforceVerdict),
    }  # fmt: skip
    return {
        body.__name__: CommandRule(body, topic, signer) for (topic, signer), bodies in table.items() for body in bodies
    }


#: name -> rule, for every command.
COMMANDS: dict[str, CommandRule] = _rules()
