"""Columns below the lifting size: which masks tie their copies together (spec stark.md sections 4 and 10)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bitsage.stark import (
    Air,
    AirBuilder,
    ComponentBuilder,
    P,
    Params,
    PcsConfig,
    ProofRefused,
    ProverError,
    Trace,
    layout,
    prove,
    verify,
)
from bitsage.stark.circle import coset_positions, generator_index, point
from bitsage.stark.vectors import U32

SHORT, LONG = 3, 5
CONFIG = PcsConfig(pow_bits=2, log_blowup_factor=1, n_queries=20)


def rotation_air(*, two_masks: bool) -> Air:
    """x turns by 2^-LONG of a circle from row to row and is nowhere 0; beside it a component of the full length.

    x' + x'' = 2 cos x holds cyclically on 2^LONG rows; on 2^SHORT rows only for x = 0.
    """
    twice_cosine = 2 * point(generator_index(LONG))[0]
    turning = ComponentBuilder("turning")
    if two_masks:
        before, now = turning.columns((-1, 0))
        again, after = turning.columns((0, 1))
        turning.constrain(now - again)
    else:
        before, now, after = turning.columns((-1, 0, 1))
    turning.constrain(after - now * twice_cosine + before)
    turning.constrain(now * turning.column() - 1)
    bits = ComponentBuilder("bits")
    bit = bits.column()
    bits.constrain(bit * bit - bit)
    return AirBuilder("rotation").add(turning).add(bits).step("mix_config").commit(0).commit(1).build()


def stored(rows: list[int]) -> U32:
    result = np.empty(len(rows), dtype=np.uint32)
    result[coset_positions(len(rows).bit_length() - 1)] = rows
    return result


def long_trace(air: Air) -> Trace:
    """A trace in which the short component has 2^LONG rows."""
    rows = [point(12345 + k * generator_index(LONG))[0] for k in range(1 << LONG)]
    x, inverse = stored(rows), stored([pow(v, -1, P) for v in rows])
    turning = (x, inverse) if len(air.components[0].trace) == 2 else (x, x, inverse)
    return Trace((), (turning, (np.zeros(1 << LONG, dtype=np.uint32),)))


@pytest.mark.parametrize("two_masks", [False, True])
def test_a_longer_cycle_does_not_pass_for_a_short_column(two_masks: bool) -> None:
    """The claim of 2^SHORT rows is false; a prover who commits 2^LONG rows in their place is refused."""
    air = rotation_air(two_masks=two_masks)
    claim = Params(CONFIG, (SHORT, LONG))
    forged = prove(air, replace(claim, log_sizes=(LONG, LONG)), long_trace(air))
    verify(air, forged.params, forged.proof)
    with pytest.raises(ProofRefused) as error:
        verify(air, claim, forged.proof)
    # With two offsets the quotients compare the copies, and the committed FRI layer is not theirs; with three
    # offsets nothing would.
    assert error.value.reason == ("merkle_root" if two_masks else "mask_not_periodic")


def test_without_the_rule_the_false_claim_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule is needed: without it the verifier accepts what no trace satisfies (and so does the Rust verifier)."""
    air = rotation_air(two_masks=False)
    claim = Params(CONFIG, (SHORT, LONG))
    forged = prove(air, replace(claim, log_sizes=(LONG, LONG)), long_trace(air))
    monkeypatch.setattr(layout, "_check_masks", lambda *_: None)
    verify(air, claim, forged.proof)


def test_the_prover_says_so_too() -> None:
    air = rotation_air(two_masks=False)
    with pytest.raises(ProverError, match="mask_not_periodic"):
        prove(air, Params(CONFIG, (SHORT, LONG)), long_trace(air))


def test_a_lifting_size_above_the_trace_makes_every_column_short() -> None:
    component = ComponentBuilder("c")
    before, now, after = component.columns((-1, 0, 1))
    component.constrain((before - now) * (now - after))
    constant = component.preprocessed("constant")
    component.constrain(constant - 1)
    air = AirBuilder("lifted", preprocessed=("constant",)).add(component).commit(0).commit(1).build()
    ones = np.ones(32, dtype=np.uint32)
    trace = Trace((ones,), ((ones,),))
    for lifting, fits in ((6, True), (8, False)):
        params = Params(replace(CONFIG, lifting_log_size=lifting), (5,), (5,))
        if fits:
            made = prove(air, params, trace)
            verify(air, made.params, made.proof)
        else:
            with pytest.raises(ProverError, match="mask_not_periodic"):
                prove(air, params, trace)
