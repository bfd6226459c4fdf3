"""Provers that cheat, for any AIR: altered columns, claimed sums, committed words; and what the verifier says.

    made = instance("matmul", "b1 q3 k1")
    for place in places(made):                       # every column of every component
        assert refusal(made, altered(made, place, row, delta)) != ACCEPTED

A new AIR is added in `interop/instances.py`; the soundness tests then attack it like the others.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "interop"))

from instances import AIRS, CONFIGS, HEAVY, LIFTED, Instance, instance

from bitsage.stark import (
    QM31,
    REFUSAL_REASONS,
    Air,
    NumpyBackend,
    P,
    Params,
    Proof,
    ProofBundle,
    ProofRefused,
    ProofUnreadable,
    Trace,
    verify,
)
from bitsage.stark.prover import Prover
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

__all__ = [
    "ACCEPTED",
    "AIRS",
    "CONFIGS",
    "EVERY_AIR",
    "HEAVY",
    "LIFTED",
    "QUICK",
    "CheatingBackend",
    "Instance",
    "Place",
    "airs_where",
    "altered",
    "honest_root",
    "instance",
    "judged",
    "places",
    "pinned",
    "refusal",
    "random_row",
    "seeded",
    "thinned",
    "with_cheat",
]

T = TypeVar("T")
ACCEPTED = "accepted"
#: The names of all AIRs for `parametrize`; the heavy ones are marked slow.
EVERY_AIR = [pytest.param(name, marks=pytest.mark.slow) if name in HEAVY else name for name in AIRS]


def airs_where(holds: Callable[[Instance], bool]) -> list[Any]:
    """The entries of EVERY_AIR for which something holds."""
    found = []
    for name, entry in zip(AIRS, EVERY_AIR, strict=True):
        made = instance(name, QUICK)
        if made is not None and holds(made):
            found.append(entry)
    return found


def thinned(name: str, cases: Iterable[T], chance: random.Random, limit: int) -> list[T]:
    """All cases; of a heavy AIR a random choice."""
    found = list(cases)
    return chance.sample(found, limit) if name in HEAVY and len(found) > limit else found


#: Three queries suffice where the out-of-domain check must refuse.
QUICK = "b1 q3 k1"
#: The longest that a verdict may take, in seconds of this thread: what else runs on the machine does not count.
SECONDS = 1.0


def seeded(what: str) -> random.Random:
    """A random source whose seed is printed."""
    seed = random.randrange(2**32)
    print("seed", seed, what)
    return random.Random(seed)


@dataclass(frozen=True, slots=True)
class Place:
    """A column: tree `trace`, `explicit` (tree 2) or `lookup` (tree 2), component and column within it."""

    tree: str
    component: int
    column: int


def places(made: Instance) -> list[Place]:
    """Every column of every component that the prover fills; the preprocessed ones are pinned."""
    result = []
    for index, component in enumerate(made.air.components):
        result += [Place("trace", index, k) for k in range(len(component.trace))]
        result += [Place("explicit", index, k) for k in range(len(component.interaction))]
        result += [Place("lookup", index, k) for k in range(4 * component.batch_count)]
    return result


class CheatingBackend(NumpyBackend):
    """Alters lookup columns and claimed sums of single components."""

    def __init__(
        self, place: Place | None = None, row: int = 0, delta: int = 0, sums: Mapping[int, QM31] | None = None
    ):
        self._place, self._row, self._delta, self._sums = place, row, delta, sums or {}

    def logup_columns(
        self, env: Environment, component: int, columns: Mapping[int, Sequence[U32]]
    ) -> tuple[list[U32], QM31]:
        """The honest columns and sum, altered where asked."""
        made, claimed = super().logup_columns(env, component, columns)
        if self._place is not None and self._place.component == component:
            made[self._place.column] = bumped(made[self._place.column], self._row, self._delta)
        a, b, c, d = (x + y for x, y in zip(claimed, self._sums.get(component, (0, 0, 0, 0)), strict=True))
        return made, (a % P, b % P, c % P, d % P)


class _ExplicitCheat(Prover):
    """Alters one explicit interaction column."""

    cheat: tuple[Place, int, int]

    def _explicit_columns(self, env: Environment) -> list[list[U32]]:
        made = super()._explicit_columns(env)
        place, row, delta = self.cheat
        made[place.component][place.column] = bumped(made[place.component][place.column], row, delta)
        return made


def bumped(column: U32, row: int, delta: int) -> U32:
    """A copy with `delta` added mod p at one stored row."""
    result = column.copy()
    result[row] = (int(result[row]) + delta) % P
    return result


def with_cheat(made: Instance, backend: NumpyBackend, **changes: Any) -> ProofBundle:
    """A proof by a prover that does not look whether it is right; `changes` replace fields of the instance."""
    other = replace(made, **changes)
    return Prover(other.air, other.params, other.trace, other.interaction, backend, None, False, True).run()


def altered(made: Instance, place: Place, row: int, delta: int) -> ProofBundle:
    """A proof in which one value of one column is another; columns that follow from it are the prover's own."""
    if place.tree == "lookup":
        return with_cheat(made, CheatingBackend(place, row, delta))
    if place.tree == "trace":
        columns = [list(component) for component in made.trace.trace]
        columns[place.component][place.column] = bumped(columns[place.component][place.column], row, delta)
        return with_cheat(made, NumpyBackend(), trace=Trace(made.trace.preprocessed, tuple(map(tuple, columns))))
    prover = _ExplicitCheat(made.air, made.params, made.trace, made.interaction, NumpyBackend(), None, False, True)
    prover.cheat = place, row, delta
    return prover.run()


