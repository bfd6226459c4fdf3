"""No proof without the run: altered cells, forged runs, other statements."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from forgery import BINDING, CELLS, NAMES, Claim, Judge, cell, changed, cpu_row, proof_is_accepted
from programs import EVERYTHING, EVERYTHING_INPUT, OVERWRITE
from samples import SAMPLES, program

from bitsage.obelysk.vm import Execution, assemble, run
from bitsage.obelysk.vm.air import COMPONENTS, RELATIONS, components, vm_air
from bitsage.obelysk.vm.micro import lower
from bitsage.obelysk.vm.statement import MAX_CYCLES_LOG, Statement, limbs
from bitsage.obelysk.vm.trace import BYTES_LOG, TABLE_LOG
from bitsage.stark import P, ProofRefused, PublicList, PublicValue, Trace, prove, verify
from bitsage.stark.fields import QM31, qadd, qneg
from bitsage.stark.layout import make_layout
from bitsage.stark.numpy_backend import NumpyBackend


@pytest.fixture(scope="module")
def claim() -> Claim:
    return Claim.of(assemble(EVERYTHING), EVERYTHING_INPUT)


def seeded() -> random.Random:
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def other_value(chance: random.Random, old: int) -> int:
    new = old
    while new == old:
        new = chance.choice([old + 1, old - 1, 0, 1, 2 * old, chance.randrange(P)]) % P
    return new


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
    picked = [(name, chance.choice(NAMES[name])) for name in COMPONENTS]
    _refuse_columns(claim, picked, chance)


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


def picked(execution: Execution, order: list[int]) -> Execution:
    """The cycles of a run in another order, or fewer, or more of them."""
    return replace(execution, **{name: getattr(execution, name)[order] for name in ("pc", "a", "b", "c")})


def _orders(count: int, chance: random.Random) -> dict[str, list[int]]:
    k = chance.randrange(1, count - 2)
    rows = list(range(count))
    return {
        "skipped": rows[:k] + rows[k + 1 :],
        "repeated": rows[: k + 1] + rows[k:],
        "reordered": [*rows[:k], k + 1, k, *rows[k + 2 :]],
        "no start": rows[1:],
        "no halt": rows[:-1],
    }


@pytest.mark.parametrize("what", ["skipped", "repeated", "reordered", "no start", "no halt"])
def test_another_sequence_of_cycles_is_refused(what: str) -> None:
    """The forged run's trace is otherwise consistent: previous times, final memory and counts are its own."""
    chance = seeded()
    for name in ("fibonacci", "sort"):
        honest = run(program(name), SAMPLES[name][0])
        for _ in range(4):
            forged = picked(honest, _orders(honest.cycles, chance)[what])
            made = Claim(forged)
            assert Judge(made, 3).objection(made.trace, known=False) is not None
    assert not proof_is_accepted(made)


def test_a_run_that_ends_in_the_middle_is_refused_with_a_halt_put_behind_it() -> None:
    honest = run(program("fibonacci"), [20])
    rows = [*range(50), honest.cycles - 1]
    assert not proof_is_accepted(Claim(replace(picked(honest, rows), outputs=())))


def test_a_stale_read_is_refused_however_it_is_linked() -> None:
    """The program writes 7; the forger claims that it wrote the 0 that stood in r1 before."""
    honest = run(assemble(OVERWRITE))
    a, c = honest.a.copy(), honest.c.copy()
    a[1] = c[1] = 0
    forged = Claim(replace(honest, a=a, c=c, outputs=(0,)))
    first, second = cpu_row(forged.trace, 0), cpu_row(forged.trace, 1)

    def verdicts(trace: Trace) -> None:
        forged.trace = trace
        assert not proof_is_accepted(forged)

    as_linked = forged.trace
    verdicts(as_linked)
    # The read takes the initial value, which the write before it has used up already.
    verdicts(changed(as_linked, "cpu", "time_a", second, 0))
    # The read comes before the write in the chain of r1: all values fit, but time runs backwards there.
    backwards = changed(as_linked, "cpu", "time_a", second, 0)
    backwards = changed(backwards, "cpu", "time_c", first, 4)
    backwards = changed(backwards, "memory", "value", 1, 7)
    backwards = changed(backwards, "memory", "time", 1, 3)
    difference = 3 - 4 - 1
    backwards = changed(backwards, "cpu", "high_c", first, difference * pow(1 << 16, -1, P))
    # Low parts of the differences: 2 and 0 are no longer used, 3 and 0 are.
    backwards = _with_uses(_with_uses(backwards, "words", "uses16", 2, -1), "words", "uses16", 3, 1)
    backwards = _with_uses(backwards, "bytes", "uses", 0, -1)
    # The forgery is complete but for the high part, which is no byte.
    assert Judge(forged, 4).objections(backwards) == {"Range8"}
    verdicts(backwards)


