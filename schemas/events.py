"""Every event body, by the stream (topic) that its decider writes. The table `EVENTS` binds name to class and topic."""

from dataclasses import dataclass, field

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
from .types import ZERO_HASH, Amount, Bytes16, Bytes32, EventBody, Millis, Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a client wants done. `input` is canonical JSON that the job type understands.

    A sealed offer has `max_cost` 0: its price is a ciphertext beside the spec. An open one's
    price is `max_cost`; with `min_cost` > 0 it rises from there to `max_cost`, from `ramp_start` (0: from admission) for
    `ramp_ms`. `lock_timeout_ms` (0: none): time in which a worker has to start. `collateral`: least slash for not delivering.
    """

    job_type: str
    input: str
    max_cost: Amount
    tier: str
    tee: bool
    priority: int
    deadline: Millis
    min_cost: Amount = 0
    ramp_start: Millis = 0
    ramp_ms: int = 0
    lock_timeout_ms: int = 0
    collateral: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A worker's word on its device: a job of `job_type` with `rows` proven rows took `ms` from its start to its proof."""

    job_type: str
    rows: int
    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRejected(Rejection):
    """A command that was refused and has no refusal event of its own name; may stand in any stream."""

    command: str


# ---- accounts: wallet, faucet, stake, escrow, payment (subject: account address, or `treasury`) ----


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletCreated(EventBody):
    """An account announced its public key."""

    address: Bytes32
    public_key: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensGranted(EventBody):
    """The faucet credited test tokens: `amount` of SAGE, `gas_amount` of the gas token (base units)."""

    amount: Amount
    gas_amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Staked(EventBody):
    """Balance moved into stake; `total` is the stake afterwards, for `tier`."""

    amount: Amount
    total: Amount
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeRejected(Rejection):
    """Stake that was refused; `required` and `current` in base units."""

    required: Amount = 0
    current: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstakeRequested(EventBody):
    """Stake stopped counting and is locked until `unlock_at`."""

    amount: Amount
    unlock_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstaked(EventBody):
    """Unlocked stake moved back to the balance."""

    amount: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Slashed(EventBody):
    """Stake was taken; `reporter_amount` + `burnt` + `treasury` = `amount`; `remaining` is the stake left.

    `round` is 0 for the decision on the proof, and counts the disputes of the attempt from 1.
    """

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int
    reporter: Bytes32
    reporter_amount: Amount
    burnt: Amount
    treasury: Amount
    remaining: Amount
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardGranted(EventBody):
    """The reporter's part of a slash or of a lost bond, credited to the reporter's balance."""

    amount: Amount
    slashed: Bytes32
    reason: str
    job_id: Bytes16
    attempt: int
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFiled(EventBody):
    """The account contests the decision on an attempt's proof, as its `filing`-th dispute; `bond` left its balance."""

    job_id: Bytes16
    attempt: int
    filing: int
    bond: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class BondReturned(EventBody):
    """The bond went back to the balance: overturned, expired, or not admitted (`outcome` is the refusal's code)."""

    job_id: Bytes16
    attempt: int
    amount: Amount
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BondForfeited(EventBody):
    """The dispute was lost and its bond divided like a slash; the parts add up to `amount`."""

    job_id: Bytes16
    attempt: int
    amount: Amount
    reporter: Bytes32
    reporter_amount: Amount
    burnt: Amount
    treasury: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class RestitutionClaimed(EventBody):
    """A slash of the account was overturned; `amount` of it went to the protocol and is asked back. Nothing moved yet."""

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestitutionPaid(EventBody):
    """The treasury paid `amount` for an overturned slash; `shortfall` is what it could not pay, now or later."""

    account: Bytes32
    amount: Amount
    shortfall: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestitutionGranted(EventBody):
    """What the treasury paid, credited to the balance."""

    amount: Amount
    reason: str
    job_id: Bytes16
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowLocked(EventBody):
    """Funds for a job left the client's balance: `amount`, or for a sealed offer a hidden one.

    `transfer` is the proof, `ciphertext` the price's unit with the handles of client, escrow and any auditor.
    """

    job_id: Bytes16
    amount: Amount
    transfer: bytes = b""
    ciphertext: bytes = b""
    available: bytes = b""
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowReleased(EventBody):
    """An approved job's escrow was divided; the parts and `refund` add up to what was locked.

    Of a sealed offer the amounts are 0 and `ciphertext` is the price's unit for the escrow's key.
    """

    job_id: Bytes16
    worker: Bytes32
    worker_amount: Amount
    protocol_amount: Amount
    refund: Amount
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowRefunded(EventBody):
    """The escrow went back to the client: `amount` to the balance, or a sealed price to `pending`."""

    job_id: Bytes16
    amount: Amount
    reason: str
    ciphertext: bytes = b""
    pending: bytes = b""
    credit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDue(EventBody):
    """The worker's part of a released escrow, waiting to be encrypted under `payment_key`.

    Either `amount`, or 0 and the `ciphertext` of a sealed price's unit for the escrow's key.
    """

    job_id: Bytes16
    worker: Bytes32
    amount: Amount
    payment_key: bytes
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEncrypted(EventBody):
    """The payment as a twisted ElGamal ciphertext with its proofs, bound to the proof, the job and the nonce.

    `ciphertext` is for the worker: what is paid, or of a sealed offer the price's unit, which counts by the worker's share.
    """

    job_id: Bytes16
    worker: Bytes32
    payment: bytes
    proof_commitment: Bytes32
    payment_nonce: int
    ciphertext: bytes = b""
    pending: bytes = b""
    credit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeesDistributed(EventBody):
    """The treasury took in a fee (`source` is `job_fee`) or a slash (its reason); the parts add up to `amount`.

    Of a sealed fee the amounts are 0: `ciphertext` is the price's unit, `sealed_fees` the sum of them after the event.
    """

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
    sealed_fees: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRejected(Rejection):
    """A job that was not admitted; no funds moved."""

    job_id: Bytes16


