"""Every command body. `COMMANDS` says who may sign it and which decider (topic of its events) answers.

`owner`: the subject is the signer's own address. `anyone`: any account (the decider checks the role).
`authority`: only the network's coordinator key; these are the follow-ups of `processors/policies.py`, the payer's
encryptions and the timer's observations.
"""

from dataclasses import dataclass, field
from typing import Literal

from .events import Benchmark, JobSpec
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
from .types import ZERO_HASH, Amount, Bytes16, Bytes32, CommandBody, Millis


# ---- accounts ----
@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWallet(CommandBody):
    """Announce the signer's public key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTokens(CommandBody):
    """Ask the faucet for its grant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeTokens(CommandBody):
    """Move `amount` of the balance into stake for `tier`."""

    amount: Amount
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestUnstake(CommandBody):
    """Take `amount` out of the stake; it unlocks after the lock time."""

    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawStake(CommandBody):
    """Move unlocked stake back to the balance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJob(CommandBody):
    """Ask for a job; the subject is the client, so that funds are escrowed where they lie.

    A sealed offer has its price in `transfer`, which is made at the private account's `sequence`.
    """

    spec: JobSpec
    sequence: int = 0
    transfer: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseEscrow(CommandBody):
    """An approved job: divide the escrow."""

    job_id: Bytes16
    worker: Bytes32
    cost: Amount
    proof_commitment: Bytes32
    payment_nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundEscrow(CommandBody):
    """A failed or cancelled job: give the escrow back."""

    job_id: Bytes16
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwePayment(CommandBody):
    """A released escrow's part for the worker (the subject)."""

    job_id: Bytes16
    amount: Amount
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayWorker(CommandBody):
    """The encrypted form of a payment that is due."""

    job_id: Bytes16
    payment: bytes
    proof_commitment: Bytes32
    payment_nonce: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectFees(CommandBody):
    """Income of the treasury (the subject): a job's fee (`source` is `job_fee`) or a slash (its reason) of `payer`."""

    job_id: Bytes16
    attempt: int
    payer: Bytes32
    source: str
    amount: Amount
    burnt: Amount
    treasury: Amount
    stakers: Amount
    round: int = 0
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashStake(CommandBody):
    """Take the share that `reason` stands for from the subject's stake, but `collateral` at least; once per (reason, job,
    attempt, round)."""

    reason: str
    job_id: Bytes16
    attempt: int
    reporter: Bytes32 | None = None
    collateral: Amount = 0
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantReward(CommandBody):
    """Credit the reporter (the subject) with its part of a slash."""

    amount: Amount
    slashed: Bytes32
    reason: str
    job_id: Bytes16
    attempt: int
    round: int = 0


# ---- accounts: disputes ----
@dataclass(frozen=True, slots=True, kw_only=True)
class FileDispute(CommandBody):
    """Contest the decision on an attempt's proof; a bond leaves the signer's balance until the dispute is over."""

    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleBond(CommandBody):
    """The subject's dispute is over or was not admitted: give its bond back, or divide it when `lost`."""

    job_id: Bytes16
    attempt: int
    filing: int
    outcome: str
    lost: bool
    reporter: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStake(CommandBody):
    """A slash of the subject followed from a decision that was overturned: claim it back."""

    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayRestitution(CommandBody):
    """The treasury (the subject) owes `account` what it lost by a slash that was overturned."""

    account: Bytes32
    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRestitution(CommandBody):
    """Credit the subject with what the treasury paid."""

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int


# ---- workers ----
@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterWorker(CommandBody):
    """Join as a worker. `key_proof` shows that the signer knows the secret of `payment_key`; `quote` is a TEE quote.

    What it bids: `asks`, the least price per proven row (base units) for each of `job_types`, none for any price; `clients`,
    for whom alone it works, none for anybody; `least_tier`, the least tier that a job has to ask for; `max_collateral`, the
    most that it pledges for one job.
    `benchmarks`: what the signer says its device does; `insist`: also where the network has measured far less.
    """

    tier: str
    gpu_model: str
    payment_key: bytes
    key_proof: bytes
    job_types: list[str]
    slots: int
    quote: bytes = b""
    asks: list[Amount] = field(default_factory=list)
    clients: list[Bytes32] = field(default_factory=list)
    least_tier: str = ""
    max_collateral: Amount = 0
    benchmarks: list[Benchmark] = field(default_factory=list)
    insist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartWorker(CommandBody):
    """Leave the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterValidator(CommandBody):
    """Join as a validator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartValidator(CommandBody):
    """Stop validating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewStanding(CommandBody):
    """The subject's stake fell (slash, unstake): decide anew whether it may stay."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustReputation(CommandBody):
    """An attempt of the subject ended; `reason` is a row of the reputation table.

    Of a job done: its type, its rows and times as in `RateMeasured`; no rows where there is nothing to measure.
    """

    reason: str
    job_id: Bytes16
    attempt: int
    job_type: str = ""
    rows: int = 0
    elapsed_ms: int = 0
    waited_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPresence(CommandBody):
    """The coordinator's heartbeat watch: the subject is seen, or was last seen at `last_seen`."""

    online: bool
    last_seen: Millis


