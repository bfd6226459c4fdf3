"""Events of the jobs and proofs streams (subject: job id)."""

from dataclasses import dataclass

from .parts import JobSpec
from .types import Amount, Bytes16, Bytes32, EventBody, Millis, Rejection


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
