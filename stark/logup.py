"""LogUp interaction columns (spec section 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import rows, vectors
from .circle import coset_positions, shifted_positions
from .errors import TraceInvalid
from .fields import QM31, m31_inverse, qscale
from .transcript import Environment
from .vectors import U32


def trace_reader(log_size: int, columns: Mapping[int, Sequence[U32]]) -> rows.ReadColumn:
    """Reads stored trace columns at row offsets on the trace domain itself."""

    def read(tree: int, column: int, offset: int) -> U32:
        values = columns[tree][column]
        return values[shifted_positions(log_size, log_size, offset)] if offset else values

    return read


def logup_columns(env: Environment, index: int, columns: Mapping[int, Sequence[U32]]) -> tuple[list[U32], QM31]:
    """The component's LogUp columns (four per batch, stored order) and its claimed sum.

    Raises TraceInvalid when a denominator is 0 in some row.
    """
    component = env.air.components[index]
    log_size = env.params.log_sizes[index]
    size = 1 << log_size
    values = rows.node_values(component, env, trace_reader(log_size, columns), rows.needed_by_logup(component))
    result: list[U32] = []
    running = np.zeros((4, size), dtype=np.uint32)
    for numerator, denominator in rows.batch_fractions(component, env, values):
        running = vectors.add(running, _quotient(numerator, denominator, size))
        result += list(running)
    total = vectors.reduce(running.sum(axis=1, dtype=np.uint64)).tolist()
    claimed: QM31 = (total[0], total[1], total[2], total[3])
    shift = vectors.qscalar(qscale(claimed, m31_inverse(size)))
    order = coset_positions(log_size)
    last = np.empty_like(running)
    last[:, order] = vectors.prefix_sum(vectors.sub(running, np.broadcast_to(shift, running.shape))[:, order])
    return result[:-4] + list(last), claimed


def _quotient(numerator: U32, denominator: U32, size: int) -> U32:
    if denominator.ndim == 1:
        denominator = vectors.qlift(denominator)
    try:
        inverse = vectors.qinverse(denominator)
    except ZeroDivisionError:
        raise TraceInvalid("a lookup has the denominator 0") from None
    return np.broadcast_to(rows.mul(numerator, inverse), (4, size))
