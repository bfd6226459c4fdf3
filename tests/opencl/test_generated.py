"""Kernels generated from graphs: every node and mask, large graphs, one program for all challenges."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitsage.obelysk import matmul
from bitsage.obelysk.matrices import generate_inputs, product
from bitsage.opencl.backend import OpenCLBackend
from bitsage.opencl.buffers import ColumnSet, Matrix
from bitsage.opencl.device import Device
from bitsage.opencl.templates import constraint_program, shape_of
from bitsage.stark import (
    Air,
    AirBuilder,
    ComponentBuilder,
    P,
    Params,
    PcsConfig,
    ProofRefused,
    PublicList,
    Relation,
    Trace,
    TraceInvalid,
    prove,
    verify,
)
from bitsage.stark.examples import plonk, wide_fibonacci
from bitsage.stark.graph import Fraction
from bitsage.stark.transcript import Environment

sys.path.insert(0, str(Path(__file__).parents[1] / "stark"))
from masks import MASKS, shifted_products

CONFIG = PcsConfig(pow_bits=3, log_blowup_factor=2, n_queries=5)


@pytest.fixture(scope="module")
def backend(device: Device) -> OpenCLBackend:
    return OpenCLBackend(device)


def same(backend: OpenCLBackend, air: Air, params: Params, trace: Trace, interaction: Any = None) -> None:
    expected = prove(air, params, trace, interaction=interaction)
    made = prove(air, params, trace, interaction=interaction, backend=backend)
    assert made.params == expected.params
    assert made.proof.to_bytes() == expected.proof.to_bytes()
    verify(air, made.params, made.proof)


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("sizes", [[5], [5, 3]])
def test_every_kind_of_mask(backend: OpenCLBackend, masks: Any, sizes: list[int]) -> None:
    if len(masks[0]) > 2 and len(sizes) > 1:
        return  # no prover takes such columns (tests/soundness/test_masks.py)
    same(backend, *shifted_products(masks, sizes))


@pytest.mark.parametrize("batching", [(0, 0, 1), (0, 1, 2), (1, 0, 1)])
@pytest.mark.parametrize("factor", [7, (1, 2, 3, 4)])
def test_raw_fractions_and_public_values_of_both_kinds(backend: OpenCLBackend, batching: Any, factor: Any) -> None:
    component = ComponentBuilder("raw")
    x = component.column()
    shift, listed = component.challenge("shift"), component.public("listed", 1)
    nodes = [component.wrap(1), x + shift, -(x * listed) - shift, x + shift * component.public("factor"), x + 70]
    component.constrain((nodes[1] - shift - x) * (listed - 5 + x))
    component.constrain((x - nodes[4] + 70) * nodes[2] * (1 - nodes[1]))
    built = component.build()
    fractions = tuple(Fraction(None, nodes[a].index, (), nodes[b].index) for a, b in ((0, 1), (1, 2), (3, 4)))
    air = AirBuilder("raw").add(replace(built, logup=fractions, batching=batching)).commit(0).commit(1)
    made = air.step("draw_felts", names=("shift",)).step("mix_claimed_sums").commit(2).build()
    public = {"factor": factor, "listed": PublicList((1, 5))}
    same(backend, made, Params(CONFIG, (6,), public=public), Trace((), ((np.arange(64, dtype=np.uint32),),)))


@pytest.mark.parametrize("log_size", [1, 2, 4])
def test_tables_of_few_rows(backend: OpenCLBackend, log_size: int) -> None:
    config = PcsConfig(2, 3, 4, 0, 1)
    same(backend, *wide_fibonacci(config, [(log_size, 4)]))
    same(backend, *wide_fibonacci(config, [(6, 4), (log_size, 3)]))


def large_air(constraints: int, lookups: int) -> Air:
    component = ComponentBuilder("large")
    columns = [component.column() for _ in range(20)]
    for k in range(constraints):
        x, y, z = columns[k % 20], columns[(3 * k + 1) % 20], columns[(7 * k + 2) % 20]
        component.constrain((x * y - y * x) * (z + k))
    for k in range(lookups):
        values = [columns[(k + m) % 20] + k for m in range(5)]
        component.lookup("R", 1, values)
        component.lookup("R", -1, values)
    air = AirBuilder("large", relations=(Relation("R", 6),)).add(component).commit(0).commit(1)
    return air.step("draw_relation", names=("R",)).step("mix_claimed_sums").commit(2).build()


@pytest.mark.slow
def test_a_large_graph_takes_several_kernels(backend: OpenCLBackend) -> None:
    air, params = large_air(400, 6), Params(CONFIG, (7,))
    places = {(1, k): (0, k) for k in range(20)} | {(2, k): (1, k) for k in range(24)}
    shape, _ = shape_of(air.components[0], Environment(air, params), places)
    assert len(constraint_program(shape).kernels) > 2
    columns = np.random.default_rng(3).integers(0, P, (20, 1 << 7), dtype=np.uint32)
    same(backend, air, params, Trace((), (tuple(columns),)))


def test_one_program_serves_all_challenges(backend: OpenCLBackend) -> None:
    compiled = []
    for pow_bits in (1, 2, 3):  # another configuration draws other values
        air, params, trace = plonk(replace(CONFIG, pow_bits=pow_bits), 7)
        prove(air, params, trace, backend=backend)
        compiled.append(len(backend.device._programs._programs))
    assert compiled[0] == compiled[1] == compiled[2] > 0


def test_a_zero_denominator_is_a_clear_error(backend: OpenCLBackend) -> None:
    component = ComponentBuilder("c")
    x = component.column()
    built = replace(component.build(), logup=(Fraction(None, x.index, (), x.index),), batching=(0,))
    air = AirBuilder("zero").add(built).commit(0).commit(1).commit(2).build()
    trace = Trace((), ((np.arange(16, dtype=np.uint32),),))
    with pytest.raises(TraceInvalid, match="denominator 0"):
        prove(air, Params(CONFIG, (4,)), trace, backend=backend)


def test_handles_without_their_counterparts_do_as_well(device: Device) -> None:
    """Polynomials that were never extended and evaluations without polynomials."""
    from bitsage.stark import NumpyBackend
    from bitsage.stark.deep import SampleGroup
    from bitsage.stark.layout import make_layout

    air, params, trace = wide_fibonacci(CONFIG, [(6, 5)])
    env, layout = Environment(air, params), make_layout(air, params)
    numpy, backend = NumpyBackend(), OpenCLBackend(device)
    powers = [(k, 1, 2, 3) for k in range(3)]
    host = numpy.interpolate(trace.trace[0])
    trees = [ColumnSet(), ColumnSet.of_matrix(Matrix.of(device, np.stack(host)))]
    made = backend.compose(env, trees, layout, powers)
    expected = numpy.compose(env, [[], host], layout, powers)
    assert all(np.array_equal(a.host(), b) for a, b in zip(made, expected, strict=True))
    group = SampleGroup(((1, 2, 3, 4), (5, 6, 7, 8)), (0, 0, 9, 9), [(k, (k, 1, 1, 1)) for k in range(5)])
    values = numpy.extend(host, 2)
    found = backend.quotients([group], [ColumnSet.of_matrix(Matrix.of(device, np.stack(values)))], 8)
    assert np.array_equal(found.host(), numpy.quotients([group], [values], 8))


@pytest.mark.parametrize("size", [16, 32, 64, pytest.param(128, marks=pytest.mark.slow)])
def test_matrix_products(backend: OpenCLBackend, size: int) -> None:
    a, b = generate_inputs(size, 3)
    c = product(a, b)
    params, trace = matmul.matmul_params(size, bytes(range(32)), bytes(32)), matmul.matmul_trace(a, b, c)
    same(backend, matmul.matmul_air(), params, trace, lambda drawn: matmul.interaction_columns(a, b, c, drawn))


@pytest.mark.slow
def test_wide_columns_beyond_one_tile(backend: OpenCLBackend) -> None:
    same(backend, *wide_fibonacci(matmul.CONFIG, [(16, 32)]))


def test_a_forged_proof_is_refused_as_numpys_is(backend: OpenCLBackend) -> None:
    air, params, trace = plonk(CONFIG, 6)
    column = trace.trace[0][1].copy()
    column[3] ^= 1
    broken = replace(trace, trace=((trace.trace[0][0], column, *trace.trace[0][2:]),))
    forged = prove(air, params, broken, backend=backend, check=False)
    with pytest.raises(ProofRefused) as error:
        verify(replace(air, checks=()), forged.params, forged.proof)
    assert error.value.reason == "oods_mismatch"