def _with_uses(trace: Trace, component: str, column: str, row: int, more: int) -> Trace:
    return changed(trace, component, column, row, cell(trace, component, column, row) + more)


def test_multiplicities_cannot_pay_for_what_is_not_in_a_table(claim: Claim) -> None:
    chance = seeded()
    for component, column in (("program", "uses"), ("words", "uses16"), ("words", "uses_and"), ("bytes", "uses")):
        used = np.flatnonzero(claim.trace.trace[COMPONENTS.index(component)][NAMES[component].index(column)])
        row = int(chance.choice(used.tolist()))
        forged = Claim.__new__(Claim)
        forged.statement, forged.sizes, forged.air = claim.statement, claim.sizes, claim.air
        forged.trace = _with_uses(claim.trace, component, column, row, chance.choice([-1, 1]))
        assert not proof_is_accepted(forged)


def test_padding_rows_cannot_carry_effects(claim: Claim) -> None:
    """A second WRITE behind the HALT, and copies of rows of the chips, as complete as the forger can make them."""
    judge = Judge(claim, 9)
    source, target = cpu_row(claim.trace, 16), cpu_row(claim.trace, 30)
    assert cell(claim.trace, "cpu", "is_halt", cpu_row(claim.trace, 23)) == 1
    forged = claim.trace
    for column in NAMES["cpu"]:
        forged = changed(forged, "cpu", column, target, cell(claim.trace, "cpu", column, source))
    assert judge.objection(forged) is not None
    for component in ("storage", "tape", "compare", "bitwise"):
        forged = claim.trace
        for column in NAMES[component]:
            forged = changed(forged, component, column, 15, cell(claim.trace, component, column, 0))
        assert cell(claim.trace, component, "clock", 15) == 0
        assert judge.objection(forged) is not None, component


def test_second_forms_of_a_word_are_refused() -> None:
    """0 as the integer p in comparison and bitwise functions: LT would turn around, AND would change."""
    source = "read r1\nread r2\nlt r3, r1, r2\nand r4, r1, r2\nwrite r3\nwrite r4\nhalt"
    honest = run(assemble(source), [0, 9])
    assert honest.outputs == (1, 0)
    for c2, c3 in ((0, 0), (1, 9)):
        c = honest.c.copy()
        c[2], c[3], c[4], c[5] = c2, c3, c2, c3
        a = honest.a.copy()
        a[4], a[5] = c2, c3
        forged = Claim(replace(honest, a=a, c=c, outputs=(c2, c3)))
        trace = forged.trace
        if not c2:
            for column, value in (("x_low", 0xFFFF), ("x_high", 0x7FFF), ("x_inverse", 0), ("less", 0)):
                trace = changed(trace, "compare", column, 0, value)
            trace = changed(trace, "compare", "gap", 0, 0x7FFF)
            trace = changed(trace, "compare", "differ", 0, 1)
            trace = changed(trace, "compare", "high_inverse", 0, pow(0x7FFF, -1, P))
            for value in (0xFFFF, 0x7FFF, 0xFFFE, 0x7FFF):
                trace = _with_uses(trace, "words", "uses16", value, 1)
            for value in (0, 0, 0, 8):
                trace = _with_uses(trace, "words", "uses16", value, -1)
        else:
            for k, byte in enumerate((255, 255, 255, 127)):
                trace = changed(trace, "bitwise", f"a{k}", 0, byte)
            trace = changed(trace, "bitwise", "n0", 0, 9)
            trace = changed(trace, "bitwise", "a_inverse", 0, 0)
            for entry in (255 << 8 | 9, 255 << 8, 255 << 8, 127 << 8):
                trace = _with_uses(trace, "words", "uses_and", entry, 1)
            for entry in (9, 0, 0, 0):
                trace = _with_uses(trace, "words", "uses_and", entry, -1)
            trace = _with_uses(_with_uses(trace, "bytes", "uses", 0, -1), "bytes", "uses", 254, 1)
        forged.trace = trace
        judge = Judge(forged, 2)
        # It is the exclusion of p that objects, nothing else: the forgery is complete apart from it.
        assert judge.objections(trace) == {"bitwise 17" if c2 else "compare 10"}
        assert not proof_is_accepted(forged)