def honest_root(made: Instance) -> bytes:
    """The root of the instance's own preprocessed columns."""
    backend = NumpyBackend()
    if not made.trace.preprocessed:
        return backend.root(None)
    config = made.params.config
    evaluations = backend.extend(backend.interpolate(made.trace.preprocessed), config.log_blowup_factor)
    height = config.lifting_log_size or max(made.params.preprocessed_log_sizes) + config.log_blowup_factor
    return backend.root(backend.commit(evaluations, height))


def pinned(made: Instance, bundle: ProofBundle) -> Params:
    """The verifier's own statement, completed by what only the prover can make."""
    own = {k: made.params.claimed_sums[k] for k in range(len(made.params.claimed_sums))}
    sums = tuple(
        claimed if component.logup else own.get(k, claimed)
        for k, (component, claimed) in enumerate(zip(made.air.components, bundle.params.claimed_sums, strict=False))
    )
    return replace(
        made.params,
        claimed_sums=sums,
        interaction_nonces=bundle.params.interaction_nonces,
        preprocessed_root=honest_root(made),
    )


def refusal(made: Instance, bundle: ProofBundle) -> str:
    """What the verifier of the instance says of a proof: ACCEPTED or the reason."""
    return judged(made.air, pinned(made, bundle), bundle.proof)


def judged(air: Air, params: Params, proof: Proof | bytes, **policy: Any) -> str:
    """ACCEPTED, `unreadable` or a named reason other than `malformed`, within SECONDS."""
    start = time.thread_time()
    try:
        verify(air, params, proof, **policy)
    except ProofUnreadable:
        verdict = "unreadable"
    except ProofRefused as error:
        verdict = error.reason
    else:
        verdict = ACCEPTED
    assert verdict in {ACCEPTED, "unreadable", *REFUSAL_REASONS} - {"malformed"}
    assert time.thread_time() - start < SECONDS
    return verdict


def random_row(chance: random.Random, made: Instance, place: Place) -> int:
    """A stored row of the column; the first and the last are drawn more often."""
    size = 1 << made.params.log_sizes[place.component]
    return chance.choice([0, size - 1, *(chance.randrange(size) for _ in range(4))])
