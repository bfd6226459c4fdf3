"""Errors of the job types.

ObelyskError
├── JobInputInvalid    the request is none that this job type accepts; carries a stable reason code
├── UnknownJobType     no usable job type of that name
├── DuplicateJobType   two job types of one name
├── ProofTooLarge      a proof is larger, compressed, than its job type allows
└── JobTypeFailed      a job type's own code failed in a way that it must not

Proofs are refused with `stark.ProofRefused`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Reason codes of invalid requests, with their meaning in one sentence.
INPUT_REASONS: dict[str, str] = {
    "too_large": "the request has more bytes than the job type takes",
    "fields": "the request has missing, unknown or contradictory fields",
    "bytes_encoding": "a field of bytes is not base64",
    "size": "the size is none of the supported ones",
    "seed": "the seed is not an integer of 64 bits",
    "matrix_format": "a matrix is not a two-dimensional integer array in the .npy format",
    "matrix_shape": "the matrices do not fit each other or are larger than the largest supported size",
    "matrix_range": "a matrix entry is not in 0..p-1 with p = 2^31 - 1",
    "matrix_hash": "a matrix does not have the hash that the request names",
    "output_format": "the output is not a matrix of the request's size",
    "model": "no model has the hash that the request names",
    "images": "the images are not integers of the model's size and range, or too many",
    "binding": "the binding is not 32 bytes",
    "program": "the program is neither valid assembly nor a valid program file",
    "words": "the public input is not a list of integers in 0..p-1 with p = 2^31 - 1, or it is too long",
    "cycles": "the cycle limit is out of range",
    "trap": "the program stopped without reaching HALT, so there is nothing to prove",
}


class ObelyskError(Exception):
    """Base of every error of this room."""


class JobInputInvalid(ObelyskError):
    """The request cannot be run; `reason` is a key of INPUT_REASONS or a plug-in's own, `detail` is for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail or INPUT_REASONS.get(reason, 'the job type refuses the input')}")


class UnknownJobType(ObelyskError, LookupError):
    """No job type of this name can be used."""

    code = "unknown_job_type"


class DuplicateJobType(ObelyskError):
    """There is a job type of this name already; rename one of the two."""

    code = "duplicate_job_type"


class ProofTooLarge(ObelyskError):
    """The proof is larger, compressed, than its job type allows; the network would refuse it."""

    code = "too_large"


class JobTypeFailed(ObelyskError):
    """A job type failed with an error of its own code; its author has to mend it."""

    code = "job_type_failed"


@contextmanager
def failures_named(name: str, *expected: type[Exception]) -> Iterator[None]:
    """Turn whatever a job type's code must not raise into JobTypeFailed: a plug-in stops no node.

    Lets ObelyskError, MemoryError and the `expected` errors through.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, (ObelyskError, MemoryError, *expected)):
            raise
        raise JobTypeFailed(f"the job type {name[:64]!r} failed with {type(error).__name__}") from error
