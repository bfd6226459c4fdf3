"""The prover's own check of its trace, with an explanation of what is violated where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import rows
from .circle import SecurePoint, coset_positions, double_x_times
from .errors import ProverError
from .fields import QM31, P, from_partial_evals, qadd, qmul
from .graph import Air
from .layout import Layout
from .logup import trace_reader
from .params import Params, Trace
from .point_eval import composition_value
from .transcript import Environment
from .vectors import U32


def composition_matches(
    env: Environment, layout: Layout, coefficient: QM31, z: SecurePoint, samples: Sequence[Sequence[QM31]]
) -> bool:
    """The verifier's equation at the out-of-domain point, on the prover's own samples."""
    by_offset = []
    done = 0
    for columns in layout.trees:
        own = samples[done : done + len(columns)]
        by_offset.append([dict(zip(c.mask, values, strict=True)) for c, values in zip(columns, own, strict=True)])
        done += len(columns)
    parts = [column[0] for column in by_offset.pop()]
    vanishing = double_x_times(z[0], layout.degree_log - 1)
    expected = qadd(from_partial_evals(parts[:4]), qmul(vanishing, from_partial_evals(parts[4:])))
    return composition_value(env, coefficient, vanishing, by_offset) == expected


def explain_violation(
    env: Environment, trace: Trace, explicit: Sequence[Sequence[U32]], logup: Sequence[Sequence[U32]]
) -> str:
    """Name the first violated constraint and row by evaluating the constraints on the trace itself."""
    order = {name: k for k, name in enumerate(env.air.preprocessed)}
    for index, component in enumerate(env.air.components):
        log_size = env.params.log_sizes[index]
        columns = {
            0: [trace.preprocessed[order[name]] for name in component.preprocessed],
            1: trace.trace[index],
            2: [*explicit[index], *logup[index]],
        }
        read = trace_reader(log_size, columns)
        for k in range(component.constraint_count):
            powers: list[QM31] = [(0, 0, 0, 0)] * component.constraint_count
            powers[k] = (1, 0, 0, 0)
            values = rows.constraint_sum(component, env, index, read, powers, 1 << log_size)
            violated = np.any(values, axis=0)
            wrong = np.flatnonzero(violated[coset_positions(log_size)])
            if len(wrong):
                kind = "constraint" if k < len(component.constraints) else "lookup constraint"
                return f"component {component.name!r}: {kind} {k} is violated in row {int(wrong[0])}"
    return "the constraints do not hold at the out-of-domain point"


def check_columns(columns: Sequence[U32], log_sizes: Sequence[int], what: str) -> None:
    """Shape, type and range of columns.  Raises ProverError."""
    if len(columns) != len(log_sizes):
        raise ProverError(f"{what}: {len(log_sizes)} columns are expected, {len(columns)} are given")
    for column, log_size in zip(columns, log_sizes, strict=True):
        if column.dtype != np.uint32 or column.shape != (1 << log_size,):
            raise ProverError(f"{what}: columns of 2^{log_size} uint32 values are expected")
        if int(column.max()) >= P:
            raise ProverError(f"{what}: a value is not below p")


def check_trace(air: Air, params: Params, trace: Trace) -> None:
    """All columns of a trace against the AIR and the sizes.  Raises ProverError."""
    check_columns(trace.preprocessed, params.preprocessed_log_sizes, "preprocessed columns")
    if len(trace.trace) != len(air.components):
        raise ProverError(f"the trace needs {len(air.components)} components")
    for component, columns, log_size in zip(air.components, trace.trace, params.log_sizes, strict=True):
        check_columns(columns, [log_size] * len(component.trace), f"trace of {component.name!r}")
