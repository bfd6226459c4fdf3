"""Admission of proofs: whose they are and how large, not whether they are right; that is for the validators to say."""

from bitsage.schemas.commands import SubmitProof
from bitsage.schemas.events import ProofGenerated, ProofRefused
from bitsage.schemas.types import EventBody

from .job_state import Job
from .model import Command, Local, Rules
from .proof_state import Proofs, evolve
from .refusal import NAME_MAX, rejected
from .views import job, proofs

INITIAL = Proofs()
#: UTF-8 bytes of the statement's text; with the proof it stays far below the topic's record limit.
PUBLIC_INPUTS_MAX = 64 * 1024


def decide(local: Local, command: Command, rules: Rules) -> list[EventBody]:
    """ProofGenerated (an empty proof too: it is voted down) or ProofRefused."""
    match command.body:
        case SubmitProof() as body:
            job_id = bytes.fromhex(command.subject)
            reason = _refuse(job(local), proofs(local), command, body, rules)
            if reason is not None:
                return [ProofRefused(job_id=job_id, worker=command.actor, reason=reason)]
            return [_admitted(job_id, command, body)]
    return rejected(command, "wrong_subject")


def _refuse(state: Job, known: Proofs, command: Command, body: SubmitProof, rules: Rules) -> str | None:
    if state.status == "unknown":
        return "unknown_job"
    if state.over:
        return "job_over"
    if not state.held or command.actor != state.worker:
        return "not_assigned"
    if body.attempt != state.attempt:
        return "wrong_attempt"
    if known.attempt == state.attempt:
        return "already_submitted"
    if len(body.proof) > rules.parameters.proof_max_bytes:
        return "too_large"
    named = max(len(body.proof_system), len(body.backend)) <= NAME_MAX
    counted = min(body.security_bits, body.run_ms, body.prove_ms) >= 0
    if not named or not counted or len(body.public_inputs.encode()) > PUBLIC_INPUTS_MAX:
        return "malformed"
    return None


def _admitted(job_id: bytes, command: Command, body: SubmitProof) -> ProofGenerated:
    return ProofGenerated(
        job_id=job_id,
        attempt=body.attempt,
        worker=command.actor,
        output_hash=body.output_hash,
        public_inputs=body.public_inputs,
        proof=body.proof,
        proof_hash=body.proof_hash,
        proof_system=body.proof_system,
        security_bits=body.security_bits,
        backend=body.backend,
        run_ms=body.run_ms,
        prove_ms=body.prove_ms,
        signed_at=command.signed_at,
        signed_correlation=command.correlation,
    )


__all__ = ["INITIAL", "decide", "evolve"]
