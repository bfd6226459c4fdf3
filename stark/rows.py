"""The constraints on rows, in array arithmetic (the NumPy side of spec sections 8 and 9).

Values are base vectors (N,) or QM31 vectors (4, N), told apart by their rank; constants are vectors of
length 1 that broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from . import vectors
from .fields import QM31, m31_inverse, qscale
from .graph import Component
from .transcript import Environment, leaf_value
from .vectors import U32

#: Reads rows of a column: (tree, column of the component, row offset) -> (N,).
ReadColumn = Callable[[int, int, int], U32]


def _is_base(x: U32) -> bool:
    return x.ndim == 1


def add(x: U32, y: U32) -> U32:
    """x + y in mixed ranks."""
    if _is_base(x) == _is_base(y):
        return vectors.add(x, y)
    base, ext = (x, y) if _is_base(x) else (y, x)
    return _with_first(ext, vectors.add(ext[0], base), base)


def sub(x: U32, y: U32) -> U32:
    """x - y in mixed ranks."""
    if _is_base(x) == _is_base(y):
        return vectors.sub(x, y)
    if _is_base(y):
        return _with_first(x, vectors.sub(x[0], y), y)
    return add(vectors.neg(y), x)


def _with_first(ext: U32, first: U32, base: U32) -> U32:
    result = np.empty((4, max(ext.shape[1], len(base))), dtype=np.uint32)
    result[0] = first
    result[1:] = ext[1:]
    return result


def mul(x: U32, y: U32) -> U32:
    """x * y in mixed ranks."""
    if _is_base(x) or _is_base(y):
        return vectors.mul(x, y)
    return vectors.qmul(x, y)


def _constant(value: int | QM31) -> U32:
    if isinstance(value, int):
        return np.array([value], dtype=np.uint32)
    return vectors.qscalar(value)


def node_values(component: Component, env: Environment, read: ReadColumn, wanted: Sequence[int]) -> dict[int, U32]:
    """Values of the wanted nodes; other values are dropped after their last use."""
    last_use = _last_uses(component, wanted)
    values: dict[int, U32] = {}
    for index, node in enumerate(component.nodes):
        if index not in last_use:
            continue
        op, *args = node
        match op:
            case "col":
                value = read(1, args[0], args[1])
            case "icol":
                value = read(2, args[0], args[1])
            case "iext":
                value = np.stack([read(2, args[0] + k, args[1]) for k in range(4)])
            case "pp":
                value = read(0, args[0], 0)
            case "add":
                value = add(values[args[0]], values[args[1]])
            case "sub":
                value = sub(values[args[0]], values[args[1]])
            case "mul":
                value = mul(values[args[0]], values[args[1]])
            case "neg":
                value = vectors.neg(values[args[0]])
            case _:
                value = _constant(leaf_value(node, env))
        values[index] = value
        if op in ("add", "sub", "mul", "neg"):
            for operand in set(args):
                if last_use[operand] == index:
                    del values[operand]
    return values


def _last_uses(component: Component, wanted: Sequence[int]) -> dict[int, int]:
    """Index of the last node that needs a node, for all nodes that the wanted ones need."""
    end = len(component.nodes)
    last_use = dict.fromkeys(wanted, end)
    for index in reversed(range(end)):
        op, *args = component.nodes[index]
        if index in last_use and op in ("add", "sub", "mul", "neg"):
            for operand in args:
                last_use.setdefault(operand, index)
    return last_use


def needed_by_logup(component: Component) -> list[int]:
    """Nodes that the LogUp fractions read."""
    needed: list[int] = []
    for fraction in component.logup:
        needed.append(fraction.numerator)
        needed += fraction.values if fraction.relation is not None else (fraction.denominator,)
    return needed


def batch_fractions(component: Component, env: Environment, values: dict[int, U32]) -> list[tuple[U32, U32]]:
    """(numerator, denominator) of every LogUp batch out of node values."""
    batches: list[tuple[U32, U32] | None] = [None] * component.batch_count
    for fraction, batch in zip(component.logup, component.batching, strict=True):
        top = values[fraction.numerator]
        if fraction.relation is None:
            bottom = values[fraction.denominator]
        else:
            relation = env.relation(fraction.relation)
            bottom = vectors.neg(vectors.qscalar(relation.z))
            for power, node in zip(relation.powers, fraction.values, strict=False):
                bottom = add(bottom, mul(vectors.qscalar(power), values[node]))
        known = batches[batch]
        if known is None:
            batches[batch] = top, bottom
        else:
            n, d = known
            batches[batch] = add(mul(n, bottom), mul(top, d)), mul(d, bottom)
    return [batch for batch in batches if batch is not None]


def constraint_sum(
    component: Component, env: Environment, index: int, read: ReadColumn, powers: Sequence[QM31], size: int
) -> U32:
    """sum of powers[j] * c_j over the component's constraints, shape (4, size)."""
    wanted = [*component.constraints, *needed_by_logup(component)]
    values = node_values(component, env, read, wanted)
    constraints = [values[k] for k in component.constraints]
    if component.logup:
        shift = qscale(env.claimed_sum(index), m31_inverse(1 << env.params.log_sizes[index]))
        constraints += _logup_constraints(component, batch_fractions(component, env, values), read, shift)
    total = np.zeros((4, size), dtype=np.uint32)
    for power, value in zip(powers, constraints, strict=True):
        total = vectors.add(total, mul(vectors.qscalar(power), value))
    return total


def _logup_constraints(
    component: Component, fractions: list[tuple[U32, U32]], read: ReadColumn, shift: QM31
) -> list[U32]:
    result = []
    previous: U32 | None = None
    first = len(component.interaction)
    for batch, (numerator, denominator) in enumerate(fractions):
        own = range(first + 4 * batch, first + 4 * batch + 4)
        current = np.stack([read(2, k, 0) for k in own])
        difference = current if previous is None else vectors.sub(current, previous)
        if batch == len(fractions) - 1:
            before = np.stack([read(2, k, -1) for k in own])
            difference = vectors.add(vectors.sub(difference, before), vectors.qscalar(shift))
        result.append(sub(mul(difference, denominator), numerator))
        previous = current
    return result
