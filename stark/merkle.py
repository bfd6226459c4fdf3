"""BLAKE2s Merkle trees over columns of different lengths (spec sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2s as _blake2s

import numpy as np
from numpy.typing import NDArray

from . import blake2s
from .errors import ProofRefused
from .vectors import U32

#: Root of the tree without columns: BLAKE2s of nothing.
EMPTY_ROOT = _blake2s(b"").digest()


def lift(values: U32, log_size: int) -> U32:
    """Spread stored values (..., 2^k) to 2^log_size: entry p reads c[((p >> (d+1)) << 1) | (p & 1)]."""
    length = values.shape[-1]
    repeat = (1 << log_size) // length
    if repeat == 1:
        return values
    pairs = values.reshape(*values.shape[:-1], length // 2, 2)
    return np.repeat(pairs, repeat, axis=-2).reshape(*values.shape[:-1], length * repeat)


def lifted_index(position: int, log_size: int, column_log: int) -> int:
    """Index into a column of log size `column_log` for a position of a domain of log size `log_size`."""
    d = log_size - column_log
    return (position >> (d + 1)) << 1 | (position & 1)


def hash_leaves(columns: Sequence[U32], height: int) -> U32:
    """Leaf digests (8, 2^height); the words of a leaf are the columns' values, shorter columns first."""
    ordered = sorted(columns, key=len)  # stable: columns of one length keep their order
    state = blake2s.initial_state(2)
    blocks = max(1, -(-len(ordered) // 16))
    for k in range(blocks):
        part = ordered[16 * k : 16 * k + 16]
        log_size = len(part[-1]).bit_length() - 1
        block = np.zeros((16, 1 << log_size), dtype=np.uint32)
        for row, column in zip(block, part, strict=False):
            row[:] = lift(column, log_size)
        end = min(4 * len(ordered), 64 * (k + 1))
        state = blake2s.compress(lift(state, log_size), block, end, k == blocks - 1)
    return lift(state, height)


class MerkleTree:
    """All layers of a tree; layers[0] are the leaves as (8, 2^height), layers[-1] the root."""

    def __init__(self, leaves: U32) -> None:
        self.layers = [leaves]
        while self.layers[-1].shape[1] > 1:
            below = self.layers[-1]
            block = np.concatenate([below[:, 0::2], below[:, 1::2]])
            self.layers.append(blake2s.compress(blake2s.initial_state(block.shape[1]), block, 64, True))
        self.root = blake2s.digest_bytes(self.layers[-1], 0)

    @property
    def height(self) -> int:
        """Log2 of the number of leaves."""
        return len(self.layers) - 1

    def decommit(self, positions: Sequence[int]) -> list[bytes]:
        """Hash witness for sorted distinct leaf positions, leaf layer first."""
        witness: list[bytes] = []
        current = np.array(positions, dtype=np.int64)
        for layer in self.layers[:-1]:
            siblings = np.setdiff1d(current ^ 1, current, assume_unique=True)
            siblings = _in_scan_order(siblings)
            rows = np.ascontiguousarray(layer[:, siblings].T).astype("<u4")
            witness += [row.tobytes() for row in rows]
            current = np.unique(current >> 1)
        return witness


def _in_scan_order(siblings: NDArray[np.int64]) -> NDArray[np.int64]:
    # Emitted while scanning their (absent) partners from left to right; partners of distinct pairs keep
    # the order of the pairs, so that sorting the siblings themselves gives the same order.
    return np.sort(siblings)


def commit(columns: Sequence[U32], height: int | None = None) -> MerkleTree | None:
    """The tree over stored columns; None stands for the tree without columns, whose root is EMPTY_ROOT."""
    if not columns:
        return None
    return MerkleTree(hash_leaves(columns, max(len(c) for c in columns).bit_length() - 1 if height is None else height))


def verify_decommitment(root: bytes, height: int, leaves: Mapping[int, bytes], witness: Sequence[bytes]) -> None:
    """Check leaf digests at their positions against a root.

    Raises ProofRefused with `merkle_witness` when the witness is not used up exactly and `merkle_root`
    when the recomputed root differs.
    """
    layer = dict(sorted(leaves.items()))
    used = 0
    for _ in range(height):
        above: dict[int, bytes] = {}
        for position, digest in layer.items():
            parent = position >> 1
            if parent in above:
                continue
            sibling = layer.get(position ^ 1)
            if sibling is None:
                if used >= len(witness):
                    raise ProofRefused("merkle_witness", "the opening has too few hashes")
                sibling = witness[used]
                used += 1
            pair = sibling + digest if position & 1 else digest + sibling
            above[parent] = _blake2s(pair).digest()
        layer = above
    if used != len(witness):
        raise ProofRefused("merkle_witness", "the opening has too many hashes")
    if layer.get(0) != root or len(layer) != 1:
        raise ProofRefused("merkle_root")
