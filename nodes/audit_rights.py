"""What an event may say on whose word, from the event alone: who may cause it, and for whom.

It holds for all of history, also where the commands have expired.
"""

from bitsage.processors.kernel import NO_STANDING
from bitsage.processors.model import account_subject
from bitsage.schemas.commands import COMMANDS
from bitsage.schemas.events import EVENT_TOPIC, DisputeVoteCast, ProofGenerated, TokensGranted, VoteCast, VoteRejected
from bitsage.schemas.types import EventBody, EventEnvelope, Rejection
from bitsage.streams.topics import topic_name

from .audit_places import elsewhere
from .network import Network

#: command -> what may be the first event of its answer, refusals aside.
FIRST: dict[str, tuple[str, ...]] = {
    "CreateWallet": ("WalletCreated",),
    "RequestTokens": ("TokensGranted",),
    "StakeTokens": ("Staked",),
    "RequestUnstake": ("UnstakeRequested",),
    "WithdrawStake": ("Unstaked",),
    "SubmitJob": ("EscrowLocked",),
    "ReleaseEscrow": ("EscrowReleased",),
    "RefundEscrow": ("EscrowRefunded",),
    "OwePayment": ("PaymentDue",),
    "PayWorker": ("PaymentEncrypted",),
    "OpenPrivateAccount": ("PrivateAccountOpened",),
    "Deposit": ("Deposited",),
    "Withdraw": ("Withdrawn",),
    "ClaimPayment": ("PaymentClaimed",),
    "Transfer": ("TransferSent",),
    "CreditTransfer": ("TransferReceived", "TransferBounced"),
    "ReturnTransfer": ("TransferReturned",),
    "CollectFees": ("FeesDistributed",),
    "SlashStake": ("Slashed",),
    "GrantReward": ("RewardGranted",),
    "RegisterWorker": ("WorkerRegistered",),
    "DepartWorker": ("WorkerDeparted",),
    "RegisterValidator": ("ValidatorRegistered",),
    "DepartValidator": ("ValidatorDeparted",),
    "ReviewStanding": ("WorkerDeparted", "ValidatorDeparted"),
    "AdjustReputation": ("ReputationChanged", "WorkerWentOffline"),
    "ReportPresence": ("WorkerWentOffline", "WorkerReturned"),
    "OfferCapacity": ("CapacityChanged",),
    "ChangeValidator": ("ValidatorSetChanged",),
    "EnqueueJob": ("JobWithdrawn", "JobQueued"),
    "WithdrawJob": ("JobWithdrawn",),
    "RequestTally": ("TallyRequested",),
    "RaisePrice": ("PriceRaised",),
    "DeclineJob": ("JobReassigned", "JobFailed"),
    "AdmitJob": ("JobSubmitted",),
    "AssignJob": ("JobAssigned", "JobFailed"),
    "StartJob": ("JobStarted",),
    "AbandonJob": ("JobReassigned", "JobFailed"),
    "CancelJob": ("JobCancelled",),
    "SharePrice": ("PriceShared",),
    "SettleAttempt": ("JobCompleted", "JobReassigned", "JobFailed"),
    "TimeoutElapsed": ("JobReassigned", "JobFailed"),
    "SubmitProof": ("ProofGenerated",),
    "OpenTally": ("TallyOpened",),
    "CastVote": ("VoteCast",),
    "CloseTally": ("ConsensusReached",),
    "FileDispute": ("DisputeFiled",),
    "SettleBond": ("BondReturned", "BondForfeited"),
    "RestoreStake": ("RestitutionClaimed",),
    "PayRestitution": ("RestitutionPaid",),
    "GrantRestitution": ("RestitutionGranted",),
    "RequestRetrial": ("RetrialRequested",),
    "OpenDispute": ("DisputeOpened",),
    "CastDisputeVote": ("DisputeVoteCast",),
    "CloseDispute": ("DisputeResolved",),
    "EnforceVerdict": ("VerdictEnforced",),
}
#: command -> what may follow the first event in the same answer.
MORE: dict[str, tuple[str, ...]] = {
    "AdjustReputation": ("ReputationChanged", "RateMeasured", "BenchmarkDoubted"),
    "ReportPresence": ("ReputationChanged",),
    "OfferCapacity": ("JobMatched",),
    "EnqueueJob": ("JobQueued", "JobMatched"),
    "WithdrawJob": ("JobMatched",),
    "RaisePrice": ("JobMatched",),
    "OpenTally": ("ConsensusReached",),
    "CastVote": ("ConsensusReached",),
    "OpenDispute": ("DisputeResolved",),
    "CastDisputeVote": ("DisputeResolved",),
}


def overreach(topic: str, index: int, envelope: EventEnvelope, body: EventBody, network: Network) -> str | None:
    """What the event says beyond what its command's signer may bring about; None when nothing.

    Args:
        topic: the event's topic, with prefix.
        index: the event's place in its answer.
    """
    rule = COMMANDS.get(envelope.command)
    if rule is None or topic_name(rule.topic) != topic:
        return f"{envelope.command} is not answered there"
    if (misplaced := elsewhere(envelope.subject, body)) is not None:
        return misplaced
    if isinstance(body, Rejection):
        if isinstance(body, VoteRejected) and body.validator != envelope.actor:
            return "VoteRejected names somebody else than the signer"
        if body.reason in NO_STANDING or EVENT_TOPIC.get(envelope.type, rule.topic) == rule.topic:
            return None
        return f"{envelope.type} is no answer to {envelope.command}"
    allowed = FIRST[envelope.command] if index <= 0 else MORE.get(envelope.command, ())
    if envelope.type not in allowed:
        return f"{envelope.type} is no answer to {envelope.command}"
    if rule.signer == "owner" and envelope.subject != account_subject(envelope.actor):
        return f"{envelope.command} is signed by somebody else than its subject"
    if rule.signer == "authority" and account_subject(envelope.actor) != network.authority:
        return f"{envelope.command} is not signed by the coordinator"
    match body:
        case VoteCast(validator=who) | DisputeVoteCast(validator=who) | ProofGenerated(worker=who) if (
            who != envelope.actor
        ):
            return f"{envelope.type} names somebody else than the signer"
        case TokensGranted(amount=amount) if amount != network.parameters.faucet_sage:
            return "the faucet granted another amount than its own"
    return None
