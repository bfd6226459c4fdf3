"""No accepted proof stays accepted when anything in it, in its parameters or in its graph is changed."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from graph_mutation import graph_changes
from json_mutation import arrays, at, changed_value, leaves, replaced, structural
from vectors_io import FILES, bundle, verdict

from bitsage.stark import Air, Params, Proof, ProofRefused, ProofUnreadable, verify
from bitsage.stark.errors import REFUSAL_REASONS, StarkError
from bitsage.stark.examples import example
from bitsage.stark.proof_binary import decode

ACCEPTED = [name for name in FILES if verdict(name) == "accept"]
# Small, and between them every feature: lookups, lifting, preprocessed columns, packed FRI layers, offsets.
EXHAUSTIVE = ["simple_k3_lift7.json", "plonk_mul3_n5_b1_k1_q3.json", "wide_fib_n5_N8_k2.json"]


def instance(name: str) -> tuple[Air, Params, Any]:
    """The AIR, its parameters with pinned root and claimed sums, and the published proof's JSON."""
    given = bundle(name)
    air, params, _ = example(given["air"], given["params"])
    extra = Params.from_json({"config": given["params"]["config"], "components": [], **{
        key: given["params"].get(key, []) for key in ("claimed_sums", "interaction_nonces")
    }})  # fmt: skip
    root = bytes(given["proof"]["commitments"][0])
    params = replace(
        params,
        claimed_sums=extra.claimed_sums,
        interaction_nonces=extra.interaction_nonces,
        preprocessed_root=root,
    )
    return air, params, given["proof"]


def outcome(air: Air, params: Params, proof: Any) -> str:
    """accept, unreadable, or the reason of the refusal."""
    try:
        verify(air, params, Proof.from_json(proof))
    except ProofUnreadable:
        return "unreadable"
    except ProofRefused as error:
        reason = error.reason
    else:
        return "accept"
    assert reason in REFUSAL_REASONS
    assert reason != "malformed"
    return reason


def chance_of(name: str) -> random.Random:
    seed = random.randrange(2**32)
    print("seed", seed, name)
    return random.Random(seed)


@pytest.mark.parametrize("name", ACCEPTED)
def test_sampled_values_changed_one_at_a_time(name: str) -> None:
    air, params, proof = instance(name)
    assert outcome(air, params, proof) == "accept"
    chance = chance_of(name)
    paths = list(leaves(proof))
    for path in chance.sample(paths, min(60, len(paths))):
        assert outcome(air, params, changed_value(proof, path, chance)) != "accept", path


@pytest.mark.slow
@pytest.mark.parametrize("name", EXHAUSTIVE)
def test_every_value_changed_one_at_a_time(name: str) -> None:
    air, params, proof = instance(name)
    chance = chance_of(name)
    for path in leaves(proof):
        assert outcome(air, params, changed_value(proof, path, chance)) != "accept", path


@pytest.mark.parametrize("name", ["simple_k3_lift7.json", "state_machine_n5_b1_k1_q3.json", "wide_fib_n5_N8_k2.json"])
def test_structural_changes(name: str) -> None:
    air, params, proof = instance(name)
    chance = chance_of(name)
    paths = list(arrays(proof))
    short = [path for path in paths if len(path) <= 4]
    for path in [*short, *chance.sample(paths, 40)]:
        for kind, changed in structural(proof, path):
            assert outcome(air, params, changed) != "accept", (path, kind)


@pytest.mark.parametrize("name", EXHAUSTIVE)
def test_non_canonical_twins_are_refused(name: str) -> None:
    """x + p stands for the same element: every such value must be refused by name."""
    air, params, proof = instance(name)
    chance = chance_of(name)
    felts = [
        path
        for path in leaves(proof)
        if path[0] in ("sampled_values", "queried_values") or "fri_witness" in path or "coeffs" in path
    ]
    for path in chance.sample(felts, 40):
        twin = at(proof, path) + 2**31 - 1
        assert outcome(air, params, replaced(proof, path, twin)) == "non_canonical"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("proof_of_work",), 0, "proof_of_work"),
        (("fri_proof", "last_layer_poly", "log_size"), 1, "fri_layers"),
        (("commitments",), [], "shape"),
        (("sampled_values", 1), [], "shape"),
        (("fri_proof", "inner_layers"), [], "fri_layers"),
        (("config", "fri_config", "n_queries"), 4, "config_mismatch"),
        (("config", "lifting_log_size"), 6, "config_mismatch"),
        (("queried_values", 1, 0), [], "shape"),
        (("decommitments", 1, "hash_witness"), [], "merkle_witness"),
        (("decommitments", 0, "hash_witness"), [[0] * 32], "merkle_witness"),
        (("fri_proof", "first_layer", "fri_witness"), [], "fri_witness"),
        (("sampled_values", 1, 0, 0, 0, 0), 5, "oods_mismatch"),
    ],
)
def test_reasons_name_what_is_wrong(path: tuple[str | int, ...], value: Any, reason: str) -> None:
    air, params, proof = instance("wide_fib_n5_N8_k2.json")
    if path[0] == "commitments":
        params = replace(params, preprocessed_root=None)
        assert outcome(air, params, replaced(proof, path, value)) == "preprocessed_root_mismatch"
    else:
        assert outcome(air, params, replaced(proof, path, value)) == reason