def test_other_statements_are_refused(claim: Claim) -> None:
    """A proof of one statement is none of another; public values are bound before the challenges."""
    word = claim.statement.outputs[0]
    changes: list[dict[str, Any]] = [
        {"outputs": PublicList((word + 1, claim.statement.outputs[1]))},
        {"inputs": PublicList((6,))},
        {"cycles": claim.statement.cycles + 1},
        {"inputs_read": 0},
        {"binding": limbs(bytes(32))},
        {"program": limbs(bytes(32))},
    ]
    for change in changes:
        assert not proof_is_accepted(claim, **change), change


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": (25,)},
        {"outputs": (0, 5, 0)},
        {"outputs": (5, 25)},
        {"outputs": (1, 5)},
        {"outputs": ()},
        {"inputs": (6,)},
        {"inputs_read": 0},
        {"cycles": 23},
        {"cycles": 25},
        {"program": assemble(EVERYTHING.replace("loadi r2, 9", "loadi r2, 8"))},
        {"program": assemble(EVERYTHING.replace("mul   r13", "add   r13"))},
        {"program": assemble(EVERYTHING + "nop")},
    ],
)
def test_the_prover_cannot_prove_another_statement(claim: Claim, change: dict[str, Any]) -> None:
    """Here the prover mixes the false statement itself: the sums and the constraints refuse it."""
    assert claim.statement.outputs == (0, 5)
    forged = Claim.__new__(Claim)
    forged.statement, forged.sizes, forged.trace = replace(claim.statement, **change), claim.sizes, claim.trace
    forged.air = forged.statement.air()
    assert not proof_is_accepted(forged)


def test_all_public_values_and_sizes_are_mixed_before_the_first_challenge(claim: Claim) -> None:
    steps = list(claim.air.transcript)
    assert steps[0].op == "mix_config"
    mixed = [str(v) for v in steps[1].values]
    for name, value in claim.params().public.items():
        parts = [PublicValue(name, k) for k in range(len(value.entries))] if isinstance(value, PublicList) else None
        for part in parts or [PublicValue(name)]:
            assert str(part) in mixed
    assert sum("LogSizeOf" in text for text in mixed) == len(COMPONENTS)
    ops = [(s.op, s.tree) for s in steps]
    assert ops.index(("mix_u32s", 0)) < ops.index(("commit", 1)) < ops.index(("draw_relation", 0))
    assert ops.index(("draw_relation", 0)) < ops.index(("mix_claimed_sums", 0)) < ops.index(("commit", 2))


def test_no_relation_is_used_p_times_at_the_largest_sizes() -> None:
    """The layout refuses relations with p or more uses; at the largest sizes it accepts."""
    longest = program("fibonacci")
    statement = Statement(longest, (), (), 0, 1, BINDING)
    top = MAX_CYCLES_LOG
    sizes = (top, top, top, top, top, 4, TABLE_LOG, TABLE_LOG, BYTES_LOG)
    assert statement.fits(sizes)
    params = replace(statement.params(sizes))
    make_layout(statement.air(), params)
    uses = dict.fromkeys((r.name for r in RELATIONS), 0)
    for component, n in zip(components(), sizes, strict=True):
        for fraction in component.logup:
            uses[str(fraction.relation)] += 1 << n
    assert 0 < max(uses.values()) < P
    # Times stay below p, and the differences that an honest run needs below 2^24.
    assert 3 * (1 << top) + 3 < 1 << 24


def test_the_statement_fixes_the_tables_and_bounds_the_sizes() -> None:
    statement = Statement(program("sort"), (), (), 0, 1, BINDING)
    good = (8, 4, 4, 4, 4, 5, 16, 16, 8)
    assert statement.fits(good)
    for k, wrong in [(0, 3), (0, 21), (1, 9), (2, 3), (4, 9), (5, 4), (5, 6), (6, 15), (7, 17), (8, 16)]:
        assert not statement.fits((*good[:k], wrong, *good[k + 1 :])), (k, wrong)
    assert not statement.fits(good[:-1])


def test_the_components_do_not_depend_on_the_program() -> None:
    first = vm_air(lower(program("sort")), 32, 9, 9, 8)
    second = vm_air(lower(program("collatz")), 32, 1, 1, 2)
    assert first.components == second.components
    assert first.checks != second.checks
