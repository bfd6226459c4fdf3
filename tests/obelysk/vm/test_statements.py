"""A proof serves for one statement, and what the statement fixes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from programs import EVERYTHING
from samples import program
from vm_forgery import (
    BINDING,
    Claim,
    accepts,
    proof_is_accepted,
    proof_of,
)

from bitsage.obelysk.vm import assemble
from bitsage.obelysk.vm.air import COMPONENTS, RELATIONS, components, vm_air
from bitsage.obelysk.vm.micro import lower
from bitsage.obelysk.vm.statement import MAX_CYCLES_LOG, Statement, limbs
from bitsage.obelysk.vm.trace import BYTES_LOG, TABLE_LOG
from bitsage.stark import P, PublicList, PublicValue
from bitsage.stark.layout import make_layout


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
    bundle = proof_of(claim)
    assert accepts(claim, bundle)
    for change in changes:
        assert not accepts(claim, bundle, **change), change


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