@pytest.mark.parametrize(
    "path", [("config",), ("fri_proof",), ("commitments", 0), ("proof_of_work",), ("fri_proof", "last_layer_poly")]
)
@pytest.mark.parametrize("value", [None, True, "0", 1.5, -1, 2**64, {}, [[]], {"a": 1}])
def test_values_of_other_types_are_unreadable(path: tuple[str | int, ...], value: Any) -> None:
    air, params, proof = instance("wide_fib_n5_N8_k2.json")
    assert outcome(air, params, replaced(proof, path, value)) == "unreadable"


def test_unknown_missing_and_repeated_keys_are_unreadable() -> None:
    _, _, proof = instance("wide_fib_n5_N8_k2.json")
    text = json.dumps(proof)
    for changed in (
        {**proof, "more": 1},
        {k: v for k, v in proof.items() if k != "decommitments"},
        text.replace('"proof_of_work"', '"config": {}, "proof_of_work"', 1),
    ):
        with pytest.raises(ProofUnreadable):
            Proof.from_json(changed)


def test_changed_parameters_are_refused() -> None:
    air, params, proof = instance("simple_k3_lift7.json")
    one = (1, 0, 0, 0)
    for changed in (
        replace(params, claimed_sums=(one, params.claimed_sums[1])),
        replace(params, claimed_sums=params.claimed_sums[::-1]),
        replace(params, claimed_sums=()),
        replace(params, claimed_sums=params.claimed_sums[:1]),
        replace(params, interaction_nonces=()),
        replace(params, interaction_nonces=(1,)),
        replace(params, interaction_nonces=(*params.interaction_nonces, 1)),
        replace(params, preprocessed_root=None),
        replace(params, preprocessed_root=bytes(32)),
        replace(params, log_sizes=params.log_sizes[::-1]),
        replace(params, preprocessed_log_sizes=(4, 4)),
        replace(params, config=replace(params.config, pow_bits=9)),
        replace(params, config=replace(params.config, lifting_log_size=None)),
        replace(params, config=replace(params.config, lifting_log_size=6)),
        replace(params, config=replace(params.config, log_last_layer_degree_bound=4)),
    ):
        assert outcome(air, changed, proof) not in ("accept", "unreadable")


def test_another_statement_is_refused() -> None:
    air, params, proof = instance("state_machine_n5_b1_k1_q3.json")
    other = replace(params, public={"initial": Params.from_json(
        {"config": params.config.to_json(), "components": [], "public": {"initial": [1, 0]}}
    ).public["initial"]})  # fmt: skip
    assert outcome(air, other, proof) == "check_failed"
    assert outcome(air, replace(params, public={}), proof) == "public_value_missing"
    assert outcome(air, replace(params, public={"initial": 5}), proof) == "public_value_missing"


def test_security_bits_come_from_the_actual_parameters() -> None:
    air, params, proof = instance("plonk_n8_b2_k3_q35.json")
    assert params.config.security_bits == 80
    assert params.config.proven_bits == 45
    parsed = Proof.from_json(proof)
    assert verify(air, params, parsed, required_bits=80).security_bits == 80
    with pytest.raises(ProofRefused) as error:
        verify(air, params, parsed, required_bits=81)
    assert error.value.reason == "security_too_low"


@pytest.mark.parametrize("name", ["plonk_mul3_n5_b1_k1_q3.json", "simple_k3_lift7.json", "cube_n5_lift6.json"])
def test_every_changed_graph_refuses_the_proof(name: str) -> None:
    """Constants, operands, order and presence of constraints, relation values, transcript steps."""
    air, params, proof = instance(name)
    graph = air.to_json()
    changes = 0
    for path, changed in graph_changes(graph):
        try:
            other = Air.from_json(changed)
        except ProofUnreadable:
            continue
        changes += 1
        assert outcome(other, params, proof) != "accept", path
    assert changes > 20


def test_the_fibonacci_instance_of_plonk_does_not_see_its_gate() -> None:
    """With op = 1 everywhere the gate is the zero polynomial, so only the mixed instance tests it."""
    for name, expected in (("plonk_n5_b1_k1_q3.json", "accept"), ("plonk_mul3_n5_b1_k1_q3.json", "oods_mismatch")):
        air, params, proof = instance(name)
        component = replace(air.components[0], constraints=())
        # A constraint less shifts no other power: the gate is the first of them.
        assert outcome(replace(air, components=(component,)), params, proof) == expected


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_binary_form_round_trips_and_refuses_every_cut(name: str) -> None:
    _, _, proof = instance(name)
    parsed = Proof.from_json(proof)
    data = parsed.to_bytes()
    assert decode(data) == parsed
    assert decode(data).to_json() == proof
    chance = chance_of(name)
    for cut in [0, 3, 4, 27, *chance.sample(range(len(data)), 20)]:
        with pytest.raises(ProofUnreadable):
            decode(data[:cut])
    with pytest.raises(ProofUnreadable):
        decode(data + b"\0")


@pytest.mark.parametrize("name", ["simple_k3_lift7.json", "wide_fib_n5_N8_k2.json"])
def test_random_bytes_in_the_binary_form_never_escape(name: str) -> None:
    air, params, proof = instance(name)
    data = Proof.from_json(proof).to_bytes()
    chance = chance_of(name)
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 3, 30])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        if bytes(changed) == data:
            continue
        with pytest.raises(StarkError) as error:
            verify(air, params, bytes(changed))
        assert isinstance(error.value, ProofRefused | ProofUnreadable)
        assert getattr(error.value, "reason", "") != "malformed"
