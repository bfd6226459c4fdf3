"""Forged runs: other sequences of cycles, stale reads, multiplicities, padding, second forms of words."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from programs import OVERWRITE
from samples import SAMPLES, program
from vm_forgery import (
    NAMES,
    Claim,
    Judge,
    cell,
    changed,
    cpu_row,
    proof_is_accepted,
    seeded,
    with_uses,
)

from bitsage.obelysk.vm import Execution, assemble, run
from bitsage.obelysk.vm.air import COMPONENTS
from bitsage.stark import P, Trace


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
    backwards = with_uses(with_uses(backwards, "words", "uses16", 2, -1), "words", "uses16", 3, 1)
    backwards = with_uses(backwards, "bytes", "uses", 0, -1)
    # The forgery is complete but for the high part, which is no byte.
    assert Judge(forged, 4).objections(backwards) == {"Range8"}
    verdicts(backwards)


def test_multiplicities_cannot_pay_for_what_is_not_in_a_table(claim: Claim) -> None:
    chance = seeded()
    judge = Judge(claim, chance.randrange(2**32))
    for component, column in (("program", "uses"), ("words", "uses16"), ("words", "uses_and"), ("bytes", "uses")):
        used = np.flatnonzero(claim.trace.trace[COMPONENTS.index(component)][NAMES[component].index(column)])
        for row in chance.sample(used.tolist(), min(5, len(used))):
            forged = with_uses(claim.trace, component, column, row, chance.choice([-1, 1]))
            assert judge.objection(forged) == "check_failed"


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
                trace = with_uses(trace, "words", "uses16", value, 1)
            for value in (0, 0, 0, 8):
                trace = with_uses(trace, "words", "uses16", value, -1)
        else:
            for k, byte in enumerate((255, 255, 255, 127)):
                trace = changed(trace, "bitwise", f"a{k}", 0, byte)
            trace = changed(trace, "bitwise", "n0", 0, 9)
            trace = changed(trace, "bitwise", "a_inverse", 0, 0)
            for entry in (255 << 8 | 9, 255 << 8, 255 << 8, 127 << 8):
                trace = with_uses(trace, "words", "uses_and", entry, 1)
            for entry in (9, 0, 0, 0):
                trace = with_uses(trace, "words", "uses_and", entry, -1)
            trace = with_uses(with_uses(trace, "bytes", "uses", 0, -1), "bytes", "uses", 254, 1)
        forged.trace = trace
        judge = Judge(forged, 2)
        # It is the exclusion of p that objects, nothing else: the forgery is complete apart from it.
        assert judge.objections(trace) == {"bitwise 17" if c2 else "compare 10"}
        assert not proof_is_accepted(forged)
