"""Errors of the job types.

ObelyskError
├── JobInputInvalid   the request is none that this job type accepts; carries a stable reason code
└── UnknownJobType    no job type of that name

Proofs are refused with `stark.ProofRefused`.
"""

from __future__ import annotations

#: Reason codes of invalid requests, with their meaning in one sentence.
INPUT_REASONS: dict[str, str] = {
    "fields": "the request has missing, unknown or contradictory fields",
    "size": "the size is none of the supported ones",
    "seed": "the seed is not an integer of 64 bits",
    "matrix_format": "a matrix is not a two-dimensional integer array in the .npy format",
    "matrix_shape": "the matrices are not square and of one supported size",
    "matrix_range": "a matrix entry is not in 0..p-1 with p = 2^31 - 1",
    "matrix_hash": "a matrix does not have the hash that the request names",
    "output_format": "the output is not a matrix of the request's size",
    "binding": "the binding is not 32 bytes",
    "program": "the program is neither valid assembly nor a valid program file",
    "words": "the public input is not a list of integers in 0..p-1 with p = 2^31 - 1, or it is too long",
    "cycles": "the cycle limit is out of range",
    "trap": "the program stopped without reaching HALT, so there is nothing to prove",
}


class ObelyskError(Exception):
    """Base of every error of this room."""


class JobInputInvalid(ObelyskError):
    """The request cannot be run; `reason` is a key of INPUT_REASONS, `detail` is for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail or INPUT_REASONS[reason]}")


class UnknownJobType(ObelyskError, LookupError):
    """No job type has this name."""
