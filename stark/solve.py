"""Explicit interaction columns out of the constraints themselves.

A component may have interaction columns that are no LogUp sums: powers of a challenge, running sums and
products.  Their values follow from the drawn challenges, so that no trace file can hold them.  But a constraint

    A * x + B * x' + C = 0        x the column in this row, x' in the row before; A, B, C without x

says what they are: x = -(B x' + C) / A, one affine recurrence over the cyclic rows.  `solve_interaction` reads
every column from the first constraint of that form whose other columns are known and whose A is 0 nowhere.  The
prover checks all constraints afterwards, so that a column solved wrongly proves nothing.

Four explicit columns k..k+3 stand for one QM31 value.  They are the ones that some `iext` node names; the others
are taken four by four in their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import rows, vectors
from .circle import coset_positions
from .errors import ProverError, TraceInvalid
from .fields import ONE, QM31, ZERO, qinv, qmul, qsub
from .graph import Component
from .logup import trace_reader
from .params import Trace
from .transcript import Environment
from .vectors import U32

#: Where a recurrence is probed beside 0 and 1, to see that it is affine.
_PROBE: QM31 = (1199342111, 271828182, 1414213562, 1732050807)


def solve_interaction(env: Environment, trace: Trace) -> list[list[U32]]:
    """The explicit interaction columns of all components, in stored order.

    Raises ProverError for a column that no constraint determines, TraceInvalid for a recurrence that does not
    close around the rows.
    """
    order = {name: k for k, name in enumerate(env.air.preprocessed)}
    result = []
    for index, component in enumerate(env.air.components):
        preprocessed = [trace.preprocessed[order[name]] for name in component.preprocessed]
        result.append(_Solver(env, index, preprocessed, trace.trace[index]).columns())
    return result


def column_groups(component: Component) -> list[int]:
    """First columns of the groups of four.  Raises ProverError when the columns cannot be grouped."""
    count = len(component.interaction)
    starts = {node[1] for node in component.nodes if node[0] == "iext"}
    free = sorted(set(range(count)) - {k + j for k in starts for j in range(4)})
    starts |= set(free[::4])
    if sorted(k + j for k in starts for j in range(4)) != list(range(count)):
        raise ProverError(
            f"component {component.name!r}: its interaction columns are no groups of four; an interaction maker is needed"
        )
    return sorted(starts)


class _Solver:
    def __init__(self, env: Environment, index: int, preprocessed: Sequence[U32], trace: Sequence[U32]) -> None:
        self.env, self.index = env, index
        self.component = env.air.components[index]
        self.log_size = env.params.log_sizes[index]
        self.size = 1 << self.log_size
        self._known = trace_reader(self.log_size, {0: preprocessed, 1: trace})
        self._solved: dict[int, U32] = {}
        self._groups = column_groups(self.component)
        self._reads = {k: self._groups_read_by(k) for k in self.component.constraints}

    def columns(self) -> list[U32]:
        """All explicit columns, stored order."""
        waiting = list(self._groups)
        while waiting:
            solved = next((g for g in waiting if self._try(g)), None)
            if solved is None:
                raise ProverError(
                    f"component {self.component.name!r}: no constraint determines interaction column {waiting[0]}; "
                    "an interaction maker is needed"
                )
            waiting.remove(solved)
        return [row for group in self._groups for row in self._solved[group]]

    def _groups_read_by(self, constraint: int) -> dict[int, set[int]]:
        """Groups that a constraint depends on, with the row offsets at which it reads them."""
        needed = {constraint}
        reads: dict[int, set[int]] = {}
        for k in reversed(range(constraint + 1)):
            if k not in needed:
                continue
            op, *args = self.component.nodes[k]
            if op in ("add", "sub", "mul", "neg"):
                needed |= set(args)
            elif op in ("icol", "iext"):
                group = max(g for g in self._groups if g <= args[0])
                reads.setdefault(group, set()).add(args[1])
        return reads

    def _try(self, group: int) -> bool:
        for constraint in self.component.constraints:
            reads = self._reads[constraint]
            known = reads.keys() - {group} <= self._solved.keys()
            if known and 0 in reads.get(group, ()) and reads[group] <= {0, -1}:
                values = self._recurrence(constraint, group)
                if values is not None:
                    self._solved[group] = values
                    return True
        return False

    def _evaluate(self, constraint: int, group: int, now: QM31, before: QM31) -> U32:
        """The constraint in all rows, (4, N) in row order, with constants in place of the group."""
        positions = coset_positions(self.log_size)

        def read(tree: int, column: int, offset: int) -> U32:
            if tree != 2:
                return self._known(tree, column, offset)
            own = max(g for g in self._groups if g <= column)
            if own == group:
                return np.full(self.size, (before if offset else now)[column - group], dtype=np.uint32)
            values = self._solved[own][column - own]
            return trace_reader(self.log_size, {2: [values]})(2, 0, offset)

        value = rows.node_values(self.component, self.env, read, [constraint])[constraint]
        value = vectors.qlift(value) if value.ndim == 1 else value
        return np.broadcast_to(value, (4, self.size))[:, positions]

    def _recurrence(self, constraint: int, group: int) -> U32 | None:
        """The group's columns, stored; None when the constraint is not affine in it or does not fix it."""
        c = self._evaluate(constraint, group, ZERO, ZERO)
        a = vectors.sub(self._evaluate(constraint, group, ONE, ZERO), c)
        b = vectors.sub(self._evaluate(constraint, group, ZERO, ONE), c)
        probe = vectors.qscalar(_PROBE)
        affine = vectors.add(vectors.add(vectors.qmul(a, probe), vectors.qmul(b, vectors.qmul(probe, probe))), c)
        square = qmul(_PROBE, _PROBE)
        if not np.array_equal(affine, self._evaluate(constraint, group, _PROBE, square)) or not a.any(axis=0).all():
            return None
        scale = vectors.neg(vectors.qinverse(a))
        values = self._close(vectors.qmul(scale, b), vectors.qmul(scale, c))
        stored = np.empty_like(values)
        stored[:, coset_positions(self.log_size)] = values
        return stored

    def _close(self, factors: U32, terms: U32) -> U32:
        """x_r = factors_r x_(r-1) + terms_r around the cycle, in row order."""
        factors, terms = affine_prefixes(factors, terms)
        factor, term = _entry(factors, -1), _entry(terms, -1)
        if factor != ONE:
            last = qmul(term, qinv(qsub(ONE, factor)))
        elif term == ZERO:
            last = ZERO  # every start closes the cycle: running sums end at 0
        else:
            name = self.component.name
            raise TraceInvalid(f"component {name!r}: a running interaction column does not close around the rows")
        return vectors.add(vectors.qmul(factors, vectors.qscalar(last)), terms)


def _entry(values: U32, row: int) -> QM31:
    a, b, c, d = values[:, row].tolist()
    return a, b, c, d


def affine_prefixes(factors: U32, terms: U32) -> tuple[U32, U32]:
    """Compositions of the maps x -> factors_r x + terms_r of rows 0..r, both (4, N), by doubling."""
    factors, terms = factors.copy(), terms.copy()
    width = 1
    while width < factors.shape[1]:
        moved = vectors.qmul(factors[:, width:], terms[:, :-width])
        terms[:, width:] = vectors.add(moved, terms[:, width:])
        factors[:, width:] = vectors.qmul(factors[:, width:], factors[:, :-width])
        width *= 2
    return factors, terms
