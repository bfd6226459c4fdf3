"""The composition polynomial on the device (spec stark.md section 9).

The constraints are evaluated on the first 2^(n+1) stored points of the committed domain of 2^(n + blowup):
these are a circle domain themselves, closed under steps by a trace row, so that no column is extended again.
Where the constraints hold, the quotient is a polynomial that any domain of 2^(n+1) points determines, so these
are the coefficients that the canonic domain gives.  Where they do not hold there is no such polynomial, and the
composition differs from the NumPy backend's, which no verifier accepts either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bitsage.stark.circle import bit_reverse, domain_index, point
from bitsage.stark.fields import QM31, P, m31_inverse
from bitsage.stark.graph import Component
from bitsage.stark.layout import Layout
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

from .buffers import Buffer, ColumnRef, ColumnSet, Matrix
from .device import Device
from .environment import environment_words
from .generated import kernels_of
from .prefix import interpolate_prefix
from .templates import columns_of_constraints, constraint_program, shape_of

#: Columns of a component by (tree, column).
Columns = dict[tuple[int, int], ColumnRef]


def compose(
    device: Device,
    env: Environment,
    evaluations: Sequence[ColumnSet],
    layout: Layout,
    powers: Sequence[QM31],
    log_blowup: int,
) -> ColumnSet:
    """The eight composition polynomials, from the trees' columns extended by the blowup."""
    values = composition_values(device, env, evaluations, layout, powers, log_blowup)
    return split(interpolate_prefix(values, values.log_size + log_blowup - 1))


def composition_values(
    device: Device,
    env: Environment,
    evaluations: Sequence[ColumnSet],
    layout: Layout,
    powers: Sequence[QM31],
    log_blowup: int,
) -> Matrix:
    """The composition polynomial's values (4, 2^composition_log) on the first points of the committed domain.

    The domain is the one of log size `composition_log + log_blowup - 1`.
    """
    sums: dict[int, Matrix] = {}
    starts, done = [0, 0], 0
    for index, component in enumerate(env.air.components):
        own = powers[done : done + component.constraint_count]
        if own:
            columns = _columns(env, index, evaluations, starts)
            domain = env.params.log_sizes[index] + 1
            known = sums.get(domain)
            sums[domain] = known or Matrix.empty(device, 4, domain)
            add_component(env, index, columns, own, sums[domain], log_blowup, known is not None)
        done += len(own)
        starts = [starts[0] + len(component.trace), starts[1] + len(component.interaction_masks)]
    return lifted_sum(device, sums, layout.composition_log)


def _columns(env: Environment, index: int, evaluations: Sequence[ColumnSet], starts: Sequence[int]) -> Columns:
    found = columns_of_constraints(env.air.components[index])
    return {(tree, column): evaluations[tree][k] for (tree, column), k in column_places(env, index, found, starts)}


def column_places(
    env: Environment, index: int, columns: Iterable[tuple[int, int]], starts: Sequence[int]
) -> list[tuple[tuple[int, int], int]]:
    """A component's (tree, column) with their places in the trees; `starts` are its first ones in trees 1 and 2."""
    component = env.air.components[index]
    order = {name: k for k, name in enumerate(env.air.preprocessed)}
    return [
        ((tree, column), order[component.preprocessed[column]] if tree == 0 else starts[tree - 1] + column)
        for tree, column in columns
    ]


def placed(columns: Columns) -> tuple[dict[tuple[int, int], tuple[int, int]], list[Buffer]]:
    """(buffer number, row) of every column, and the buffers."""
    numbers: dict[int, int] = {}
    buffers: list[Buffer] = []
    places = {}
    for key, column in columns.items():
        number = numbers.setdefault(id(column.matrix), len(buffers))
        if number == len(buffers):
            buffers.append(column.matrix.buffer)
        places[key] = number, column.row
    return places, buffers


def add_component(
    env: Environment,
    index: int,
    columns: Columns,
    powers: Sequence[QM31],
    out: Matrix,
    log_blowup: int,
    add: bool,
    chosen: tuple[int, ...] | None = None,
) -> None:
    """The component's constraint sum over the vanishing polynomial, written to or added to `out`.

    With `chosen` only these constraints count; `columns` then need only be the ones that they read.
    """
    component: Component = env.air.components[index]
    device, log_size = out.device, env.params.log_sizes[index]
    places, buffers = placed(columns)
    shape, values = shape_of(component, env, places, chosen)
    program = constraint_program(shape)
    vanishing = [m31_inverse(vanishing_value(log_size, log_size + log_blowup, side << log_size)) for side in (0, 1)]
    words = device.upload(environment_words(program.slots, values, env, index, powers, vanishing))
    for number, kernel in enumerate(kernels_of(device, component.name, program)):
        arguments = (*buffers, words, log_size + log_blowup, log_size, out.buffer, int(add or number > 0))
        device.launch(kernel, (2 << log_size,), None, *arguments)


def vanishing_value(log_size: int, domain_log: int, position: int) -> int:
    """pi^(log_size - 1)(x) at a stored position of a domain; constant on each half of its first 2^(log_size + 1)."""
    x = point(domain_index(domain_log, bit_reverse(position, domain_log)))[0]
    for _ in range(log_size - 1):
        x = (2 * x * x - 1) % P
    return x


def lifted_sum(device: Device, sums: dict[int, Matrix], log_size: int) -> Matrix:
    """The sum of matrices of four rows, lifted to the log size; takes the largest one for it."""
    total = sums.pop(log_size, None)
    add = total is not None
    total = total or Matrix.empty(device, 4, log_size)
    for part in sums.values():
        lift_rows(part, 0, total, 0, add)
        add = True
    if not add:
        device.write(total.buffer, _zeros(total))
    return total


def lift_rows(source: Matrix, first_source: int, target: Matrix, first_target: int, add: bool) -> None:
    """Write four rows, lifted to the target's size, to four rows of the target, or add them there."""
    kernel = target.device.kernel("compose", "lift_rows", lanes=1)
    arguments = (target.buffer, source.buffer, first_target, first_source, target.log_size, source.log_size, int(add))
    target.device.launch(kernel, (1 << target.log_size, 4), None, *arguments)


def _zeros(matrix: Matrix) -> U32:
    return np.zeros(matrix.words, dtype=np.uint32)


def split(coefficients: Matrix) -> ColumnSet:
    """The eight composition polynomials: the lower halves of the four rows, then the upper ones."""
    half = coefficients.log_size - 1
    result = Matrix.empty(coefficients.device, 8, half)
    kernel = coefficients.device.kernel("compose", "split_halves", lanes=1)
    coefficients.device.launch(kernel, (1 << half, 4), None, result.buffer, coefficients.buffer, half)
    return ColumnSet.of_matrix(result)
