"""Composition polynomial and DEEP quotients on arrays (spec sections 9 and 10)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import fft, rows, vectors
from .circle import domain_points, shifted_positions
from .deep import SampleGroup
from .fields import QM31, P, m31_inverse
from .layout import Layout
from .linear import linear_combination
from .merkle import lift
from .transcript import Environment
from .vectors import U32

_CHUNK = 1 << 14  # rows evaluated at once, so that node values stay in the cache


def compose(
    env: Environment, polynomials: Sequence[Sequence[U32]], layout: Layout, powers: Sequence[QM31]
) -> list[U32]:
    """Coefficients of the eight composition polynomials, each of log size `composition_log - 1`."""
    total = np.zeros((4, 1 << layout.composition_log), dtype=np.uint32)
    starts = [0, 0]
    done = 0
    order = {name: k for k, name in enumerate(env.air.preprocessed)}
    for index, component in enumerate(env.air.components):
        ends = [starts[0] + len(component.trace), starts[1] + len(component.interaction_masks)]
        columns = {
            0: [polynomials[0][order[name]] for name in component.preprocessed],
            1: polynomials[1][starts[0] : ends[0]],
            2: polynomials[2][starts[1] : ends[1]] if env.air.has_interaction else [],
        }
        own = powers[done : done + component.constraint_count]
        if own:
            total = vectors.add(total, lift(_component(env, index, columns, own), layout.composition_log))
        done += len(own)
        starts = ends
    coefficients = fft.interpolate(total)
    half = coefficients.shape[1] // 2
    return [*coefficients[:, :half].copy(), *coefficients[:, half:].copy()]


def _component(env: Environment, index: int, columns: dict[int, Sequence[U32]], powers: Sequence[QM31]) -> U32:
    """The component's constraint sum over the vanishing polynomial on the domain of twice its rows."""
    component = env.air.components[index]
    log_size = env.params.log_sizes[index]
    domain = log_size + 1
    values = {
        tree: fft.evaluate(np.stack(list(group)), domain) if len(group) else np.empty((0, 1 << domain), dtype=np.uint32)
        for tree, group in columns.items()
    }
    size = 1 << domain
    result = np.empty((4, size), dtype=np.uint32)
    for start in range(0, size, _CHUNK):
        part = slice(start, min(start + _CHUNK, size))

        def read(tree: int, column: int, offset: int, part: slice = part) -> U32:
            row: U32 = values[tree][column]
            return row[shifted_positions(domain, log_size, offset)[part]] if offset else row[part]

        result[:, part] = rows.constraint_sum(component, env, index, read, powers, part.stop - part.start)
    half = size // 2
    for side in (0, 1):
        inverse = np.uint32(m31_inverse(_vanishing(domain, log_size, side * half)))
        result[:, side * half : (side + 1) * half] = vectors.mul(result[:, side * half : (side + 1) * half], inverse)
    return result


def _vanishing(domain: int, log_size: int, position: int) -> int:
    """pi^(log_size - 1)(x) at a stored position of the domain; one value on each stored half."""
    x = int(domain_points(domain)[0][position])
    for _ in range(log_size - 1):
        x = (2 * x * x - 1) % P
    return x


def quotients(groups: Sequence[SampleGroup], columns: Sequence[U32], lifting_log: int) -> U32:
    """Sum over the sample groups of numerator / denominator, as (4, 2^lifting_log)."""
    x, y = domain_points(lifting_log)
    total = np.zeros((4, 1 << lifting_log), dtype=np.uint32)
    for group in groups:
        numerator = _weighted_sum(group, columns, lifting_log)
        numerator = vectors.qmul(numerator, vectors.qscalar(group.c))
        numerator = vectors.sub(numerator, vectors.mul(vectors.qscalar(group.a), y))
        numerator = vectors.sub(numerator, vectors.qscalar(group.b))
        total = vectors.add(total, vectors.qmul_cm31(numerator, *_inverse_denominator(group, x, y)))
    return total


def _weighted_sum(group: SampleGroup, columns: Sequence[U32], lifting_log: int) -> U32:
    by_length: dict[int, tuple[list[QM31], list[U32]]] = {}
    for index, weight in group.columns:
        weights, members = by_length.setdefault(len(columns[index]), ([], []))
        weights.append(weight)
        members.append(columns[index])
    total = np.zeros((4, 1 << lifting_log), dtype=np.uint32)
    for weights, members in by_length.values():
        total = vectors.add(total, lift(linear_combination(weights, members), lifting_log))
    return total


def _inverse_denominator(group: SampleGroup, x: U32, y: U32) -> tuple[U32, U32]:
    """1 / ((Re Px - x) Im Py - (Re Py - y) Im Px) as the coordinates of a CM31 vector.

    The denominator is affine in x and y: constant - x * Im Py + y * Im Px.
    """
    (px0, px1, px2, px3), (py0, py1, py2, py3) = group.point
    constant = (px0 * py2 - px1 * py3 - py0 * px2 + py1 * px3, px0 * py3 + px1 * py2 - py0 * px3 - py1 * px2)
    re, im = (
        vectors.add(vectors.sub(vectors.mul(y, np.uint32(of_y)), vectors.mul(x, np.uint32(of_x))), np.uint32(value % P))
        for value, of_x, of_y in ((constant[0], py2, px2), (constant[1], py3, px3))
    )
    norm = vectors.inverse(vectors.add(vectors.mul(re, re), vectors.mul(im, im)))
    return vectors.mul(re, norm), vectors.mul(vectors.neg(im), norm)
