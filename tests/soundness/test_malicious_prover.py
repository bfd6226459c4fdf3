"""Provers that know the protocol and do not follow it, against every AIR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mutation import (
    ACCEPTED,
    EVERY_AIR,
    QUICK,
    CheatingBackend,
    Instance,
    P,
    airs_where,
    altered,
    bumped,
    honest_root,
    instance,
    judged,
    pinned,
    places,
    refusal,
    seeded,
    thinned,
    with_cheat,
)

from bitsage.stark import QM31, NumpyBackend, Params, Proof, ProofBundle, PublicList, Trace, TraceInvalid, prover
from bitsage.stark.circle import double_x_times
from bitsage.stark.fields import from_partial_evals, qmul, qsub
from bitsage.stark.fold import last_layer_coefficients
from bitsage.stark.point_eval import composition_value
from bitsage.stark.prover import Prover
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

#: Enough queries that a function far from every polynomial is caught.
STRONG = "b2 q12 k3"


def made_of(name: str, config: str = QUICK) -> Instance:
    made = instance(name, config)
    assert made is not None
    return made


def with_public(params: Params, name: str, index: int | None, value: int) -> Params:
    """The parameters with one public value, or one entry of it, replaced."""
    old = params.public[name]
    if index is None:
        return replace(params, public={**params.public, name: value})
    assert isinstance(old, PublicList)
    entries = (*old.entries[:index], value, *old.entries[index + 1 :])
    return replace(params, public={**params.public, name: PublicList(entries)})


def public_places(params: Params) -> list[tuple[str, int | None]]:
    result: list[tuple[str, int | None]] = []
    for name, value in params.public.items():
        result += [(name, k) for k in range(len(value.entries))] if isinstance(value, PublicList) else [(name, None)]
    return result


@pytest.mark.parametrize("name", airs_where(lambda made: bool(made.params.public)))
def test_a_public_value_changed_after_the_proof_was_made(name: str) -> None:
    made = made_of(name)
    bundle = made.prove()
    params = pinned(made, bundle)
    assert judged(made.air, params, bundle.proof) == ACCEPTED
    for public, index in public_places(params):
        for value in (0, 1, P - 1, 77):
            other = with_public(params, public, index, value)
            if other != params:
                verdict = judged(made.air, other, bundle.proof)
                assert verdict in {"oods_mismatch", "check_failed"}, (public, index, value)


@pytest.mark.parametrize("name", airs_where(lambda made: any(c.logup for c in made.air.components)))
def test_wrong_claimed_sums(name: str) -> None:
    """Sums that are one off, shifted between components, or only claimed after the proof."""
    made = made_of(name)
    one = (1, 0, 0, 0)
    wrong: list[Mapping[int, QM31]] = [{0: one}, {0: (0, 0, 0, P - 1)}]
    if len(made.air.components) > 1:
        wrong += [{0: one, 1: (P - 1, 0, 0, 0)}, {1: one}]
    for sums in wrong:
        assert refusal(made, with_cheat(made, CheatingBackend(sums=sums))) in {"oods_mismatch", "check_failed"}
    bundle = made.prove()
    honest = bundle.params.claimed_sums
    for k in range(len(honest)):
        changed = (*honest[:k], ((honest[k][0] + 1) % P, *honest[k][1:]), *honest[k + 1 :])
        late = ProofBundle(replace(bundle.params, claimed_sums=changed), bundle.proof)
        assert refusal(made, late) in {"oods_mismatch", "check_failed", "interaction_pow"}


def swapped_trees(proof: Proof, a: int, b: int) -> Proof:
    def swap(entries: Sequence[Any]) -> tuple[Any, ...]:
        result = list(entries)
        result[a], result[b] = result[b], result[a]
        return tuple(result)

    return replace(
        proof,
        commitments=swap(proof.commitments),
        sampled_values=swap(proof.sampled_values),
        decommitments=swap(proof.decommitments),
        queried_values=swap(proof.queried_values),
    )


@pytest.mark.parametrize("name", EVERY_AIR)
def test_trees_in_another_order_or_twice(name: str) -> None:
    made = made_of(name)
    bundle = made.prove()
    params, proof = pinned(made, bundle), bundle.proof
    count = len(proof.commitments)
    for a in range(count):
        for b in range(a + 1, count):
            assert judged(made.air, params, swapped_trees(proof, a, b)) != ACCEPTED
            roots = (*proof.commitments[:b], proof.commitments[a], *proof.commitments[b + 1 :])
            assert judged(made.air, params, replace(proof, commitments=roots)) != ACCEPTED


class _SendsPinnedRoot(Prover):
    """Runs the transcript on the pinned root while it holds other preprocessed columns."""

    root: bytes

    def commit(self, tree: int, env: Environment) -> bytes:
        made = super().commit(tree, env)
        if tree == 0:
            self.roots[0] = made = self.root
        return made


def with_pinned_root(made: Instance, trace: Trace) -> ProofBundle:
    cheat = _SendsPinnedRoot(made.air, made.params, trace, made.interaction, NumpyBackend(), None, False, True)
    cheat.root = honest_root(made)
    return cheat.run()


@pytest.mark.parametrize("name", airs_where(lambda made: bool(made.air.preprocessed)))
def test_other_preprocessed_columns_than_the_pinned_ones(name: str) -> None:
    """Even a circuit that the trace satisfies is another circuit."""
    made = made_of(name)
    chance = seeded(name)
    for k, column in thinned(name, enumerate(made.trace.preprocessed), chance, 2):
        columns = list(made.trace.preprocessed)
        columns[k] = bumped(column, chance.randrange(len(column)), chance.randrange(1, P))
        other = Trace(tuple(columns), made.trace.trace)
        bundle = with_cheat(made, NumpyBackend(), trace=other)
        assert refusal(made, bundle) == "preprocessed_root_mismatch"
        unpinned = replace(pinned(made, bundle), preprocessed_root=None)
        assert judged(made.air, unpinned, bundle.proof) == "preprocessed_root_unpinned"
        # A table row that nothing looks up changes no equation: then the opening differs from the root.
        assert refusal(made, with_pinned_root(made, other)) in {"oods_mismatch", "check_failed", "merkle_root"}


def test_another_circuit_that_the_trace_satisfies() -> None:
    """Every equation holds for it; only the root tells it from the pinned one."""
    made = made_of("cube")
    seq = (made.trace.preprocessed[0] + np.uint32(1)) % np.uint32(P)
    x = (seq * np.uint32(7) + np.uint32(3)) % np.uint32(P)
    cube = np.array([pow(int(v), 3, P) for v in x], dtype=np.uint32)
    other = Trace((seq,), ((x, cube),))
    bundle = with_cheat(made, NumpyBackend(), trace=other)
    assert judged(made.air, bundle.params, bundle.proof) == ACCEPTED
    assert refusal(made, bundle) == "preprocessed_root_mismatch"
    assert refusal(made, with_pinned_root(made, other)) == "merkle_root"


@pytest.mark.parametrize("name", airs_where(lambda made: len(set(made.params.log_sizes)) > 1))
def test_log_sizes_swapped(name: str) -> None:
    made = made_of(name)
    bundle = made.prove()
    params = pinned(made, bundle)
    for other in (
        replace(params, log_sizes=params.log_sizes[::-1]),
        replace(params, log_sizes=(max(params.log_sizes),) * len(params.log_sizes)),
        replace(params, log_sizes=tuple(n + 1 for n in params.log_sizes)),
        replace(params, log_sizes=tuple(n - 1 for n in params.log_sizes)),
    ):
        assert judged(made.air, other, bundle.proof) not in (ACCEPTED, "unreadable")


class _ForgingBackend(NumpyBackend):
    """Answers the composition's samples with what the constraints ask for at z."""

    prover: Prover
    env: Environment

    def __init__(self) -> None:
        self._done: list[list[QM31]] = []

    def compose(self, env: Environment, *arguments: Any) -> list[U32]:
        """The honest columns."""
        self.env = env
        return super().compose(env, *arguments)

    def sample(self, polynomials: Any, points: Any, degree_log: int) -> list[list[QM31]]:
        """Honest samples, but for the last tree."""
        samples = super().sample(polynomials, points, degree_log)
        layout = self.prover.layout
        if len(self._done) < len(layout.columns) - 8:
            self._done += samples
            return samples
        flat = iter(self._done)
        by_offset = [
            [dict(zip(column.mask, next(flat), strict=True)) for column in columns] for columns in layout.trees[:-1]
        ]
        vanishing = double_x_times(points[0][0][0], layout.degree_log - 1)
        wanted = composition_value(self.env, self.prover._random, vanishing, by_offset)
        high = from_partial_evals([column[0] for column in samples[4:]])
        low = qsub(wanted, qmul(vanishing, high))
        return [*([(value, 0, 0, 0)] for value in low), *samples[4:]]


