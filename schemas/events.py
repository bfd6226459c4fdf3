"""Every event body, by the stream (topic) that its decider writes. The table `EVENTS` binds name to class and topic.

The bodies stand in a module for each stream; this one gathers them, so that a reader needs no other.
"""

from dataclasses import dataclass

from .account_events import (
    BondForfeited,
    BondReturned,
    DisputeFiled,
    EscrowLocked,
    EscrowRefunded,
    EscrowReleased,
    FeesDistributed,
    JobRejected,
    PaymentDue,
    PaymentEncrypted,
    RestitutionClaimed,
    RestitutionGranted,
    RestitutionPaid,
    RewardGranted,
    Slashed,
    Staked,
    StakeRejected,
    TokensGranted,
    Unstaked,
    UnstakeRequested,
    WalletCreated,
)
from .hidden_events import (
    Deposited,
    PaymentClaimed,
    PriceShared,
    PrivateAccountOpened,
    TransferBounced,
    TransferReceived,
    TransferReturned,
    TransferSent,
    Withdrawn,
)
from .job_events import (
    JobAssigned,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobReassigned,
    JobStarted,
    JobSubmitted,
    ProofGenerated,
    ProofRefused,
)
from .parts import (
    Benchmark,
    JobSpec,
)
from .types import EventBody, Rejection
from .vote_events import (
    ConsensusReached,
    DisputeOpened,
    DisputeResolved,
    DisputeVoteCast,
    TallyOpened,
    VerdictEnforced,
    VoteCast,
    VoteRejected,
)
from .worker_events import (
    BenchmarkDoubted,
    CapacityChanged,
    JobMatched,
    JobQueued,
    JobWithdrawn,
    PriceRaised,
    RateMeasured,
    RegistrationRejected,
    ReputationChanged,
    RetrialRequested,
    TallyRequested,
    ValidatorDeparted,
    ValidatorRegistered,
    ValidatorSetChanged,
    WorkerDeparted,
    WorkerRegistered,
    WorkerReturned,
    WorkerWentOffline,
)

__all__ = [
    "Benchmark",
    "BenchmarkDoubted",
    "BondForfeited",
    "BondReturned",
    "CapacityChanged",
    "CommandRejected",
    "ConsensusReached",
    "Deposited",
    "DisputeFiled",
    "DisputeOpened",
    "DisputeResolved",
    "DisputeVoteCast",
    "EVENTS",
    "EVENT_TOPIC",
    "EscrowLocked",
    "EscrowRefunded",
    "EscrowReleased",
    "FeesDistributed",
    "JobAssigned",
    "JobCancelled",
    "JobCompleted",
    "JobFailed",
    "JobMatched",
    "JobQueued",
    "JobReassigned",
    "JobRejected",
    "JobSpec",
    "JobStarted",
    "JobSubmitted",
    "JobWithdrawn",
    "PaymentClaimed",
    "PaymentDue",
    "PaymentEncrypted",
    "PriceRaised",
    "PriceShared",
    "PrivateAccountOpened",
    "ProofGenerated",
    "ProofRefused",
    "RateMeasured",
    "RegistrationRejected",
    "ReputationChanged",
    "RestitutionClaimed",
    "RestitutionGranted",
    "RestitutionPaid",
    "RetrialRequested",
    "RewardGranted",
    "Slashed",
    "StakeRejected",
    "Staked",
    "TallyOpened",
    "TallyRequested",
    "TokensGranted",
    "TransferBounced",
    "TransferReceived",
    "TransferReturned",
    "TransferSent",
    "UnstakeRequested",
    "Unstaked",
    "ValidatorDeparted",
    "ValidatorRegistered",
    "ValidatorSetChanged",
    "VerdictEnforced",
    "VoteCast",
    "VoteRejected",
    "WalletCreated",
    "Withdrawn",
    "WorkerDeparted",
    "WorkerRegistered",
    "WorkerReturned",
    "WorkerWentOffline",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRejected(Rejection):
    """A command that was refused and has no refusal event of its own name; may stand in any stream."""

    command: str


_BY_TOPIC: dict[str, tuple[type[EventBody], ...]] = {
    "accounts": (
        WalletCreated, TokensGranted, Staked, StakeRejected, UnstakeRequested, Unstaked, Slashed, RewardGranted,
        EscrowLocked, EscrowReleased, EscrowRefunded, PaymentDue, PaymentEncrypted, PaymentClaimed, FeesDistributed,
        JobRejected, PrivateAccountOpened, Deposited, Withdrawn, TransferSent, TransferReceived, TransferBounced,
        TransferReturned, DisputeFiled, BondReturned, BondForfeited, RestitutionClaimed, RestitutionPaid, RestitutionGranted,
    ),
    "workers": (
        WorkerRegistered, ValidatorRegistered, ValidatorDeparted, RegistrationRejected, ReputationChanged,
        WorkerWentOffline, WorkerReturned, WorkerDeparted, CapacityChanged, ValidatorSetChanged, JobQueued,
        JobMatched, JobWithdrawn, TallyRequested, PriceRaised, RetrialRequested, RateMeasured, BenchmarkDoubted,
    ),
    "jobs": (
        JobSubmitted, JobAssigned, JobStarted, JobReassigned, JobCompleted, JobFailed, JobCancelled, PriceShared,
    ),
    "proofs": (ProofGenerated, ProofRefused),
    "votes": (
        TallyOpened, VoteCast, VoteRejected, ConsensusReached, DisputeOpened, DisputeVoteCast, DisputeResolved,
        VerdictEnforced,
    ),
}  # fmt: skip

#: name -> class, for every event.
EVENTS: dict[str, type[EventBody]] = {body.__name__: body for bodies in _BY_TOPIC.values() for body in bodies} | {
    "CommandRejected": CommandRejected
}
#: name -> the one topic (without prefix) it stands in; CommandRejected may stand in any.
EVENT_TOPIC: dict[str, str] = {body.__name__: topic for topic, bodies in _BY_TOPIC.items() for body in bodies}
