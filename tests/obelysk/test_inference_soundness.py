"""The inference AIR against provers that cheat: every column altered, and forgeries with columns to match.

The cheating prover skips its own checks; the configuration asks for little work, because what has to refuse here are
the constraints at the out-of-domain point and the pinned root, not the number of queries.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from bitsage.obelysk.inference import InferenceJob, Prediction, default_model
from bitsage.obelysk.inference.air import PREPROCESSED, _layers, _multiplicity, fixed_columns, inference_air
from bitsage.obelysk.inference.model import classes_of
from bitsage.obelysk.statement import stored
from bitsage.stark import NumpyBackend, P, Params, PcsConfig, Proof, ProofRefused, Trace, prove, verify
from bitsage.stark.circle import coset_positions
from bitsage.stark.fields import QM31

JOB = InferenceJob()
MODEL = default_model()
BINDING = bytes(range(32))
REQUEST = {"model": MODEL.hash.hex(), "digits": "0-15"}
CONFIG = PcsConfig(pow_bits=4, log_blowup_factor=1, n_queries=3, fold_step=3)
LENGTH, SIZE = 128, 1 << 14
TRACE = ("sign", "low", "high", "rest", "y", "v", "multiplicity")
INTERACTION = [f"{name}{k}" for name in ("p", "q", "a", "b", "u", "d") for k in range(4)]
Columns = list[Any]
Alter = Callable[[Columns], None]


class LogupTamper(NumpyBackend):
    """Alters one LogUp column in one row."""

    def __init__(self, column: int, row: int, delta: int) -> None:
        self._place = column, row, delta

    def logup_columns(self, env: Any, component: int, columns: Any) -> Any:
        made, claimed = super().logup_columns(env, component, columns)
        column, row, delta = self._place
        made[column] = made[column].copy()
        made[column][row] = (int(made[column][row]) + delta) % P
        return made, claimed


def cheat(
    output: Prediction | None = None,
    *,
    selectors: Alter | None = None,
    trace: Alter | None = None,
    interaction: Alter | None = None,
    backend: NumpyBackend | None = None,
) -> Proof:
    """A proof of the output for the request by a prover that alters columns and skips its checks."""
    output = output or JOB.run(REQUEST)
    known, columns = list(JOB.selectors(REQUEST, output)), list(JOB.trace(REQUEST, output))
    if selectors is not None:
        selectors(known)
    if trace is not None:
        trace(columns)

    def make(challenges: Mapping[str, QM31]) -> list[Columns]:
        from bitsage.obelysk.inference.air import interaction_columns

        order = coset_positions(14)
        weight, y, v = known[3][order], columns[4][order], columns[5][order]
        made = interaction_columns(LENGTH, weight, y, v, challenges)
        if interaction is not None:
            interaction(made)
        return [made]

    params = replace(JOB.statement(REQUEST, BINDING)[1], config=CONFIG, preprocessed_root=None)
    made = prove(
        inference_air(),
        params,
        Trace(tuple(known), (tuple(columns),)),
        interaction=make,
        check=False,
        backend=backend,
    )
    return made.proof


@lru_cache(maxsize=1)
def honest() -> tuple[Params, Proof]:
    """The statement of the true output under CONFIG, and its proof."""
    proof = cheat()
    params = JOB.statement(REQUEST, BINDING)[1]
    return replace(params, config=CONFIG, preprocessed_root=proof.commitments[0]), proof


def refusal(proof: Proof) -> str:
    with pytest.raises(ProofRefused) as error:
        verify(inference_air(), honest()[0], proof)
    return error.value.reason


def spot(low: int = 0, high: int = SIZE) -> tuple[int, int]:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    return chance.randrange(low, high), chance.randrange(1, P)


def bump(column: int, row: int, delta: int) -> Alter:
    def alter(columns: Columns) -> None:
        columns[column] = columns[column].copy()
        columns[column][row] = (int(columns[column][row]) + delta) % P

    return alter


def test_the_cheating_prover_is_accepted_when_it_does_not_cheat() -> None:
    params, proof = honest()
    verify(inference_air(), params, proof)


@pytest.mark.parametrize("column", range(len(TRACE)), ids=TRACE)
def test_every_trace_column_altered_at_a_random_row_is_refused(column: int) -> None:
    assert refusal(cheat(trace=bump(column, *spot()))) == "oods_mismatch"


@pytest.mark.slow
@pytest.mark.parametrize("column", range(len(INTERACTION)), ids=INTERACTION)
def test_every_interaction_column_altered_at_a_random_row_is_refused(column: int) -> None:
    assert refusal(cheat(interaction=bump(column, *spot()))) == "oods_mismatch"


@pytest.mark.slow
@pytest.mark.parametrize("column", range(8))
def test_every_lookup_column_altered_at_a_random_row_is_refused(column: int) -> None:
    assert refusal(cheat(backend=LogupTamper(column, *spot()))) == "oods_mismatch"


@pytest.mark.parametrize("column", range(len(PREPROCESSED)), ids=PREPROCESSED)
def test_every_preprocessed_column_altered_at_a_random_row_is_another_root(column: int) -> None:
    assert refusal(cheat(selectors=bump(column, *spot()))) == "preprocessed_root_mismatch"


def node_row(node: int, image: int) -> int:
    """Storage position of a cell."""
    return int(coset_positions(14)[node * LENGTH + image])


def recount(columns: Columns) -> None:
    """Multiplicities that fit the altered columns as far as the table has their values."""
    fixed = fixed_columns(MODEL, LENGTH)
    inside = [c if int(c.max()) < 1 << 12 else np.where(c < 1 << 12, c, 0).astype(np.uint32) for c in columns[:4]]
    columns[6] = _multiplicity(fixed, inside)


def hidden_cell(negative: bool) -> tuple[int, int]:
    """A hidden unit and an image where its shifted sum is negative, or positive."""
    sign, low = (JOB.trace(REQUEST, JOB.run(REQUEST))[k] for k in (0, 1))
    for node in range(_layers(MODEL)[0].start, _layers(MODEL)[0].stop):
        for image in range(16):
            row = node_row(node, image)
            if bool(sign[row]) == negative and low[row] > 1:
                return node, image
    raise AssertionError("there is none")


def forge(cell: tuple[int, int], **values: int) -> Alter:
    """Set a cell's columns, then let multiplicities follow."""

    def alter(columns: Columns) -> None:
        for name, value in values.items():
            index = TRACE.index(name)
            columns[index] = columns[index].copy()
            columns[index][node_row(*cell)] = value % P
        recount(columns)

    return alter


