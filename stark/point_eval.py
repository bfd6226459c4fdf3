"""The constraints at the out-of-domain point, in scalar QM31 arithmetic (spec sections 8 and 9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .fields import ONE, QM31, ZERO, from_partial_evals, m31_inverse, qadd, qinv, qm31, qmul, qneg, qscale, qsub
from .graph import Component
from .transcript import Environment, leaf_value

#: Samples of one column by row offset.
Samples = Mapping[int, QM31]


def constraint_values(
    component: Component,
    env: Environment,
    index: int,
    preprocessed: Sequence[Samples],
    trace: Sequence[Samples],
    interaction: Sequence[Samples],
) -> list[QM31]:
    """Values of all constraints of the component in their order, lookups last."""
    values = _node_values(component, env, preprocessed, trace, interaction)
    result = [values[k] for k in component.constraints]
    if component.logup:
        first = len(component.interaction)
        log_size = env.params.log_sizes[index]
        shift = qscale(env.claimed_sum(index), m31_inverse(1 << log_size))
        result += _logup_values(batch_fractions(component, env, values), interaction[first:], shift)
    return result


def _secure(columns: Sequence[Samples], offset: int) -> QM31:
    return from_partial_evals([column[offset] for column in columns[:4]])


def _node_values(
    component: Component,
    env: Environment,
    preprocessed: Sequence[Samples],
    trace: Sequence[Samples],
    interaction: Sequence[Samples],
) -> list[QM31]:
    values: list[QM31] = []
    for node in component.nodes:
        op, *args = node
        match op:
            case "col":
                value = trace[args[0]][args[1]]
            case "icol":
                value = interaction[args[0]][args[1]]
            case "iext":
                value = _secure(interaction[args[0] : args[0] + 4], args[1])
            case "pp":
                value = preprocessed[args[0]][0]
            case "add":
                value = qadd(values[args[0]], values[args[1]])
            case "sub":
                value = qsub(values[args[0]], values[args[1]])
            case "mul":
                value = qmul(values[args[0]], values[args[1]])
            case "neg":
                value = qneg(values[args[0]])
            case _:
                leaf = leaf_value(node, env)
                value = qm31(leaf) if isinstance(leaf, int) else leaf
        values.append(value)
    return values


def batch_fractions(component: Component, env: Environment, values: Sequence[QM31]) -> list[tuple[QM31, QM31]]:
    """(numerator, denominator) of every LogUp batch out of node values."""
    batches: list[tuple[QM31, QM31]] = [(ZERO, ONE)] * component.batch_count
    for fraction, batch in zip(component.logup, component.batching, strict=True):
        if fraction.relation is None:
            bottom = values[fraction.denominator]
        else:
            bottom = env.relation(fraction.relation).combine([values[k] for k in fraction.values])
        top = values[fraction.numerator]
        n, d = batches[batch]
        batches[batch] = qadd(qmul(n, bottom), qmul(top, d)), qmul(d, bottom)
    return batches


def _logup_values(fractions: list[tuple[QM31, QM31]], columns: Sequence[Samples], shift: QM31) -> Iterator[QM31]:
    previous = ZERO
    last = len(fractions) - 1
    for batch, (numerator, denominator) in enumerate(fractions):
        own = columns[4 * batch : 4 * batch + 4]
        current = _secure(own, 0)
        difference = qsub(current, previous)
        if batch == last:
            difference = qadd(qsub(difference, _secure(own, -1)), shift)
        yield qsub(qmul(difference, denominator), numerator)
        previous = current


def composition_value(
    env: Environment, coefficient: QM31, vanishing: QM31, samples: Sequence[Sequence[Samples]]
) -> QM31:
    """The composition polynomial at the sampled point: Horner over all constraints, over the vanishing value.

    `samples[tree][column]` maps row offsets to values.  Raises ZeroDivisionError when the point lies on the
    trace domain.
    """
    air = env.air
    order = {name: k for k, name in enumerate(air.preprocessed)}
    total = ZERO
    trace_start = interaction_start = 0
    for index, component in enumerate(air.components):
        trace_end = trace_start + len(component.trace)
        interaction_end = interaction_start + len(component.interaction_masks)
        constraints = constraint_values(
            component,
            env,
            index,
            [samples[0][order[name]] for name in component.preprocessed],
            samples[1][trace_start:trace_end],
            samples[2][interaction_start:interaction_end] if air.has_interaction else (),
        )
        for value in constraints:
            total = qadd(qmul(total, coefficient), value)
        trace_start, interaction_start = trace_end, interaction_end
    return qmul(total, qinv(vanishing))
