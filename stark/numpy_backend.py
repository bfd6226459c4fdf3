"""The NumPy backend of the prover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import blake2s, fft, merkle
from .circle import SecurePoint, secure_double
from .deep import SampleGroup
from .fields import QM31, qmul
from .fold import fold_circle, fold_line
from .grind import grind
from .layout import Layout
from .linear import evaluate_at
from .logup import logup_columns
from .merkle import MerkleTree
from .quotient_rows import compose, quotients
from .transcript import Environment
from .vectors import U32


def _by_length(columns: Sequence[U32]) -> dict[int, list[int]]:
    """Column indices by length."""
    groups: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        groups.setdefault(len(column), []).append(index)
    return groups


class NumpyBackend:
    """Implements `Backend` in host memory.

    Polynomials and evaluations are lists of uint32 arrays, a secure evaluation an array (4, N).
    """

    name = "numpy"

    def interpolate(self, columns: Sequence[U32]) -> list[U32]:
        """Coefficients of every column."""
        result: list[U32] = list(columns)
        for indices in _by_length(columns).values():
            for index, row in zip(indices, fft.interpolate(np.stack([columns[k] for k in indices])), strict=True):
                result[index] = row
        return result

    def host(self, column: U32) -> U32:
        """The column itself."""
        return column

    def extend(self, polynomials: Sequence[U32], log_blowup: int) -> list[U32]:
        """Values on the domains larger by the blowup."""
        result: list[U32] = list(polynomials)
        for length, indices in _by_length(polynomials).items():
            stacked = np.stack([polynomials[k] for k in indices])
            values = fft.evaluate(stacked, length.bit_length() - 1 + log_blowup)
            for index, row in zip(indices, values, strict=True):
                result[index] = row
        return result

    def commit(self, evaluations: Sequence[U32], height: int) -> MerkleTree | None:
        """Merkle tree, or None for the tree without columns."""
        return merkle.commit(evaluations, height)

    def root(self, tree: MerkleTree | None) -> bytes:
        """Root of a tree."""
        return merkle.EMPTY_ROOT if tree is None else tree.root

    def decommit(self, tree: MerkleTree | None, positions: Sequence[int]) -> list[bytes]:
        """Hash witness of sorted distinct positions."""
        return [] if tree is None else tree.decommit(positions)

    def gather(self, evaluations: Sequence[U32], height: int, positions: Sequence[int]) -> list[list[int]]:
        """Lifted values at the positions."""
        where = np.array(positions, dtype=np.int64)
        result = []
        for column in evaluations:
            shift = height - (len(column).bit_length() - 1) + 1
            result.append(column[(where >> shift) << 1 | (where & 1)].tolist())
        return result

    def logup_columns(
        self, env: Environment, component: int, columns: Mapping[int, Sequence[U32]]
    ) -> tuple[list[U32], QM31]:
        """LogUp columns and claimed sum of a component."""
        return logup_columns(env, component, columns)

    def compose(
        self, env: Environment, polynomials: Sequence[Sequence[U32]], layout: Layout, powers: Sequence[QM31]
    ) -> list[U32]:
        """The eight composition polynomials."""
        return compose(env, polynomials, layout, powers)

    def sample(
        self, polynomials: Sequence[U32], points: Sequence[Sequence[SecurePoint]], degree_log: int
    ) -> list[list[QM31]]:
        """Values of the lifted polynomials; columns of one length and point are evaluated together."""
        jobs: dict[tuple[int, SecurePoint], list[int]] = {}
        for index, wanted in enumerate(points):
            for point in wanted:
                jobs.setdefault((len(polynomials[index]), point), []).append(index)
        values: dict[tuple[int, SecurePoint], QM31] = {}
        for (length, point), indices in jobs.items():
            doubled = secure_double(point, degree_log - (length.bit_length() - 1))
            found = evaluate_at([polynomials[k] for k in indices], doubled)
            values.update({(index, point): value for index, value in zip(indices, found, strict=True)})
        return [[values[index, point] for point in wanted] for index, wanted in enumerate(points)]

    def quotients(self, groups: Sequence[SampleGroup], evaluations: Sequence[Sequence[U32]], lifting_log: int) -> U32:
        """DEEP quotients as (4, 2^lifting_log)."""
        return quotients(groups, [column for tree in evaluations for column in tree], lifting_log)

    def commit_layer(self, evaluation: U32, packed: bool) -> MerkleTree:
        """Merkle tree of a FRI layer."""
        words = np.concatenate([evaluation[:, k::4] for k in range(4)]) if packed else evaluation
        return MerkleTree(blake2s.hash_words(words))

    def fold(self, evaluation: U32, step: int, circle: bool, alpha: QM31) -> U32:
        """`step` folds with alpha, alpha^2, alpha^4, ..."""
        for k in range(step):
            evaluation = (fold_circle if circle and k == 0 else fold_line)(evaluation, alpha)
            alpha = qmul(alpha, alpha)
        return evaluation

    def gather_secure(self, evaluation: U32, positions: Sequence[int]) -> list[QM31]:
        """Values at stored positions."""
        picked = evaluation[:, np.array(positions, dtype=np.int64)].T.tolist()
        return [(a, b, c, d) for a, b, c, d in picked]

    def grind(self, digest: bytes, bits: int) -> int:
        """Nonce of the proof of work."""
        return grind(digest, bits)
