"""No cell of a run's columns can be another: altered trace, lookup columns and claimed sums."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from samples import SAMPLES, program
from vm_forgery import (
    CELLS,
    NAMES,
    Claim,
    Judge,
    cell,
    changed,
    other_value,
    proof_is_accepted,
    seeded,
)

from bitsage.obelysk.vm.air import COMPONENTS, components
from bitsage.stark import P, ProofRefused, prove, verify
from bitsage.stark.fields import QM31, qadd, qneg
from bitsage.stark.numpy_backend import NumpyBackend


def test_the_honest_claim_is_accepted(claim: Claim) -> None:
    assert Judge(claim, 1).objection(claim.trace) is None
    assert proof_is_accepted(claim)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_runs_of_all_samples_satisfy_the_air(name: str) -> None:
    honest = Claim.of(program(name), SAMPLES[name][0])
    judge = Judge(honest, 5)
    assert judge.objection(honest.trace, known=False) is None


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_altered_cell_is_refused(claim: Claim, component: str) -> None:
    """The honest trace is the only one: all rows of small components, sampled rows of the tables."""
    chance = seeded()
    judge = Judge(claim, chance.randrange(2**32))
    for column in NAMES[component]:
        size = len(claim.trace.trace[COMPONENTS.index(component)][0])
        rows = range(size) if size <= 64 else [0, 1, size - 1, *(chance.randrange(size) for _ in range(5))]
        for row in rows:
            old = cell(claim.trace, component, column, row)
            forged = changed(claim.trace, component, column, row, other_value(chance, old))
            assert judge.objection(forged) is not None, (component, column, row, old)


def _refuse_columns(claim: Claim, cells: list[tuple[str, str]], chance: random.Random) -> None:
    for component, column in cells:
        rows = len(claim.trace.trace[COMPONENTS.index(component)][0])
        row = chance.randrange(rows)
        new = other_value(chance, cell(claim.trace, component, column, row))
        print(component, column, row, new)
        forged = Claim.__new__(Claim)
        forged.statement, forged.sizes, forged.air = claim.statement, claim.sizes, claim.air
        forged.trace = changed(claim.trace, component, column, row, new)
        assert not proof_is_accepted(forged), (component, column, row, new)


def test_real_proofs_of_altered_cells_are_refused(claim: Claim) -> None:
    chance = seeded()
    _refuse_columns(claim, chance.sample(CELLS, 3), chance)


@pytest.mark.slow
def test_real_proofs_of_altered_cells_are_refused_in_every_column(claim: Claim) -> None:
    _refuse_columns(claim, CELLS, seeded())


class _AlteringBackend(NumpyBackend):
    """Alters one cell of a component's lookup columns."""

    def __init__(self, component: int, column: int, row: int) -> None:
        self._where = component, column, row

    def logup_columns(self, env: Any, component: int, columns: Any) -> tuple[list[Any], QM31]:
        made, total = super().logup_columns(env, component, columns)
        if component == self._where[0]:
            _, k, row = self._where
            made[k] = made[k].copy()
            made[k][row] = (int(made[k][row]) + 1) % P
        return made, total


@pytest.mark.slow
def test_altered_lookup_columns_are_refused(claim: Claim) -> None:
    chance = seeded()
    for index, component in enumerate(components()):
        column = chance.randrange(len(component.interaction_masks))
        row = chance.randrange(1 << claim.sizes[index])
        print(component.name, column, row)
        assert not proof_is_accepted(claim, backend=_AlteringBackend(index, column, row))


def test_claimed_sums_that_only_balance_are_refused(claim: Claim) -> None:
    """The public check holds for altered sums that add up to the same; the lookup columns then do not."""
    params = claim.params()
    bundle = prove(claim.air, params, claim.trace)
    sums = list(bundle.params.claimed_sums)
    one: QM31 = (1, 0, 0, 0)
    sums[0], sums[1] = qadd(sums[0], one), qadd(sums[1], qneg(one))
    with pytest.raises(ProofRefused):
        verify(claim.air, replace(bundle.params, claimed_sums=tuple(sums)), bundle.proof)
    verify(claim.air, bundle.params, bundle.proof)
