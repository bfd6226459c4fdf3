"""Every field of the proof of every AIR, cut, extended, swapped, out of range: refused by name, at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from mutation import ACCEPTED, AIRS, CONFIGS, EVERY_AIR, HEAVY, P, instance, judged, pinned, seeded, thinned

from bitsage.stark import Params, PcsConfig, Proof
from bitsage.stark.proof import FriLayer

STRUCTURE = {"shape", "fri_layers", "fri_witness", "merkle_witness"}
#: A value that the transcript absorbs before the proof of work moves everything after it.
MOVED = {"oods_mismatch", "proof_of_work", "merkle_root", "merkle_witness", "fri_witness", "fri_last_layer", "shape"}

Case = tuple[str, Proof, set[str]]
Change = Callable[[Any], Any]


def cuts(entries: Sequence[Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The entries cut, emptied, extended."""
    if entries:
        yield "cut", tuple(entries[:-1])
        yield "headless", tuple(entries[1:])
        yield "extended", (*entries, entries[-1])
        if len(entries) > 1:
            yield "emptied", ()


def swaps(entries: Sequence[Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The first two entries that differ, exchanged."""
    for k in range(len(entries) - 1):
        if entries[k] != entries[k + 1]:
            yield "swapped", (*entries[:k], entries[k + 1], entries[k], *entries[k + 2 :])
            return


def inside(entries: Sequence[Any], k: int, value: Any) -> tuple[Any, ...]:
    return (*entries[:k], value, *entries[k + 1 :])


def nested(proof: Proof, field: str, path: tuple[int, ...]) -> tuple[Any, Change]:
    """What lies at a path inside of a field, and the function that puts something else there."""
    value = getattr(proof, field)
    levels = [value]
    for k in path:
        levels.append(levels[-1][k])

    def put(changed: Any) -> Proof:
        for level, k in zip(reversed(levels[:-1]), reversed(path), strict=True):
            changed = inside(level, k, changed)
        return replace(proof, **{field: changed})

    return levels[-1], put


def structure_cases(proof: Proof, chance: random.Random) -> Iterator[Case]:
    """Wrong counts at every level of every array."""
    paths: list[tuple[str, tuple[int, ...]]] = [("commitments", ()), ("inner_layers", ()), ("last_coeffs", ())]
    for field in ("sampled_values", "queried_values", "decommitments"):
        trees = getattr(proof, field)
        paths.append((field, ()))
        for t, tree in enumerate(trees):
            if tree:
                paths.append((field, (t,)))
            if field != "decommitments":
                paths += [(field, (t, c)) for c in chance.sample(range(len(tree)), min(3, len(tree)))]
    for field, path in paths:
        entries, put = nested(proof, field, path)
        for what, changed in cuts(entries):
            yield f"{field}{path} {what}", put(changed), STRUCTURE | {"preprocessed_root_mismatch"}
    yield "log_size", replace(proof, last_log_size=proof.last_log_size + 1), {"fri_layers"}
    for where, layer, put_layer in layers(proof):
        for what, witness in cuts(layer.fri_witness):
            yield f"{where} values {what}", put_layer(replace(layer, fri_witness=witness)), {"fri_witness"}
        for what, hashes in cuts(layer.hash_witness):
            yield f"{where} hashes {what}", put_layer(replace(layer, hash_witness=hashes)), {"merkle_witness"}


def layers(proof: Proof) -> Iterator[tuple[str, FriLayer, Change]]:
    yield "first layer", proof.first_layer, lambda layer: replace(proof, first_layer=layer)
    for k, inner in enumerate(proof.inner_layers):
        yield f"layer {k}", inner, lambda layer, k=k: replace(proof, inner_layers=inside(proof.inner_layers, k, layer))


def swap_cases(proof: Proof) -> Iterator[Case]:
    """Entries exchanged at every level."""
    for field in ("commitments", "inner_layers", "last_coeffs"):
        for what, changed in swaps(getattr(proof, field)):
            yield f"{field} {what}", replace(proof, **{field: changed}), MOVED | {"preprocessed_root_mismatch"}
    for field in ("sampled_values", "queried_values", "decommitments"):
        trees = getattr(proof, field)
        for t, tree in enumerate(trees):
            entries, put = nested(proof, field, (t,))
            for what, changed in swaps(entries):
                yield f"{field}[{t}] {what}", put(changed), MOVED
            for c, column in enumerate(tree if field != "decommitments" else ()):
                entries, put = nested(proof, field, (t, c))
                for what, changed in swaps(column):
                    yield f"{field}[{t}][{c}] {what}", put(changed), MOVED
    for where, layer, put_layer in layers(proof):
        for what, witness in swaps(layer.fri_witness):
            yield f"{where} values {what}", put_layer(replace(layer, fri_witness=witness)), {"merkle_root"}
        for what, hashes in swaps(layer.hash_witness):
            yield f"{where} hashes {what}", put_layer(replace(layer, hash_witness=hashes)), {"merkle_root"}
        root = bytes([layer.commitment[0] ^ 1]) + layer.commitment[1:]
        yield f"{where} root", put_layer(replace(layer, commitment=root)), MOVED


def range_cases(proof: Proof) -> Iterator[Case]:
    """Words at p, above p, and the largest, in every kind of field element."""
    for t, tree in enumerate(proof.queried_values):
        if tree:
            words, put = nested(proof, "queried_values", (t, len(tree) - 1))
            for value in (P, words[0] + P, 2**32 - 1):
                yield f"queried_values[{t}]", put(inside(words, 0, value)), {"non_canonical"}
    spots: list[tuple[str, tuple[int, ...]]] = [("last_coeffs", (0,))]
    spots += [("sampled_values", (t, 0, 0)) for t, tree in enumerate(proof.sampled_values) if tree]
    for field, path in spots:
        felt, put = nested(proof, field, path)
        for k in range(4):
            for value in (P, felt[k] + P, 2**32 - 1):
                yield f"{field}{path}", put(inside(felt, k, value)), {"non_canonical"}
    for where, layer, put_layer in layers(proof):
        if layer.fri_witness:
            felt = inside(layer.fri_witness[0], 3, layer.fri_witness[0][3] + P)
            changed = replace(layer, fri_witness=inside(layer.fri_witness, 0, felt))
            yield where, put_layer(changed), {"non_canonical"}


def made_proof(name: str, config: str) -> tuple[Any, Params, Proof] | None:
    made = instance(name, config)
    if made is None:
        return None
    bundle = made.prove()
    return made.air, pinned(made, bundle), bundle.proof


def check_all(name: str, config: str) -> int:
    found = made_proof(name, config)
    if found is None:
        return 0
    air, params, proof = found
    assert judged(air, params, proof) == ACCEPTED
    count = 0
    chance = seeded(f"{name} {config}")
    for cases in (structure_cases(proof, chance), swap_cases(proof), range_cases(proof)):
        for what, changed, reasons in thinned(name, cases, chance, 60):
            count += 1
            verdict = judged(air, params, changed)
            assert verdict in reasons, (what, verdict)
            assert judged(air, params, changed.to_bytes()) in {verdict, "unreadable"}, what
    return count


@pytest.mark.parametrize("name", EVERY_AIR)
def test_every_field_damaged_is_refused_by_name(name: str) -> None:
    assert check_all(name, "b2 q12 k3") > 60


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", [name for name in AIRS if name not in HEAVY])
def test_every_field_damaged_under_every_configuration(name: str, config: str) -> None:
    if instance(name, config) is not None:
        assert check_all(name, config) > 60


def test_the_cases_reach_every_field_of_a_proof() -> None:
    found = made_proof("matmul", "b2 q12 k3")
    assert found is not None
    proof = found[2]
    damaged = {
        field.name
        for cases in (structure_cases(proof, random.Random(1)), swap_cases(proof), range_cases(proof))
        for _, changed, _ in cases
        for field in fields(Proof)
        if getattr(changed, field.name) != getattr(proof, field.name)
    }
    assert damaged == {field.name for field in fields(Proof)} - {"config", "proof_of_work"}


@pytest.mark.parametrize("name", EVERY_AIR)
def test_a_proof_under_any_other_configuration_is_refused(name: str) -> None:
    """By its own word, and when it claims to have been made under the expected one."""
    for made_under in CONFIGS:
        found = made_proof(name, made_under)
        for expected in CONFIGS:
            if found is None or made_under == expected:
                continue
            air, params, proof = found
            there = instance(name, expected)
            config = CONFIGS[expected] if there is None else there.params.config
            if there is None:
                config = replace(config, lifting_log_size=12)
            other = replace(params, config=config)
            refused = judged(air, other, proof)
            # A lifting size without preprocessed columns is refused whatever the proof is.
            assert refused in {"config_mismatch", "lifting_without_preprocessed"}, (made_under, expected)
            assert judged(air, other, replace(proof, config=config)) != ACCEPTED, (made_under, expected)


LOWER = [
    {"pow_bits": 4},
    {"n_queries": 11},
    {"log_blowup_factor": 1},
    {"fold_step": 2},
    {"log_last_layer_degree_bound": 1},
    {"lifting_log_size": 10},
]


@pytest.mark.parametrize("change", LOWER, ids=lambda c: next(iter(c)))
def test_lower_security_is_refused(change: dict[str, int]) -> None:
    """A proof that says it is weaker; one that is weaker and says nothing; and parameters that ask for less."""
    found = made_proof("matmul", "b2 q12 k3")
    assert found is not None
    air, params, proof = found
    config = params.config
    assert judged(air, params, replace(proof, config=replace(config, **change))) == "config_mismatch"  # type: ignore[arg-type]
    made = instance("matmul", "b2 q12 k3")
    assert made is not None
    weak = replace(made, params=replace(made.params, config=replace(config, **change), preprocessed_root=None)).prove()  # type: ignore[arg-type]
    assert judged(air, params, weak.proof) in {"config_mismatch", "preprocessed_root_mismatch"}
    assert judged(air, params, replace(weak.proof, config=config)) != ACCEPTED
    bits = config.security_bits
    assert judged(air, params, proof, required_bits=bits) == ACCEPTED
    assert judged(air, params, proof, required_bits=bits + 1) == "security_too_low"


@pytest.mark.parametrize("name", EVERY_AIR)
def test_nonces_that_do_not_hold(name: str) -> None:
    found = made_proof(name, "production")
    assert found is not None
    air, params, proof = found
    for nonce in (0, proof.proof_of_work + 1, 2**32, 2**64 - 1):
        if nonce != proof.proof_of_work:
            verdict = judged(air, params, replace(proof, proof_of_work=nonce))
            # One nonce in 2^12 holds by chance; the queries then fall elsewhere.
            assert verdict in {"proof_of_work", "merkle_root", "merkle_witness", "shape"}


def test_security_bits_add_up_for_the_configuration_of_jobs() -> None:
    config = PcsConfig(pow_bits=20, log_blowup_factor=2, n_queries=38, fold_step=3)
    assert (config.security_bits, config.proven_bits) == (96, 58)
