"""Proving a run and checking the proof of one."""

from __future__ import annotations

from collections.abc import Sequence

from bitsage.obelysk.job import Limits, Progress
from bitsage.obelysk.statement import CONFIG, MAX_COMPRESSED_PROOF_BYTES, MAX_PROOF_BYTES, parse_proof
from bitsage.stark import Backend, ProofRefused, VerifiedProof, prove, verify

from .isa import Program
from .machine import Execution
from .proof import VmProof
from .statement import MAX_CYCLES_LOG, Statement
from .trace import vm_trace

LIMITS = Limits(
    sizes=tuple(1 << n for n in range(4, MAX_CYCLES_LOG + 1)),
    max_request_bytes=1 << 19,
    max_proof_bytes=MAX_PROOF_BYTES,
    max_compressed_proof_bytes=MAX_COMPRESSED_PROOF_BYTES,
    required_bits=CONFIG.security_bits,
)


def statement_of(execution: Execution, binding: bytes) -> Statement:
    """The statement that a run is a proof of."""
    return Statement(
        execution.program,
        execution.inputs,
        execution.outputs,
        execution.inputs_read,
        execution.cycles,
        binding,
    )


def prove_run(
    execution: Execution, binding: bytes, *, progress: Progress | None = None, backend: Backend | None = None
) -> VmProof:
    """Prove a run.  Raises JobInputInvalid for a binding that is not 32 bytes, TraceInvalid for a forged run."""
    statement = statement_of(execution, binding)
    sizes, trace = vm_trace(execution)
    bundle = prove(statement.air(), statement.params(sizes), trace, backend=backend, progress=progress)
    return VmProof(
        execution.cycles,
        execution.inputs_read,
        execution.outputs,
        sizes,
        bundle.params.claimed_sums,
        bundle.proof.to_bytes(),
    )


def verify_run(
    program: Program, inputs: Sequence[int], max_cycles: int, claimed: VmProof, binding: bytes
) -> VerifiedProof:
    """Check that the program, started on these inputs, writes `claimed.outputs` and halts within `max_cycles`.

    Raises ProofRefused, whatever the proof; JobInputInvalid for a binding that is not 32 bytes.
    """
    if claimed.cycles > max_cycles or claimed.inputs_read > len(inputs):
        raise ProofRefused("statement_mismatch", "the run takes more cycles or input than the job allows")
    statement = Statement(program, tuple(inputs), claimed.outputs, claimed.inputs_read, claimed.cycles, binding)
    if not statement.fits(claimed.sizes):
        raise ProofRefused("params_mismatch", "the sizes of the components do not fit the program")
    params = statement.params(claimed.sizes, claimed.claimed_sums)
    proof = parse_proof(claimed.proof, LIMITS)
    return verify(statement.air(), params, proof, required_bits=LIMITS.required_bits)