# ---- the market (subject `network`) ----
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferCapacity(CommandBody):
    """A worker's place in the market changed; `slots` = 0 takes it out."""

    worker: Bytes32
    tier: str
    reputation: int
    slots: int
    attested: bool
    job_types: list[str]
    asks: list[Amount] = field(default_factory=list)
    clients: list[Bytes32] = field(default_factory=list)
    least_tier: str = ""
    max_collateral: Amount = 0
    stake: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeValidator(CommandBody):
    """Add a validator to the set, or take it out."""

    validator: Bytes32
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueJob(CommandBody):
    """A job (attempt `attempt`) waits for a worker."""

    job_id: Bytes16
    attempt: int
    job_type: str
    tier: str
    tee: bool
    priority: int
    submitted_at: Millis
    excluded: list[Bytes32]
    rows: int = 1
    client: Bytes32 = ZERO_HASH
    max_cost: Amount = 0
    min_cost: Amount = 0
    ramp_start: Millis = 0
    ramp_ms: int = 0
    collateral: Amount = 0
    reluctant: list[Bytes32] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisePrice(CommandBody):
    """The coordinator's timer: the ramp of a waiting job should have reached `price`."""

    job_id: Bytes16
    attempt: int
    price: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawJob(CommandBody):
    """The attempt is over: drop it from the queue or free its slot."""

    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTally(CommandBody):
    """A proof was admitted: name the validators that judge it."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetrial(CommandBody):
    """A dispute was filed at `filed_at`, the disputer's `filing`-th: name the validators that judge the proof anew."""

    job_id: Bytes16
    attempt: int
    disputer: Bytes32
    filing: int
    filed_at: Millis


# ---- jobs ----
@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitJob(CommandBody):
    """The escrow is locked: open the job."""

    client: Bytes32
    spec: JobSpec
    rows: int = 1
    price: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignJob(CommandBody):
    """The market chose `worker` for attempt `attempt`, at the price `cost` (0: the job's fixed one)."""

    attempt: int
    worker: Bytes32
    cost: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartJob(CommandBody):
    """The assigned worker begins."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonJob(CommandBody):
    """The assigned worker cannot finish, and says why."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineJob(CommandBody):
    """The assigned worker does not want the job at this price; without penalty before it starts, in the lock time."""

    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(CommandBody):
    """The client takes the job back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleAttempt(CommandBody):
    """The validators decided on the attempt's proof."""

    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    outcome: str
    reporter: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutElapsed(CommandBody):
    """The coordinator's timer: `kind` is attempt, lock, worker_offline or deadline, for attempt `attempt`."""

    kind: str
    attempt: int


# ---- proofs ----
@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitProof(CommandBody):
    """The assigned worker's proof of the attempt."""

    attempt: int
    output_hash: Bytes32
    public_inputs: str
    proof: bytes
    proof_hash: Bytes32
    proof_system: str
    security_bits: int
    backend: str
    run_ms: int
    prove_ms: int


# ---- votes ----
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTally(CommandBody):
    """The validator set that judges `proof_hash`."""

    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    validators: list[Bytes32]
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote(CommandBody):
    """A validator's judgement of an attempt's proof after running the verifier itself."""

    attempt: int
    proof_hash: Bytes32
    valid: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTally(CommandBody):
    """The coordinator's timer: the voting time for `proof_hash` is over."""

    proof_hash: Bytes32


# ---- votes: disputes ----
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDispute(CommandBody):
    """The validator set (of `epoch`) that judges a disputed attempt anew; the disputer and the worker have no vote."""

    attempt: int
    disputer: Bytes32
    filing: int
    filed_at: Millis
    validators: list[Bytes32]
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CastDisputeVote(CommandBody):
    """A validator's judgement of a disputed proof, in this round and no other."""

    attempt: int
    round: int
    proof_hash: Bytes32
    valid: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseDispute(CommandBody):
    """The coordinator's timer: the voting time of the attempt's dispute is over."""

    attempt: int
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforceVerdict(CommandBody):
    """Name the next validators (part `part`, from 0) that a resolved dispute has consequences for."""

    attempt: int
    round: int
    part: int


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