# ---- workers: registration, reputation, presence (subject: address), the market (subject: `network`) ----


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRegistered(EventBody):
    """A worker joined; `payment_key` is its ElGamal public key.

    `insisted`: job types whose benchmark claims more than was measured before, and that the worker upholds knowingly.
    """

    worker: Bytes32
    tier: str
    gpu_model: str
    stake: Amount
    payment_key: bytes
    job_types: list[str]
    slots: int
    attested: bool
    asks: list[Amount] = field(default_factory=list)
    clients: list[Bytes32] = field(default_factory=list)
    least_tier: str = ""
    max_collateral: Amount = 0
    benchmarks: list[Benchmark] = field(default_factory=list)
    insisted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorRegistered(EventBody):
    """A validator joined."""

    validator: Bytes32
    stake: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorDeparted(EventBody):
    """A validator left, by its own wish or because its stake no longer suffices."""

    validator: Bytes32
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRejected(Rejection):
    """A registration that was refused; `required` and `current` stake in base units."""

    required: Amount = 0
    current: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationChanged(EventBody):
    """Reputation moved from `before` to `after` (0..1000); `failures` is the current run of failures."""

    before: int
    after: int
    reason: str
    job_id: Bytes16
    attempt: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateMeasured(EventBody):
    """An approved job of a type that the worker has a benchmark for: `rows` in `elapsed_ms` from JobStarted to the proof.

    `waited_ms`: from JobAssigned to JobStarted. `claim_rows` in `claim_ms` is the benchmark. `counted`: the job is at least
    as large as the benchmark's; `run`: counted jobs in a row, this one included, that were slower than the claim allows.
    """

    worker: Bytes32
    job_id: Bytes16
    attempt: int
    job_type: str
    rows: int
    elapsed_ms: int
    waited_ms: int
    claim_rows: int
    claim_ms: int
    counted: bool
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkDoubted(EventBody):
    """Too many jobs in a row were far slower than the benchmark: it is void. `jobs` are those jobs, the last is `job_id`.

    `best_rows` in `best_ms` is the fastest of them. `insisted`: the worker had been told before and upheld the claim.
    """

    worker: Bytes32
    job_id: Bytes16
    attempt: int
    job_type: str
    claim_rows: int
    claim_ms: int
    best_rows: int
    best_ms: int
    jobs: list[Bytes16]
    insisted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerWentOffline(EventBody):
    """No heartbeat for the allowed time, or repeated failures; no new jobs until it returns."""

    worker: Bytes32
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReturned(EventBody):
    """Heartbeats came back."""

    worker: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDeparted(EventBody):
    """The worker left the network, or its stake no longer suffices (`reason`)."""

    worker: Bytes32
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityChanged(EventBody):
    """What the market may use of a worker: `slots` = 0 takes it out of scheduling.

    `asks`: least price per row of each of `job_types` (none: any price); `clients`: for whom alone it works (none: for
    anybody); `least_tier`: least tier that a job has to ask for; `stake`: what collaterals, of `max_collateral` at most
    each, are pledged out of.
    """

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
class ValidatorSetChanged(EventBody):
    """The validators from now on, in ascending order; `epoch` counts the changes."""

    epoch: int
    validators: list[Bytes32]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueued(EventBody):
    """The market holds the job until a worker fits. `excluded` workers failed it before.

    `order`: its place, the lowest first. `price`: what it pays now, `rows`: for how many proven rows; workers in `reluctant`
    get it at its highest price only.
    """

    job_id: Bytes16
    attempt: int
    job_type: str
    tier: str
    tee: bool
    priority: int
    submitted_at: Millis
    excluded: list[Bytes32]
    order: int = 0
    price: Amount = 0
    rows: int = 1
    client: Bytes32 = ZERO_HASH
    max_cost: Amount = 0
    min_cost: Amount = 0
    ramp_start: Millis = 0
    ramp_ms: int = 0
    collateral: Amount = 0
    reluctant: list[Bytes32] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRaised(EventBody):
    """The waiting job pays `price` from now on, as its ramp says."""

    job_id: Bytes16
    attempt: int
    price: Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMatched(EventBody):
    """The market gave the job to a worker at `price` and took one of its slots."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    price: Amount = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWithdrawn(EventBody):
    """The market dropped a waiting job, or freed the slot of `worker` that the attempt held."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyRequested(EventBody):
    """A proof waits for judgement by the validators of `epoch`."""

    job_id: Bytes16
    attempt: int
    proof_hash: Bytes32
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrialRequested(EventBody):
    """A disputed attempt waits for judgement by the validators of `epoch`."""

    job_id: Bytes16
    attempt: int
    disputer: Bytes32
    epoch: int