def truncated(values: Sequence[QM31], bound: int) -> list[QM31]:
    """Last-layer coefficients of a function that has more of them than it may."""
    try:
        return last_layer_coefficients(list(values), bound)
    except TraceInvalid:
        return [values[0]] * (1 << bound)


@pytest.mark.parametrize("name", EVERY_AIR)
def test_samples_forged_to_satisfy_the_out_of_domain_check(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The equation at z holds, but no polynomials of the degree take these values: FRI must see it."""
    made = made_of(name, STRONG)
    chance = seeded(name)
    place = chance.choice([p for p in places(made) if p.tree == "trace"])
    columns = [list(component) for component in made.trace.trace]
    column = columns[place.component][place.column]
    columns[place.component][place.column] = bumped(column, chance.randrange(len(column)), chance.randrange(1, P))
    monkeypatch.setattr(prover, "last_layer_coefficients", truncated)
    trace = Trace(made.trace.preprocessed, tuple(map(tuple, columns)))
    backend = _ForgingBackend()
    backend.prover = Prover(made.air, made.params, trace, made.interaction, backend, None, False, True)
    assert refusal(made, backend.prover.run()) in {"fri_last_layer", "check_failed"}


class _Unreduced(NumpyBackend):
    """Commits x + p in place of x in the first column of the trace tree, and opens it so."""

    def __init__(self, column: int) -> None:
        self._column = column
        self._trees = 0

    def _twin(self, evaluations: Sequence[U32]) -> list[U32]:
        result = list(evaluations)
        result[self._column] = result[self._column] + np.uint32(P)
        return result

    def commit(self, evaluations: Sequence[U32], height: int) -> Any:
        self._trees += 1
        if self._trees == 2:
            self._marked = id(evaluations)
            return super().commit(self._twin(evaluations), height)
        return super().commit(evaluations, height)

    def gather(self, evaluations: Sequence[U32], height: int, positions: Sequence[int]) -> list[list[int]]:
        twin = self._twin(evaluations) if id(evaluations) == self._marked else evaluations
        return super().gather(twin, height, positions)


@pytest.mark.parametrize("name", EVERY_AIR)
def test_committed_words_that_are_not_reduced(name: str) -> None:
    """Every equation holds mod p, so that only the range check stands in the way (spec stark.md section 13)."""
    made = made_of(name)
    assert refusal(made, with_cheat(made, _Unreduced(0))) == "non_canonical"


@pytest.mark.parametrize("name", EVERY_AIR)
def test_a_proof_of_another_trace_under_the_same_roots(name: str) -> None:
    """Openings of the altered trace beside the honest roots."""
    made = made_of(name)
    place = next(p for p in places(made) if p.tree == "trace")
    honest, other = made.prove(), altered(made, place, 1, 5)
    mixed = replace(other.proof, commitments=honest.proof.commitments)
    assert refusal(made, ProofBundle(honest.params, mixed)) != ACCEPTED
    mixed = replace(honest.proof, queried_values=other.proof.queried_values, decommitments=other.proof.decommitments)
    assert refusal(made, ProofBundle(honest.params, mixed)) != ACCEPTED
