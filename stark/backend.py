"""What a prover needs from a device: the `Backend` protocol.

The operations are coarse and their handles opaque, so that a device backend keeps columns, trees and
evaluations in its own memory and only roots, samples, openings and nonces travel.  Handles of one backend
are never given to another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .circle import SecurePoint
from .deep import SampleGroup
from .fields import QM31
from .layout import Layout
from .transcript import Environment
from .vectors import U32

#: A column that the backend made itself; `interpolate` takes such columns and host arrays alike.
Column = Any
#: Coefficients of a list of columns (lengths may differ).
Polynomials = Any
#: Stored values of a list of columns on their extended domains.
Evaluations = Any
#: A QM31 function on one domain, in storage order.
SecureEvaluation = Any
#: A Merkle tree with all its layers.
Tree = Any


class Backend(Protocol):
    """Device operations of the prover, in the order in which `prover` calls them."""

    name: str

    def interpolate(self, columns: Sequence[Column]) -> Polynomials:
        """Take stored columns (host arrays, uint32, canonical, or own columns) to the device and interpolate them."""

    def host(self, column: Column) -> U32:
        """A column as a host array."""

    def extend(self, polynomials: Polynomials, log_blowup: int) -> Evaluations:
        """Low-degree extend every polynomial by the blowup."""

    def commit(self, evaluations: Evaluations, height: int) -> Tree:
        """Merkle tree over the columns, lifted to 2^height leaves; without columns the root is EMPTY_ROOT."""

    def root(self, tree: Tree) -> bytes:
        """Root of a tree, 32 bytes."""

    def decommit(self, tree: Tree, positions: Sequence[int]) -> list[bytes]:
        """Hash witness of sorted distinct leaf positions."""

    def gather(self, evaluations: Evaluations, height: int, positions: Sequence[int]) -> list[list[int]]:
        """Values of every column, lifted to the height, at the positions."""

    def logup_columns(
        self, env: Environment, component: int, columns: Mapping[int, Sequence[U32]]
    ) -> tuple[list[Column], QM31]:
        """LogUp columns of a component (four per batch, stored order) and its claimed sum.

        `columns[tree]` are the component's stored columns of trees 0, 1 and 2 (explicit ones).
        """

    def compose(
        self, env: Environment, polynomials: Sequence[Polynomials], layout: Layout, powers: Sequence[QM31]
    ) -> Polynomials:
        """The eight composition polynomials (section 9); powers[j] weighs constraint j."""

    def sample(
        self, polynomials: Polynomials, points: Sequence[Sequence[SecurePoint]], degree_log: int
    ) -> list[list[QM31]]:
        """Values of the lifted polynomials at the points of each column."""

    def quotients(
        self, groups: Sequence[SampleGroup], evaluations: Sequence[Evaluations], lifting_log: int
    ) -> SecureEvaluation:
        """The DEEP quotients on the domain of log size `lifting_log` (section 10)."""

    def commit_layer(self, evaluation: SecureEvaluation, packed: bool) -> Tree:
        """Merkle tree of one FRI layer; packed leaves hold four values."""

    def fold(self, evaluation: SecureEvaluation, step: int, circle: bool, alpha: QM31) -> SecureEvaluation:
        """`step` folds, the first one of a circle domain when `circle` is set (section 11)."""

    def gather_secure(self, evaluation: SecureEvaluation, positions: Sequence[int]) -> list[QM31]:
        """Values of a QM31 function at stored positions."""

    def grind(self, digest: bytes, bits: int) -> int:
        """Nonce of the proof of work, in the search order of section 6."""