def cell_values(cell: tuple[int, int]) -> dict[str, int]:
    columns = JOB.trace(REQUEST, JOB.run(REQUEST))
    return {name: int(column[node_row(*cell)]) for name, column in zip(TRACE, columns, strict=True)}


def test_a_negative_sum_cannot_pass_for_a_positive_one() -> None:
    """y + scale/2 = scale * q + rest also has solutions mod p with sign 0: all of them leave the tables."""
    cell = hidden_cell(negative=True)
    scale = 1 << MODEL.layers[0].shift
    true = cell_values(cell)
    q = (true["y"] + scale // 2 - true["rest"]) * pow(scale, -1, P) % P
    high, low = divmod(q, 1 << 12)
    forged = forge(cell, sign=0, low=low, high=high, v=q)
    assert refusal(cheat(trace=forged)) == "oods_mismatch"
    assert refusal(cheat(trace=forge(cell, sign=0, low=q, high=0, v=q))) == "oods_mismatch"


def test_a_positive_value_cannot_be_dropped_by_its_sign() -> None:
    cell = hidden_cell(negative=False)
    true = cell_values(cell)
    magnitude = true["low"]
    # -1 - h' = h mod p: the magnitude p - 1 - h is far outside the tables.
    high, low = divmod((-1 - magnitude) % P, 1 << 12)
    assert refusal(cheat(trace=forge(cell, sign=1, low=low, high=high, v=0))) == "oods_mismatch"
    assert refusal(cheat(trace=forge(cell, sign=1, v=0))) == "oods_mismatch"


@pytest.mark.parametrize("steps", [1, -1, 5])
def test_the_rest_of_a_shift_cannot_leave_its_width(steps: int) -> None:
    """One more in the quotient and 2^shift less in the rest is the same sum."""
    cell = hidden_cell(negative=False)
    true, scale = cell_values(cell), 1 << MODEL.layers[0].shift
    low = true["low"] + steps
    assert refusal(cheat(trace=forge(cell, low=low, rest=true["rest"] - steps * scale, v=low))) == "oods_mismatch"


def test_a_wrong_sum_with_its_own_decomposition_is_refused() -> None:
    """Everything in the row fits; the equation between the layers does not."""
    cell = hidden_cell(negative=False)
    true, scale = cell_values(cell), 1 << MODEL.layers[0].shift
    forged = forge(cell, y=true["y"] + scale, low=true["low"] + 1, v=true["v"] + 1)
    assert refusal(cheat(trace=forged)) == "oods_mismatch"


def test_values_outside_of_the_networks_units_are_refused() -> None:
    """A pixel's, the constant's, an output's and an unused node's value, in used and unused positions."""
    output = _layers(MODEL)[-1].start
    for node, image in ((3, 2), (MODEL.inputs, 20), (output, 1), (127, 127)):
        cell = node, image
        value = cell_values(cell)["v"] + 1
        assert refusal(cheat(trace=forge(cell, v=value))) == "oods_mismatch"
        assert refusal(cheat(trace=forge(cell, low=1, v=value))) == "oods_mismatch"


def test_wrong_logits_with_a_trace_to_match_are_another_root() -> None:
    output = JOB.run(REQUEST)
    logits = output.logits.copy()
    logits[0, 0] += 1
    assert refusal(cheat(Prediction(logits, classes_of(logits)))) == "preprocessed_root_mismatch"

    def true_logits(columns: Columns) -> None:
        columns[5] = JOB.selectors(REQUEST, output)[5]

    # With the pinned tree but a trace of the wrong logits.
    forged = cheat(Prediction(logits, classes_of(logits)), selectors=true_logits)
    assert refusal(forged) == "oods_mismatch"


def test_running_sums_that_are_shifted_as_a_whole_are_refused() -> None:
    def shift(columns: Columns) -> None:
        columns[20] = ((columns[20].astype(np.uint64) + 5) % P).astype(np.uint32)

    assert refusal(cheat(interaction=shift)) == "oods_mismatch"


def test_another_claimed_sum_is_refused() -> None:
    """A lookup too many, hidden in a claimed sum that is not 0: the statement pins it to 0."""
    cell = 3, 2
    air = inference_air()
    params, _ = honest()
    columns = list(JOB.trace(REQUEST, JOB.run(REQUEST)))
    forge(cell, multiplicity=cell_values(cell)["multiplicity"] + 1)(columns)
    bump(6, node_row(*cell), 1)(columns)
    proof = cheat(trace=lambda c: c.__setitem__(6, columns[6]))
    assert refusal(proof) == "oods_mismatch"
    for claimed in ((1, 0, 0, 0), (0, 0, 0, 1)):
        with pytest.raises(ProofRefused):
            verify(air, replace(params, claimed_sums=(claimed,)), honest()[1])


def test_public_values_are_bound() -> None:
    params, proof = honest()
    for name, value in (("images", 15), ("images", 17)):
        with pytest.raises(ProofRefused) as error:
            verify(inference_air(), replace(params, public={**params.public, name: value}), proof)
        assert error.value.reason == "oods_mismatch"
    other = JOB.statement(REQUEST, bytes(32))[1]
    with pytest.raises(ProofRefused):
        verify(inference_air(), replace(params, public=other.public), proof)


def test_the_graph_without_any_one_constraint_refuses_an_honest_proof() -> None:
    params, proof = honest()
    air = inference_air()
    component = air.components[0]
    for k in range(len(component.constraints)):
        rest = component.constraints[:k] + component.constraints[k + 1 :]
        changed = replace(air, components=(replace(component, constraints=rest),))
        with pytest.raises(ProofRefused):
            verify(changed, params, proof)


def test_stored_columns_are_where_node_row_says() -> None:
    cells = np.arange(SIZE, dtype=np.uint32)
    assert stored(cells)[node_row(5, 77)] == 5 * LENGTH + 77
