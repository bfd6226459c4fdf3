"""Fiat-Shamir: what the transcripts bind, and what comes of it when they do not (spec stark.md section 19.2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mutation import ACCEPTED, AIRS, QUICK, instance, judged

from bitsage.obelysk import JOB_TYPES
from bitsage.stark import (
    QM31,
    Air,
    AirBuilder,
    ClaimedSumOf,
    ComponentBuilder,
    LogSizeOf,
    NumpyBackend,
    Params,
    PcsConfig,
    PublicValue,
    Trace,
    prove,
)
from bitsage.stark.audit import transcript_gaps
from bitsage.stark.fields import qmul
from bitsage.stark.graph import Step
from bitsage.stark.prover import Prover
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

#: The published examples keep the transcripts of their authors, gaps included.
PUBLISHED_GAPS = {
    "wide_fibonacci": ["the size of component 'wf6'"],
    "wide_fibonacci_two": ["the size of component 'wf4'", "the size of component 'wf5'"],
    "cube": [],
    "plonk": [],
    "state_machine": ["the public value 'initial[0]'", "the public value 'initial[1]'"],
    "xor": [],
    "simple": [
        "no check reads the claimed sum of component 'row_const_long'",
        "no check reads the claimed sum of component 'row_const_short'",
    ],
}


@pytest.mark.parametrize("name", PUBLISHED_GAPS)
def test_the_gaps_of_the_published_examples_are_known(name: str) -> None:
    made = instance(name, QUICK)
    assert made is not None
    gaps = transcript_gaps(made.air)
    assert len(gaps) == len(PUBLISHED_GAPS[name]), gaps
    assert all(gap.startswith(known) for gap, known in zip(gaps, PUBLISHED_GAPS[name], strict=True)), gaps


@pytest.mark.parametrize("name", [n for n in AIRS if n not in PUBLISHED_GAPS])
def test_our_own_airs_leave_nothing_open(name: str) -> None:
    made = instance(name, QUICK)
    assert made is not None
    assert transcript_gaps(made.air) == ()


def test_every_job_type_is_among_the_attacked_airs() -> None:
    """A job type whose AIR is not in interop/instances.py would escape these tests."""
    assert set(JOB_TYPES) <= set(AIRS)


def scaled_air(*steps: Step) -> Air:
    """x * s = total in every row, x the trace, s drawn after it, total public; `steps` bind what they bind."""
    component = ComponentBuilder("scaled")
    x = component.column()
    flag = component.preprocessed("flag")
    # An explicit column keeps the interaction tree in the game.
    y = component.secure_column()[0]
    component.constrain(y - x * component.challenge("s"))
    component.constrain(flag * (y - component.public("total")))
    air = AirBuilder("scaled", preprocessed=("flag",)).add(component).step("mix_config")
    built = air.commit(0).commit(1).step("draw_felt", names=("s",)).commit(2).build()
    return replace(built, transcript=(*built.transcript[:1], *steps, *built.transcript[1:]))


class _AdaptiveProver(Prover):
    """Chooses the public value `total` when it has seen s: whatever makes its own trace right."""

    total: QM31

    def _explicit_columns(self, env: Environment) -> list[list[U32]]:
        self.total = qmul(env.challenge("s"), (5, 0, 0, 0))
        env.params = replace(env.params, public={"total": self.total})
        return super()._explicit_columns(env)


def test_an_unbound_public_value_is_chosen_after_the_challenge() -> None:
    """The attack works on the AIR that the audit warns of, and not on the one that absorbs the value."""
    weak = scaled_air()
    assert transcript_gaps(weak) == ("the public value 'total' is not absorbed before the first challenge",)
    bound = scaled_air(Step("mix_felts", values=(PublicValue("total"),)))
    assert transcript_gaps(bound) == ()
    ones = np.ones(16, dtype=np.uint32)
    params = Params(PcsConfig(4, 1, 20), (4,), (4,), public={"total": (9, 9, 9, 9)})
    trace = Trace((ones,), ((ones * np.uint32(5),),))
    verdicts = []
    for air in (weak, bound):
        cheat = _AdaptiveProver(air, params, trace, None, NumpyBackend(), None, True, True)
        bundle = cheat.run()
        claim = replace(bundle.params, public={"total": cheat.total})
        verdicts.append(judged(air, claim, bundle.proof))
    assert verdicts == [ACCEPTED, "oods_mismatch"]


BASE = scaled_air(Step("mix_felts", values=(PublicValue("total"),)))


def without(air: Air, op: str) -> Air:
    return replace(air, transcript=tuple(step for step in air.transcript if step.op != op))


def looked_up(*, mixed: bool = True, checked: bool = True) -> Air:
    made = instance("plonk", QUICK)
    assert made is not None
    air = made.air if mixed else without(made.air, "mix_claimed_sums")
    return air if checked else replace(air, checks=())


@pytest.mark.parametrize(
    ("air", "gap"),
    [
        (without(BASE, "mix_config"), "the configuration is not absorbed"),
        (without(BASE, "mix_felts"), "the public value 'total' is not absorbed"),
        (replace(BASE, transcript=BASE.transcript[4:5] + BASE.transcript[:4] + BASE.transcript[5:]), "drawn before"),
        (replace(BASE, transcript=(*BASE.transcript, Step("draw_felt", names=("late",)))), "drawn after"),
        (looked_up(mixed=False), "claimed sum of component 'plonk' is not absorbed"),
        (looked_up(checked=False), "no check reads the claimed sum of component 'plonk'"),
        (replace(BASE, checks=looked_up().checks), "which has no lookups to fix it"),
        (replace(looked_up(), preprocessed=(), components=(replace(looked_up().components[0], preprocessed=()),)),
         "the size of component 'plonk'"),
    ],
)  # fmt: skip
def test_every_gap_has_its_sentence(air: Air, gap: str) -> None:
    assert any(gap in sentence for sentence in transcript_gaps(air)), transcript_gaps(air)


def test_sums_may_be_absorbed_one_by_one_and_sizes_as_numbers() -> None:
    air = without(looked_up(), "mix_claimed_sums")
    steps = (*air.transcript[:-1], Step("mix_felts", values=(ClaimedSumOf(0),)), air.transcript[-1])
    assert transcript_gaps(replace(air, transcript=steps)) == ()
    made = instance("wide_fibonacci", QUICK)
    assert made is not None
    steps = (Step("mix_u64", values=(LogSizeOf(0),)), *made.air.transcript)
    assert transcript_gaps(replace(made.air, transcript=steps)) == ()
    prove(replace(made.air, transcript=steps), made.params, made.trace)
