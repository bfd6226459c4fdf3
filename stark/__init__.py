"""The proof system: a Circle STARK over M31 whose proofs are byte-compatible with Stwo 2.3.0.

Here live the fields, the circle FFT, the BLAKE2s channel and Merkle trees, AIRs as expression graphs, the
prover with its device `Backend` protocol, the verifier, and the encodings of proofs.  The verifier is pure
and small; the NumPy prover is one backend among others.
"""

from .backend import Backend
from .build import AirBuilder, CheckBuilder, ComponentBuilder
from .errors import REFUSAL_REASONS, ProofRefused, ProofUnreadable, ProverError, StarkError, TraceInvalid
from .fields import QM31, P
from .graph import Air, ClaimedSumOf, LogSizeOf, PublicValue, Relation
from .lookup_sum import LookupSum, Terms
from .numpy_backend import NumpyBackend
from .params import Params, PcsConfig, PublicList, Trace
from .proof import Proof, ProofBundle
from .proof_binary import read_proof
from .prover import prove
from .verifier import VerifiedProof, verify

__all__ = [
    "QM31",
    "REFUSAL_REASONS",
    "Air",
    "AirBuilder",
    "Backend",
    "CheckBuilder",
    "ClaimedSumOf",
    "ComponentBuilder",
    "LogSizeOf",
    "LookupSum",
    "NumpyBackend",
    "P",
    "Params",
    "PcsConfig",
    "Proof",
    "ProofBundle",
    "ProofRefused",
    "ProofUnreadable",
    "ProverError",
    "PublicList",
    "PublicValue",
    "Relation",
    "StarkError",
    "Terms",
    "Trace",
    "TraceInvalid",
    "VerifiedProof",
    "prove",
    "read_proof",
    "verify",
]
