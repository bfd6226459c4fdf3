"""Every column of every component of every AIR, altered at random rows: no accepted proof (spec airs.md)."""

from __future__ import annotations

import pytest
from mutation import (
    ACCEPTED,
    AIRS,
    CONFIGS,
    EVERY_AIR,
    HEAVY,
    QUICK,
    P,
    altered,
    instance,
    places,
    random_row,
    refusal,
    seeded,
    thinned,
)

LIGHT = [name for name in AIRS if name not in HEAVY]
#: Where a wrong column shows: in the constraints, or, if they still hold, in the sum over the lookups.
EXPECTED = {"oods_mismatch", "check_failed"}


@pytest.mark.parametrize("name", EVERY_AIR)
def test_the_unaltered_proof_is_accepted(name: str) -> None:
    made = instance(name, QUICK)
    assert made is not None
    assert refusal(made, made.prove(check=False)) == ACCEPTED


@pytest.mark.parametrize("name", EVERY_AIR)
def test_every_column_altered_at_random_rows_is_refused(name: str) -> None:
    made = instance(name, QUICK)
    assert made is not None
    chance = seeded(name)
    for place in thinned(name, places(made), chance, 16):
        for _ in range(2):
            row, delta = random_row(chance, made, place), chance.choice([1, P - 1, chance.randrange(1, P)])
            assert refusal(made, altered(made, place, row, delta)) in EXPECTED, (place, row, delta)


@pytest.mark.slow
@pytest.mark.parametrize("config", [c for c in CONFIGS if c != QUICK])
@pytest.mark.parametrize("name", LIGHT)
def test_every_column_altered_under_every_configuration(name: str, config: str) -> None:
    made = instance(name, config)
    if made is None:
        return
    chance = seeded(f"{name} {config}")
    for place in places(made):
        for _ in range(4):
            row, delta = random_row(chance, made, place), chance.randrange(1, P)
            assert refusal(made, altered(made, place, row, delta)) in EXPECTED, (place, row, delta)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIGHT)
def test_every_row_of_every_trace_column_altered_is_refused(name: str) -> None:
    """Small traces, so that no row goes untried."""
    made = instance(name, QUICK)
    assert made is not None
    chance = seeded(name)
    for place in places(made):
        if place.tree == "trace":
            for row in range(1 << made.params.log_sizes[place.component]):
                assert refusal(made, altered(made, place, row, chance.randrange(1, P))) in EXPECTED, (place, row)
