"""Events of the workers stream: registration, reputation, presence (subject: address), the market (subject: `network`)."""

from dataclasses import dataclass, field

from .parts import Benchmark
from .types import ZERO_HASH, Amount, Bytes16, Bytes32, EventBody, Millis, Rejection


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
