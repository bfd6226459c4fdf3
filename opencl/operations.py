"""The operations of `Backend` between the commitments: lookups, composition, samples, quotients and folds.

`PolynomialOperations` is the part of the OpenCL backend that works on columns in device memory alone.  It remembers
which evaluations were extended from which polynomials: the composition is evaluated on values that exist
already, and the quotients are summed up over coefficients, which are fewer than values.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence

from bitsage.stark.circle import SecurePoint
from bitsage.stark.deep import SampleGroup
from bitsage.stark.fields import QM31
from bitsage.stark.layout import Layout
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

from . import compose, fft, fold, logup, quotients, sample
from .buffers import ColumnRef, ColumnSet, Matrix
from .device import Device


class PolynomialOperations:
    """Methods of `Backend` with the meaning and the errors given there."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._values: weakref.WeakKeyDictionary[ColumnSet, tuple[weakref.ref[ColumnSet], int]]
        self._sources: weakref.WeakKeyDictionary[ColumnSet, tuple[weakref.ref[ColumnSet], int]]
        self._values, self._sources = weakref.WeakKeyDictionary(), weakref.WeakKeyDictionary()

    def extend(self, polynomials: ColumnSet, log_blowup: int) -> ColumnSet:
        """Values on the domains larger by the blowup."""
        values = fft.extend(self.device, polynomials, log_blowup)
        self._values[polynomials] = weakref.ref(values), log_blowup
        self._sources[values] = weakref.ref(polynomials), log_blowup
        return values

    def logup_columns(
        self, env: Environment, component: int, columns: Mapping[int, Sequence[U32]]
    ) -> tuple[list[ColumnRef], QM31]:
        """LogUp columns and claimed sum of a component."""
        return logup.logup_columns(self.device, env, component, columns)

    def compose(
        self, env: Environment, polynomials: Sequence[ColumnSet], layout: Layout, powers: Sequence[QM31]
    ) -> ColumnSet:
        """The eight composition polynomials."""
        found = [_alive(self._values.get(tree)) for tree in polynomials]
        known = [(tree, log_blowup) for tree, log_blowup in found if tree is not None]
        if len(known) == len(polynomials) and len({log_blowup for _, log_blowup in known}) == 1:
            evaluations, log_blowup = [tree for tree, _ in known], known[0][1]
        else:
            evaluations, log_blowup = [fft.extend(self.device, tree, 1) for tree in polynomials], 1
        return compose.compose(self.device, env, evaluations, layout, powers, log_blowup)

    def sample(
        self, polynomials: ColumnSet, points: Sequence[Sequence[SecurePoint]], degree_log: int
    ) -> list[list[QM31]]:
        """Values of the lifted polynomials at the points of each column."""
        return sample.sample(polynomials, points, degree_log)

    def quotients(self, groups: Sequence[SampleGroup], evaluations: Sequence[ColumnSet], lifting_log: int) -> Matrix:
        """The DEEP quotients as a matrix of four rows."""
        found = [_alive(self._sources.get(tree)) for tree in evaluations]
        known = [(tree, log_blowup) for tree, log_blowup in found if tree is not None]
        if len(known) < len(evaluations) or len({log_blowup for _, log_blowup in known}) != 1:
            values = [column for tree in evaluations for column in tree]
            return quotients.quotients(self.device, groups, values, lifting_log, lambda sums: sums)
        log_blowup = known[0][1]

        def extend(sums: Matrix) -> Matrix:
            return fft.evaluate(self.device, sums, sums.log_size + log_blowup)

        columns = [column for tree, _ in known for column in tree]
        return quotients.quotients(self.device, groups, columns, lifting_log, extend)

    def fold(self, evaluation: Matrix, step: int, circle: bool, alpha: QM31) -> Matrix:
        """`step` folds with alpha, alpha^2, alpha^4, ..."""
        return fold.fold(evaluation, step, circle, alpha)

    def gather_secure(self, evaluation: Matrix, positions: Sequence[int]) -> list[QM31]:
        """Values at stored positions."""
        return fold.gather_secure(evaluation, positions)


def _alive(known: tuple[weakref.ref[ColumnSet], int] | None) -> tuple[ColumnSet | None, int]:
    return (None, 0) if known is None else (known[0](), known[1])
