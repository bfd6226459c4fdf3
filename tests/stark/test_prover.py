"""The prover: masks, its own checks, its errors, the builder, and the backend protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from masks import MASKS, shifted_products

from bitsage.stark import (
    AirBuilder,
    Backend,
    CheckBuilder,
    ComponentBuilder,
    NumpyBackend,
    P,
    Params,
    PcsConfig,
    ProofRefused,
    ProverError,
    PublicValue,
    Relation,
    Trace,
    TraceInvalid,
    prove,
    verify,
)
from bitsage.stark.examples import cube, plonk, simple, state_machine, wide_fibonacci, xor
from bitsage.stark.fields import qinv, qmul
from bitsage.stark.graph import Air, Fraction, Step

CONFIG = PcsConfig(pow_bits=3, n_queries=5)


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("sizes", [[5], [5, 3]])
def test_every_kind_of_mask(masks: Any, sizes: list[int]) -> None:
    air, params, trace = shifted_products(masks, sizes)
    if len(masks[0]) > 2 and len(sizes) > 1:
        # Nothing proves such a column to repeat with its own length (tests/soundness/test_masks.py).
        with pytest.raises(ProverError, match="mask_not_periodic"):
            prove(air, params, trace)
        return
    made = prove(air, params, trace)
    verify(air, made.params, made.proof)
    column = trace.trace[-1][0].copy()
    column[3] ^= 1
    broken = replace(trace, trace=(*trace.trace[:-1], (column, *trace.trace[-1][1:])))
    with pytest.raises(TraceInvalid):
        prove(air, params, broken)
    forged = prove(air, params, broken, check=False)
    with pytest.raises(ProofRefused) as error:
        verify(air, forged.params, forged.proof)
    assert error.value.reason == "oods_mismatch"


CONFIGS = [
    PcsConfig(2, 1, 3, 0, 1),
    PcsConfig(2, 1, 20, 2, 2),
    PcsConfig(2, 2, 12, 0, 3),
    PcsConfig(2, 3, 8, 1, 4),
    PcsConfig(2, 4, 60, 3, 2),
    PcsConfig(0, 2, 1, 0, 5),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(
    "make",
    [
        lambda c: wide_fibonacci(c, [(7, 20), (6, 3), (7, 2)]),
        lambda c: plonk(c, 8, mul_every=5),
        lambda c: state_machine(c, 7, (3, P - 2)),
        lambda c: xor(c, 3, 6),
        lambda c: xor(c, 4, 7),
        lambda c: simple(replace(c, lifting_log_size=7 + c.log_blowup_factor + 1), 7, 5),
        lambda c: cube(replace(c, lifting_log_size=9 + c.log_blowup_factor), 7),
    ],
)
def test_configurations_and_sizes(config: PcsConfig, make: Any) -> None:
    try:
        air, params, trace = make(config)
        made = prove(air, params, trace)
    except ProverError as error:
        assert "fold step" in str(error) or "lower" in str(error)  # noqa: PT017
        return
    verify(air, made.params, made.proof.to_bytes())
    verify(air, made.params, made.proof.to_json_bytes())


def test_the_first_violated_row_and_constraint_are_named() -> None:
    air, params, trace = wide_fibonacci(CONFIG, [(6, 5)])
    column = trace.trace[0][3].copy()
    column[0] ^= 1  # stored position 0 is row 0
    broken = Trace((), ((*trace.trace[0][:3], column, trace.trace[0][4]),))
    with pytest.raises(TraceInvalid, match=r"component 'wf5': constraint 1 is violated in row 0"):
        prove(air, params, broken)


def test_a_missing_lookup_entry_is_named() -> None:
    air, params, trace = xor(CONFIG, 3, 6)
    column = trace.trace[1][2].copy()
    column[7] ^= 1
    broken = replace(trace, trace=(trace.trace[0], (*trace.trace[1][:2], column)))
    with pytest.raises(TraceInvalid, match="total"):
        prove(air, params, broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: replace(t, trace=()), "components"),
        (lambda t: replace(t, trace=(t.trace[0][:-1],)), "columns are expected"),
        (lambda t: replace(t, trace=((*t.trace[0][:-1], t.trace[0][0][:-1]),)), "uint32 values"),
        (lambda t: replace(t, trace=((*t.trace[0][:-1], t.trace[0][0].astype(np.int64)),)), "uint32 values"),
        (lambda t: replace(t, trace=((*t.trace[0][:-1], np.full_like(t.trace[0][0], P)),)), "not below p"),
        (lambda t: replace(t, preprocessed=(t.trace[0][0],)), "preprocessed"),
    ],
)
def test_traces_that_do_not_fit(change: Any, message: str) -> None:
    air, params, trace = wide_fibonacci(CONFIG, [(6, 5)])
    with pytest.raises(ProverError, match=message):
        prove(air, params, change(trace))


def test_other_claimed_sums_than_the_given_ones_are_refused() -> None:
    air, params, trace = plonk(CONFIG, 5)
    with pytest.raises(TraceInvalid, match="claimed sums"):
        prove(air, replace(params, claimed_sums=((1, 2, 3, 4),)), trace)


def test_a_zero_denominator_is_a_clear_error() -> None:
    component = ComponentBuilder("c")
    x = component.column()
    component.lookup("R", 1, (x,))
    built = replace(component.build(), logup=(Fraction(None, 0, (), 0),))
    air = AirBuilder("zero", relations=(Relation("R", 1),)).add(built).commit(0).commit(1).commit(2).build()
    trace = Trace((), ((np.arange(16, dtype=np.uint32),),))
    with pytest.raises(TraceInvalid, match="denominator 0"):
        prove(air, Params(CONFIG, (4,)), trace)


def raw_fraction_air(batching: tuple[int, ...]) -> Air:
    """sum of 1/(x+k) over three raw fractions, compared with a public QM31."""
    component = ComponentBuilder("raw")
    x = component.column()
    shift = component.challenge("shift")
    nodes = [component.wrap(1), *(x + shift + k for k in range(3)), x + shift * component.public("factor")]
    built = component.build()
    fractions = tuple(Fraction(None, nodes[0].index, (), nodes[k].index) for k in (1, 2, 4))
    built = replace(built, logup=fractions, batching=batching)
    air = AirBuilder("raw").add(built).step("mix_config").commit(0).commit(1)
    return air.step("draw_felts", names=("shift", "unused", "other")).step("mix_claimed_sums").commit(2).build()


@pytest.mark.parametrize("batching", [(0, 0, 1), (0, 1, 2), (1, 0, 0), (1, 0, 1)])
def test_raw_fractions_in_any_batching(batching: tuple[int, ...]) -> None:
    air = raw_fraction_air(batching)
    assert Air.from_json(air.to_json()) == air
    params = Params(CONFIG, (6,), public={"factor": (1, 0, 0, 0)})
    trace = Trace((), ((np.arange(64, dtype=np.uint32),),))
    made = prove(air, params, trace)
    verify(air, made.params, made.proof)
    sums = {prove(raw_fraction_air(b), params, trace).proof.commitments[1] for b in ((0, 0, 1), batching)}
    assert len(sums) == 1


def test_public_checks_reach_every_operator() -> None:
    air, params, trace = plonk(CONFIG, 5, mul_every=3)
    check = CheckBuilder()
    two = check.public("two")
    product = two * check.inverse(two) - 1
    listed = check.public("list", 1) + -check.public("list", 0) - check.rows(0)
    air = replace(air, checks=(*air.checks, check.zero("operators", product, listed)))
    from bitsage.stark import PublicList

    public = {"two": (2, 0, 0, 0), "list": PublicList((5, 37))}
    made = prove(air, replace(params, public=public), trace)
    verify(air, made.params, made.proof)
    zero = {**public, "two": 0}
    with pytest.raises(ProofRefused) as error:
        verify(air, replace(made.params, public=zero), made.proof)
    assert error.value.reason == "check_failed"


def test_explicit_columns_come_from_a_maker_or_from_the_constraints() -> None:
    component = ComponentBuilder("c")
    component.constrain(component.secure_column()[0] - component.challenge("s"))
    air = AirBuilder("explicit").add(component).commit(0).commit(1).step("draw_felt", names=("s",)).commit(2).build()
    air = replace(air, components=(replace(air.components[0], trace=((0,),)),))
    params, trace = Params(CONFIG, (4,)), Trace((), ((np.zeros(16, dtype=np.uint32),),))

    def columns(challenges: Any) -> Any:
        return [[np.full(16, c, dtype=np.uint32) for c in challenges["s"]]]

    made = prove(air, params, trace, interaction=columns)
    verify(air, made.params, made.proof)
    assert prove(air, params, trace) == made
    with pytest.raises(ProverError, match="4 columns"):
        prove(air, params, trace, interaction=lambda ch: [columns(ch)[0][:3]])


def test_public_values_bind_the_transcript() -> None:
    air, params, trace = wide_fibonacci(CONFIG, [(6, 5)])
    air = replace(air, transcript=(Step("mix_u32s", values=(PublicValue("job"),)), *air.transcript))
    made = prove(air, replace(params, public={"job": 7}), trace)
    verify(air, made.params, made.proof)
    with pytest.raises(ProofRefused):
        verify(air, replace(made.params, public={"job": 8}), made.proof)
    with pytest.raises(ProofRefused) as error:
        verify(air, replace(made.params, public={"job": (1, 2, 3, 4)}), made.proof)
    assert error.value.reason == "public_value_missing"


def test_the_numpy_backend_fulfils_the_protocol() -> None:
    backend: Backend = NumpyBackend()
    names = {name for name in vars(Backend) if not name.startswith("_")}
    assert {name for name in names if not hasattr(backend, name)} == set()
    assert qmul((5, 6, 7, 8), qinv((5, 6, 7, 8))) == (1, 0, 0, 0)


def test_public_names_agree_with_all() -> None:
    import bitsage.obelysk
    import bitsage.stark

    for room in (bitsage.stark, bitsage.obelysk):
        assert sorted(room.__all__) == sorted(set(room.__all__))
        assert all(hasattr(room, name) for name in room.__all__)