# ---- jobs (subject: job id) ----


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmitted(EventBody):
    """An admitted job whose funds are in escrow; `rows`: how many a proof of it has, as far as admission can say.

    `price`: a sealed price's unit, for the escrow's key.
    """

    job_id: Bytes16
    client: Bytes32
    spec: JobSpec
    rows: int = 1
    price: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAssigned(EventBody):
    """Attempt `attempt` (from 1) belongs to `worker` at the price `cost`; `expires_at` is when it counts as timed out.

    `lock_until` (0: no such time): until then the worker may decline, and after it has lost the job unless it started.
    """

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    cost: Amount
    expires_at: Millis
    lock_until: Millis = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted(EventBody):
    """The worker began."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReassigned(EventBody):
    """The attempt ended without an approved proof; the job waits for another worker as `next_attempt`."""

    job_id: Bytes16
    worker: Bytes32
    next_attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCompleted(EventBody):
    """The proof was approved; `output_hash` is the result's BLAKE3."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(EventBody):
    """No attempts are left; the client is refunded."""

    job_id: Bytes16
    reason: str
    worker: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(EventBody):
    """The client took the job back; `worker` held it at that time."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32 | None = None


# ---- proofs (subject: job id) ----


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofGenerated(EventBody):
    """A worker's proof, admitted for judgement. `proof` is zstd; `proof_hash` = BLAKE3 of the uncompressed bytes.

    `signed_at` and `signed_correlation` as in VoteCast.
    """

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    output_hash: Bytes32
    public_inputs: str
    proof: bytes
    proof_hash: Bytes32
    proof_system: str
    security_bits: int
    backend: str
    run_ms: int
    prove_ms: int
    signed_at: Millis = 0
    signed_correlation: Bytes16 = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRefused(Rejection):
    """A proof that was not admitted (too large, malformed, not the assigned worker's); nobody is slashed."""

    job_id: Bytes16
    worker: Bytes32


# ---- votes (subject: job id) ----


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyOpened(EventBody):
    """Who may vote on the proof, and how many must agree: floor(2n/3)+1 of `validators`."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    validators: list[Bytes32]
    epoch: int
    threshold: int
    expires_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCast(EventBody):
    """A counted vote.

    `signed_at` and `signed_correlation` are the command's own: with them and the envelope anybody can write down the
    record that the validator signed, and check the signature against what it says (`nodes/evidence.py`).
    """

    job_id: Bytes16
    attempt: int
    proof_hash: Bytes32
    validator: Bytes32
    valid: bool
    reason: str
    signed_at: Millis = 0
    signed_correlation: Bytes16 = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteRejected(Rejection):
    """A vote that does not count; for `equivocation` the vote itself as in VoteCast, in round `round` (0: no dispute)."""

    job_id: Bytes16
    proof_hash: Bytes32
    validator: Bytes32
    attempt: int = 0
    round: int = 0
    valid: bool = False
    remark: str = ""
    signed_at: Millis = 0
    signed_correlation: Bytes16 = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusReached(EventBody):
    """`outcome` is approved, rejected or expired; `contrary` voted against it; `reporter` first said invalid."""

    job_id: Bytes16
    attempt: int
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    outcome: str
    votes_valid: int
    votes_invalid: int
    threshold: int
    contrary: list[Bytes32]
    reporter: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened(EventBody):
    """A decision (`decision`: approved or rejected) is contested: who may vote anew, as in TallyOpened.

    `round` counts the disputes of the attempt from 1; a further one is admitted only after one that expired.
    """

    job_id: Bytes16
    attempt: int
    round: int
    disputer: Bytes32
    filing: int
    decision: str
    worker: Bytes32
    proof_hash: Bytes32
    output_hash: Bytes32
    validators: list[Bytes32]
    epoch: int
    threshold: int
    expires_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeVoteCast(EventBody):
    """A counted vote in a dispute; `signed_at` and `signed_correlation` as in VoteCast."""

    job_id: Bytes16
    attempt: int
    round: int
    proof_hash: Bytes32
    validator: Bytes32
    valid: bool
    reason: str
    signed_at: Millis = 0
    signed_correlation: Bytes16 = bytes(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeResolved(EventBody):
    """`outcome` is overturned, upheld or expired; `verdict` (approved, rejected, expired) is what the votes came to.

    `contrary` voted against the verdict; `reporter` is the first validator that voted for it.
    """

    job_id: Bytes16
    attempt: int
    round: int
    disputer: Bytes32
    worker: Bytes32
    proof_hash: Bytes32
    outcome: str
    verdict: str
    votes_valid: int
    votes_invalid: int
    threshold: int
    contrary: list[Bytes32]
    reporter: Bytes32 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictEnforced(EventBody):
    """Part of the consequences of a resolved dispute for validators.

    `contrary` voted against the verdict in the dispute; `wrong` had voted for the decision that was overturned;
    `wronged` had been slashed for voting against that decision. `beneficiary` gets the reporter's part for `wrong`.
    """

    job_id: Bytes16
    attempt: int
    round: int
    part: int
    contrary: list[Bytes32]
    wrong: list[Bytes32]
    wronged: list[Bytes32]
    beneficiary: Bytes32


_BY_TOPIC: dict[str, tuple[type[EventBody], ...]] = {
    "accounts": (
        WalletCreated, TokensGranted, Staked, StakeRejected, UnstakeRequested, Unstaked, Slashed, RewardGranted,
        EscrowLocked, EscrowReleased, EscrowRefunded, PaymentDue, PaymentEncrypted, PaymentClaimed, FeesDistributed,
        JobRejected, PrivateAccountOpened, Deposited, Withdrawn, TransferSent, TransferReceived, TransferBounced,
        TransferReturned,
        JobRejected, DisputeFiled, BondReturned, BondForfeited, RestitutionClaimed, RestitutionPaid, RestitutionGranted,
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
