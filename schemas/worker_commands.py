"""Commands to the workers stream: registration, standing, and the market (subject `network`)."""

from dataclasses import dataclass, field

from .parts import Benchmark
from .types import ZERO_HASH, Amount, Bytes16, Bytes32, CommandBody, Millis


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
