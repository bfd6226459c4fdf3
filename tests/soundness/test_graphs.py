"""A proof of one AIR is no proof of a changed one, for every AIR of the repository."""

from __future__ import annotations

import pytest
from graph_mutation import graph_changes, reordered, weakened
from mutation import ACCEPTED, AIRS, EVERY_AIR, HEAVY, QUICK, instance, judged, pinned

from bitsage.stark import Air, ProofUnreadable

#: In the small instances every constraint has something to say.  Where components stand idle, as in a run of a
#: machine that does not use all of its instructions, a constraint may be the polynomial 0, and then nothing sees it go.
LIGHT = [name for name in AIRS if name not in HEAVY]
CHANGES = {"changed": graph_changes, "reordered": reordered, "weakened": weakened}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("name", LIGHT)
def test_every_changed_graph_refuses_the_proof(name: str, kind: str) -> None:
    made = instance(name, QUICK)
    assert made is not None
    bundle = made.prove()
    params = pinned(made, bundle)
    graph = made.air.to_json()
    seen = 0
    for path, changed in CHANGES[kind](graph):
        try:
            air = Air.from_json(changed)
        except ProofUnreadable:
            continue
        seen += 1
        verdict = judged(air, params, bundle.proof)
        assert verdict != ACCEPTED, path
    assert seen >= 1


@pytest.mark.parametrize("name", EVERY_AIR)
def test_the_unchanged_graph_accepts_it(name: str) -> None:
    made = instance(name, QUICK)
    assert made is not None
    bundle = made.prove()
    assert judged(Air.from_json(made.air.to_json()), pinned(made, bundle), bundle.proof) == ACCEPTED
