"""Running, proving and judging one attempt of a job: the pure work between the log and the provers."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import blake3
import structlog
import zstandard

from bitsage.obelysk import (
    JobInputInvalid,
    JobType,
    JobTypeFailed,
    ProofTooLarge,
    UnknownJobType,
    failures_named,
    get_job_type,
    read_input,
    write_input,
)
from bitsage.opencl import DeviceError, prove_with_fallback
from bitsage.processors.refusal import NAME_MAX
from bitsage.schemas.events import ProofGenerated
from bitsage.schemas.parameters import Parameters
from bitsage.stark import ProofRefused, ProverError

from .openjobs import OpenJob

logger = structlog.get_logger(__name__)
PROOF_SYSTEM = "stwo-2.3.0/blake2s"
_ZSTD_LEVEL = 10
Progress = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofWork:
    """What a worker hands in for an attempt. `proof` is zstd, `proof_hash` the BLAKE3 of what it unpacks to."""

    output_hash: bytes
    public_inputs: str
    proof: bytes
    proof_hash: bytes
    proof_system: str
    security_bits: int
    backend: str
    run_ms: int
    prove_ms: int


def binding(job_id: bytes, attempt: int, worker: bytes) -> bytes:
    """What a proof is bound to (32 bytes): a proof of another job, attempt or worker is another statement."""
    return blake3.blake3(b"bitsage proof binding v1" + job_id + attempt.to_bytes(4, "big") + worker).digest()


def request_of(job_type: JobType, job_input: str) -> dict[str, Any]:
    """A job's input as its type reads it.

    Raises:
        JobInputInvalid: not a JSON object of the type's schema, or more bytes of it than the type takes.
    """
    most = job_type.limits.max_request_bytes
    # A lone surrogate has no UTF-8; the reader refuses it.
    if len(job_input.encode("utf-8", "surrogatepass")) > most:
        raise JobInputInvalid("too_large", f"the input has more than the {most} bytes that {job_type.name} takes")
    return read_input(job_type.input_schema, job_input)


def job_input(request: Mapping[str, Any]) -> str:
    """The canonical JSON of a request: sorted keys, no blanks, bytes as base64."""
    return write_input(request)


def pack(proof: bytes) -> bytes:
    """zstd with the content size in the frame."""
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(proof)


def unpack(data: bytes, limit: int) -> bytes:
    """Unpack at most `limit` bytes, whatever the frame promises.

    Raises:
        ProofRefused: empty, not one zstd frame, or larger than `limit`.
    """
    if not data:
        raise ProofRefused("proof_empty", "the proof is empty")
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(data, read_across_frames=False)
        raw: bytes = reader.read(limit + 1)
    except (zstandard.ZstdError, MemoryError):
        raise ProofRefused("not_zstd", "the proof is not a zstd frame") from None
    if len(raw) > limit:
        raise ProofRefused("too_large_unpacked", f"the proof unpacks to more than {limit} bytes")
    return raw


def prove_attempt(job: OpenJob, worker: bytes, progress: Progress | None, *, device: str | None = "numpy") -> ProofWork:
    """Run and prove the current attempt, and check the proof as a validator would.

    `device` is a name or number of `sage devices`; None is the best one. A device that fails in the middle leaves the
    proof to the next one, at last to NumPy; `ProofWork.backend` names the one that made it.

    Raises:
        UnknownJobType, JobInputInvalid: the job type is not installed, or refuses the input.
        JobTypeFailed: the job type's own code failed.
        ProofTooLarge: the proof is larger, compressed, than the job type allows; it is not submitted.
        ProofRefused: our own proof does not verify; it is not submitted.
        DeviceUnknown: there is no such device.
    """
    submitted, assigned = job.submitted, job.assigned
    if submitted is None or assigned is None:
        raise JobInputInvalid("fields", "the job is not assigned")
    with failures_named(submitted.spec.job_type, ProofRefused, ProverError, DeviceError):
        job_type = get_job_type(submitted.spec.job_type)
        request = request_of(job_type, submitted.spec.input)
        bound = binding(job.job_id, assigned.attempt, worker)
        return prove_request(job_type, request, bound, job.job_id.hex(), progress, device)


def prove_request(
    job_type: JobType,
    request: Mapping[str, Any],
    bound: bytes,
    name: str,
    progress: Progress | None,
    device: str | None,
) -> ProofWork:
    """Run and prove a request under `bound`, and check the proof; raises as `prove_attempt`."""

    def report(stage: str, done: int, total: int) -> None:
        if progress is not None:
            progress(name, stage, done, total)

    started = time.monotonic()
    output = job_type.run(request)
    ran = time.monotonic()
    proved = prove_with_fallback(
        lambda backend: job_type.prove(request, output, bound, progress=report, backend=backend),
        wanted=device,
        log=logger,
    )
    raw = proved.result
    proven = time.monotonic()
    output_hash = job_type.output_hash(output)
    if not isinstance(raw, bytes) or not isinstance(output_hash, bytes) or len(output_hash) != 32:
        raise TypeError("a proof is bytes and an output hash has 32 of them")
    job_type.verify(request, output_hash, raw, bound)
    packed = pack(raw)
    if len(packed) > job_type.limits.max_compressed_proof_bytes:
        most = job_type.limits.max_compressed_proof_bytes
        raise ProofTooLarge(f"the proof has {len(packed)} bytes compressed; {job_type.name} allows {most}")
    return ProofWork(
        output_hash=output_hash,
        public_inputs=json.dumps({"job_type": job_type.name, "binding": bound.hex()}, sort_keys=True),
        proof=packed,
        proof_hash=blake3.blake3(raw).digest(),
        proof_system=PROOF_SYSTEM,
        security_bits=job_type.limits.required_bits,
        # Drivers give devices names of any length; a longer one than events take would void the proof.
        backend=proved.device[:NAME_MAX],
        run_ms=int((ran - started) * 1000),
        prove_ms=int((proven - ran) * 1000),
    )


#: No memory, a plug-in that fails or is not installed: no reason to have anybody slashed.
UNDECIDED = frozenset({JobTypeFailed.code, UnknownJobType.code})


def judge(job_type_name: str, job_input: str, proof: ProofGenerated, parameters: Parameters) -> tuple[bool, str]:
    """A validator's judgement: (valid, reason). Everything is recomputed; nothing of the event is believed.

    A reason of `UNDECIDED` says something of this process and nothing of the proof: the vote is withheld.
    """
    try:
        raw = unpack(proof.proof, parameters.proof_max_uncompressed)
        if blake3.blake3(raw).digest() != proof.proof_hash:
            return False, "proof_hash_mismatch"
        bound = binding(proof.job_id, proof.attempt, proof.worker)
        with failures_named(job_type_name, ProofRefused):
            job_type = get_job_type(job_type_name)
            job_type.verify(request_of(job_type, job_input), proof.output_hash, raw, bound)
    except ProofRefused as error:
        return False, error.reason
    except JobInputInvalid:
        return False, "job_input_invalid"
    except (JobTypeFailed, UnknownJobType) as error:
        # Fail closed: what the verifier cannot finish on is not accepted.
        return False, error.code
    except MemoryError:
        return False, JobTypeFailed.code
    return True, "valid"
