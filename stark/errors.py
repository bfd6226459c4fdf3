"""Errors of the proof system.

StarkError
├── ProofUnreadable      the bytes or the JSON are no proof, AIR, parameters or trace at all
├── ProofRefused         readable, but it does not convince; carries a stable reason code
└── ProverError          the prover was asked for something that it cannot do
    └── TraceInvalid     the trace does not satisfy the AIR; names the first violated row
"""

from __future__ import annotations

#: Every reason code that a refusal can carry, with its meaning in one sentence.
REFUSAL_REASONS: dict[str, str] = {
    "params_mismatch": "the parameters do not fit the AIR",
    "public_value_missing": "the AIR reads a public value that the parameters do not give or give in another type",
    "unsupported_degree": "the AIR has a constraint of a degree that this protocol version cannot prove",
    "config_invalid": "the sizes of the configuration and of the trace do not fit together",
    "config_mismatch": "the proof was made with another configuration than the expected one",
    "lifting_without_preprocessed": "a lifting size is set although there is no preprocessed column",
    "preprocessed_tree_too_low": "the preprocessed tree is lower than the other trees and no lifting size is set",
    "mask_not_periodic": "a column below the lifting size is read at three or more rows, which is not sound",
    "tree_heights_differ": "the trees do not come out at one height",
    "security_too_low": "the parameters give fewer security bits than required",
    "preprocessed_root_unpinned": "the AIR has preprocessed columns but the parameters do not pin their root",
    "preprocessed_root_mismatch": "the proof was made for other preprocessed columns",
    "relation_uses": "a lookup relation could be used p times or more",
    "shape": "a part of the proof has the wrong number of entries",
    "non_canonical": "a field element is not in 0..p-1",
    "interaction_pow": "the proof of work before the interaction does not hold",
    "check_failed": "a public check on the claimed sums does not hold",
    "oods_mismatch": "the constraints do not hold at the out-of-domain point",
    "proof_of_work": "the proof of work before the queries does not hold",
    "merkle_root": "opened values do not belong to the committed tree",
    "merkle_witness": "a Merkle opening has too few or too many hashes",
    "fri_layers": "the number of FRI layers differs from the schedule",
    "fri_last_layer": "the folded values differ from the last FRI layer",
    "fri_witness": "a FRI layer has too few or too many witness values",
    "degenerate": "a drawn point meets the evaluation domain (probability about 2^-100)",
    "malformed": "the proof has a form that the verifier did not expect",
    "unreadable": "the bytes are no proof at all",
    "statement_mismatch": "the proof was made for another statement than this job's",
    "output_mismatch": "the claimed output is not this job's output",
}


class StarkError(Exception):
    """Base of every error of this room."""


class ProofUnreadable(StarkError):
    """The given bytes or JSON cannot be read as what they should be; the text says where."""


class ProofRefused(StarkError):
    """The verifier refuses the proof.

    `reason` is a key of REFUSAL_REASONS (stable, for logs and votes); `detail` is for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail or REFUSAL_REASONS[reason]}")


class ProverError(StarkError):
    """The prover cannot prove this: shapes, sizes or degrees do not fit."""


class TraceInvalid(ProverError):
    """The trace does not satisfy the AIR."""
