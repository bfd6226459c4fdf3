"""Which proof of a job was admitted last, folded from its events in `proofs`."""

from dataclasses import dataclass

from bitsage.schemas.events import ProofGenerated
from bitsage.schemas.types import EventBody


@dataclass(frozen=True, slots=True)
class Proofs:
    """`attempt`: the last one that has a proof, 0 when none has; `at` (ms): when it came."""

    attempt: int = 0
    worker: bytes = b""
    proof_hash: bytes = b""
    output_hash: bytes = b""
    at: int = 0


def evolve(state: Proofs, body: EventBody, at: int) -> Proofs:
    """The state after one more event."""
    match body:
        case ProofGenerated(attempt=attempt, worker=worker, proof_hash=proof_hash, output_hash=output_hash):
            return Proofs(attempt, worker, proof_hash, output_hash, at)
    return state
