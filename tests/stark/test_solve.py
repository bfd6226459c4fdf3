"""Explicit interaction columns solved from the constraints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from vectors_io import bundle, text

from bitsage.obelysk import generate_inputs
from bitsage.obelysk.matmul import interaction_columns, matmul_air, matmul_params, matmul_trace
from bitsage.obelysk.matrices import product
from bitsage.stark import (
    QM31,
    Air,
    AirBuilder,
    ComponentBuilder,
    P,
    Params,
    PcsConfig,
    ProverError,
    Trace,
    TraceInvalid,
    prove,
    verify,
)
from bitsage.stark.build import Expr
from bitsage.stark.examples import example
from bitsage.stark.fields import qadd, qmul
from bitsage.stark.solve import affine_prefixes

CONFIG = PcsConfig(pow_bits=3, n_queries=5)
TRACE = Trace((), ((np.arange(16, dtype=np.uint32),),))


def test_the_solved_matmul_proof_is_the_maker_s() -> None:
    a, b = generate_inputs(16, 5)
    c = product(a, b)
    plain = matmul_params(16, bytes(32), bytes(32))
    params = replace(plain, config=replace(plain.config, pow_bits=4))
    trace = matmul_trace(a, b, c)
    made = prove(matmul_air(), params, trace, interaction=lambda ch: interaction_columns(a, b, c, ch))
    assert prove(matmul_air(), params, trace) == made
    wrong = c.copy()
    wrong[3, 3] ^= 1
    with pytest.raises(TraceInvalid):
        prove(matmul_air(), params, matmul_trace(a, b, wrong))


def test_running_sums_written_as_explicit_columns_prove_the_published_bytes() -> None:
    """The published state machine with its LogUp columns written out, once as iext and once as four icol."""
    name = "state_machine_n6_b1_k2_q10"
    air = Air.from_json(text(f"graphs/{name}.explicit.air.json"))
    params = Params.from_json(text(f"graphs/{name}.explicit.gparams.json"))
    given = bundle(f"{name}.json")
    _, _, trace = example(given["air"], given["params"])
    assert prove(air, params, trace).proof.to_json() == given["proof"]
    columns = [[column.copy() for column in component] for component in trace.trace]
    columns[1][0][3] ^= 1
    with pytest.raises(TraceInvalid, match="does not close"):
        prove(air, params, Trace((), tuple(map(tuple, columns))))


def air_of(write: Any, count: int = 1) -> Air:
    """One component whose explicit columns obey what `write(component, x, before, now, s)` constrains."""
    component = ComponentBuilder("c")
    x = component.column()
    pairs = [component.secure_column((-1, 0)) for _ in range(count)]
    write(component, x, pairs, component.challenge("s"))
    air = AirBuilder("explicit").add(component).step("mix_config").commit(0).commit(1)
    return air.step("draw_felt", names=("s",)).commit(2).build()


def constant(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
    c.constrain(pairs[0][1] - s)


def contracting(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
    c.constrain(pairs[0][1] - s * pairs[0][0] - x)


def chained(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
    """The second column is determined first; the first one divides by it."""
    c.constrain(pairs[1][1] * pairs[0][1] - x)
    c.constrain(pairs[1][1] - s - x)


@pytest.mark.parametrize(("write", "count"), [(constant, 1), (contracting, 1), (chained, 2)])
def test_affine_recurrences_are_solved(write: Any, count: int) -> None:
    air = air_of(write, count)
    made = prove(air, Params(CONFIG, (4,)), TRACE)
    verify(air, made.params, made.proof)


def free(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
    c.constrain(x - x)


def squared(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
    c.constrain(pairs[0][1] * pairs[0][1] - s)


def vanishing(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
    """x is 0 in one row, where the constraint says nothing."""
    c.constrain(x * pairs[0][1] - x * s)


def only_before(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
    c.constrain(pairs[0][0] - s)


@pytest.mark.parametrize("write", [free, squared, vanishing, only_before])
def test_columns_that_nothing_determines_are_named(write: Any) -> None:
    with pytest.raises(ProverError, match="no constraint determines interaction column 0; an interaction maker"):
        prove(air_of(write), Params(CONFIG, (4,)), TRACE)


def test_a_running_sum_that_does_not_close_is_invalid() -> None:
    def running(c: ComponentBuilder, x: Expr, pairs: Any, s: Expr) -> None:
        c.constrain(pairs[0][1] - pairs[0][0] - x)

    with pytest.raises(TraceInvalid, match="does not close"):
        prove(air_of(running), Params(CONFIG, (4,)), TRACE)


def test_columns_that_are_no_groups_of_four_are_named() -> None:
    air = air_of(constant)
    component = replace(air.components[0], interaction=((0,),) * 3, nodes=(("icol", 0, 0),), constraints=(0,))
    with pytest.raises(ProverError, match="no groups of four"):
        prove(replace(air, components=(component,)), Params(CONFIG, (4,)), TRACE)


def test_prefixes_are_the_compositions_row_by_row() -> None:
    chance = np.random.default_rng(3)
    factors, terms = (chance.integers(0, P, (4, 32), dtype=np.uint32) for _ in range(2))
    done_factors, done_terms = affine_prefixes(factors, terms)
    value: QM31 = (5, 6, 7, 8)
    for row in range(32):
        f, t = tuple(factors[:, row].tolist()), tuple(terms[:, row].tolist())
        value = qadd(qmul(f, value), t)
        f, t = tuple(done_factors[:, row].tolist()), tuple(done_terms[:, row].tolist())
        assert qadd(qmul(f, (5, 6, 7, 8)), t) == value
