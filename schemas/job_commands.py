"""Commands to the jobs and proofs streams (subject: job id)."""

from dataclasses import dataclass

from .parts import JobSpec
from .types import Amount, Bytes32, CommandBody


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
