"""What the statements of all job types share: configuration, binding, row order, commitments of known columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitsage.stark import QM31, PcsConfig, Proof, ProofRefused, ProofUnreadable, PublicList, PublicValue, read_proof
from bitsage.stark.circle import SecurePoint, coset_positions
from bitsage.stark.fields import is_canonical
from bitsage.stark.fold import values_at
from bitsage.stark.numpy_backend import NumpyBackend
from bitsage.stark.vectors import U32

from .errors import JobInputInvalid
from .job import Limits

#: 96 conjectured bits: 20 + 2 * 38.
CONFIG = PcsConfig(
    pow_bits=20, log_blowup_factor=2, n_queries=38, log_last_layer_degree_bound=0, fold_step=3, lifting_log_size=None
)
BINDING_BYTES = 32
MAX_PROOF_BYTES = 1 << 20
MAX_COMPRESSED_PROOF_BYTES = 256 << 10

#: Transcript arguments of the binding: 16-bit limbs, which are canonical field elements.
BINDING_VALUES = tuple(PublicValue("binding", k) for k in range(BINDING_BYTES // 2))


def limbs(data: bytes) -> PublicList:
    """Bytes as 16-bit limbs, little-endian."""
    return PublicList(tuple(int.from_bytes(data[k : k + 2], "little") for k in range(0, len(data), 2)))


def binding_limbs(binding: bytes) -> PublicList:
    """The public value `binding` of a statement.  Raises JobInputInvalid unless it is 32 bytes."""
    if not isinstance(binding, bytes) or len(binding) != BINDING_BYTES:
        raise JobInputInvalid("binding")
    return limbs(binding)


def stored(rows: U32) -> U32:
    """Values in row order (..., N) brought into storage order."""
    result = np.empty_like(rows)
    result[..., coset_positions(rows.shape[-1].bit_length() - 1)] = rows
    return result


def commitment(columns: Sequence[U32]) -> bytes:
    """Root of the tree over stored columns of one length under CONFIG: interpolate, extend, hash."""
    return root_of(extended(columns))


def has_values_at(columns: Sequence[U32], point: SecurePoint, samples: Sequence[Sequence[QM31]]) -> bool:
    """Whether a tree's samples are one for each of these stored columns, and its polynomial's value at the point.

    Says that the tree commits to these columns (but for an error of N / p^4 for columns of N rows) only where they were
    fixed, by absorbing their hash, before the point was drawn: otherwise they can be chosen to fit.
    """
    values = [value for column in samples for value in column]
    if [len(column) for column in samples] != [1] * len(columns) or not all(map(is_canonical, values)):
        return False
    return values_at(columns, point) == values


def extended(columns: Sequence[U32]) -> list[U32]:
    """Stored columns of one length on the domain that is committed under CONFIG."""
    backend = NumpyBackend()
    return backend.extend(backend.interpolate(columns), CONFIG.log_blowup_factor)


def root_of(evaluations: Sequence[U32]) -> bytes:
    """Root of the tree over extended columns of one length."""
    backend = NumpyBackend()
    return backend.root(backend.commit(evaluations, len(evaluations[0]).bit_length() - 1))


def parse_proof(data: bytes, limits: Limits) -> Proof:
    """The proof of bytes that a stranger sent.  Raises ProofRefused."""
    if len(data) > limits.max_proof_bytes:
        raise ProofRefused("unreadable", f"the proof has more than {limits.max_proof_bytes} bytes")
    try:
        return read_proof(data)
    except ProofUnreadable as error:
        raise ProofRefused("unreadable", str(error)) from None
