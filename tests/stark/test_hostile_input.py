"""Hostile files cost neither time nor memory, and end in ProofUnreadable or ProofRefused."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from json_mutation import replaced
from vectors_io import bundle, text

from bitsage.stark import (
    Air,
    Params,
    PcsConfig,
    Proof,
    ProofBundle,
    ProofRefused,
    ProofUnreadable,
    Trace,
    read_proof,
    verify,
)
from bitsage.stark.examples import example, plonk, wide_fibonacci
from bitsage.stark.graph import Fraction, PublicValue, Step
from bitsage.stark.layout import make_layout

GRAPH: Any = json.loads(text("graphs/simple_k3_lift7.air.json"))
PARAMS: Any = json.loads(text("graphs/simple_k3_lift7.gparams.json"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 100_000,
        b"NaN",
        b'{"config": 1e400}',
        b"null",
        b"[]",
        b'"text"',
        b" " * ((1 << 22) + 1),
        b'{"format":"stwo-air-graph/1","format":"x"}',
    ],
)
@pytest.mark.parametrize("read", [Air.from_json, Params.from_json, Proof.from_json, ProofBundle.from_json, read_proof])
def test_bytes_that_are_nothing(data: bytes, read: Any) -> None:
    start = time.thread_time()
    with pytest.raises(ProofUnreadable):
        read(data)
    assert time.thread_time() - start < 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "stwo-air-graph/2"),
        (("more",), 1),
        (("name",), "x" * 200),
        (("components",), []),
        (("components", 0, "more"), 1),
        (("components", 0, "log_degree"), 99),
        (("components", 0, "preprocessed"), ["unknown"]),
        (("components", 0, "preprocessed"), ["row_const_long"] * 2),
        (("components", 0, "trace", 0), []),
        (("components", 0, "trace", 0), [0, 0]),
        (("components", 0, "trace", 0), [0, 1, 2, 3, 4]),
        (("components", 0, "trace", 0), [10**9]),
        (("components", 0, "trace"), [[0]] * 5000),
        (("components", 0, "nodes", 0), ["pp", 1]),
        (("components", 0, "nodes", 0), ["pp", -1]),
        (("components", 0, "nodes", 1), ["col", 9, 0]),
        (("components", 0, "nodes", 1), ["col", 0, 1]),
        (("components", 0, "nodes", 1), ["col", 0, True]),
        (("components", 0, "nodes", 1), ["iext", 0, 0]),
        (("components", 0, "nodes", 4), ["mul", 4, 1]),
        (("components", 0, "nodes", 4), ["mul", 1]),
        (("components", 0, "nodes", 4), ["div", 1, 1]),
        (("components", 0, "nodes", 4), []),
        (("components", 0, "nodes", 4), [4]),
        (("components", 0, "nodes", 14), ["const", 2**31 - 1]),
        (("components", 0, "nodes", 14), ["qconst", [1, 2]]),
        (("components", 0, "nodes"), [["const", 1]] * 20_000),
        (("components", 0, "constraints"), [99]),
        (("components", 0, "constraints"), [-1]),
        (("components", 0, "logup", 0, "relation"), "unknown"),
        (("components", 0, "logup", 0, "values"), [3, 9, 9]),
        (("components", 0, "logup", 0), {"numerator": 1}),
        (("components", 0, "logup", 0), {"numerator": 1, "denominator": 99}),
        (("components", 0, "batching"), "triples"),
        (("components", 0, "batching"), [0, 2, 2]),
        (("components", 0, "batching"), [0]),
        (("relations", 0, "size"), 10**6),
        (("relations",), [{"name": "R", "size": 1}] * 2),
        (("preprocessed",), ["a", "a"]),
        (("transcript", 0), {"op": "mix_felts", "v": [-1]}),
        (("transcript", 0), {"op": "mix_felts", "v": [{"log_size": 7}]}),
        (("transcript", 0), {"op": "mix_felts", "v": [{"pub": "x", "j": 1}]}),
        (("transcript", 0), {"op": "mix_felts", "v": [{}]}),
        (("transcript", 0), {"op": "commit", "tree": 3}),
        (("transcript", 0), {"op": "draw_relation", "name": "unknown"}),
        (("transcript", 0), {"op": "pow", "bits": 64}),
        (("transcript", 0), {"op": "sleep"}),
        (("transcript", 0), "mix_config"),
        (("transcript",), [{"op": "mix_config"}] * 1000),
        (("checks",), [{"nodes": [["claimed", 9]], "zero": [0]}]),
        (("checks",), [{"nodes": [["inv", 0]], "zero": [0]}]),
        (("checks",), [{"nodes": [["combine", "unknown", []]], "zero": []}]),
        (("checks",), [{"nodes": [], "zero": [0]}]),
    ],
)
def test_broken_graphs(path: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(ProofUnreadable):
        Air.from_json(json.dumps(replaced(GRAPH, path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("components", 0, "log_size"), 60),
        (("components", 0, "log_size"), 0),
        (("components", 0), {"log_size": 4, "more": 1}),
        (("components",), [{"log_size": 4}] * 100),
        (("config", "pow_bits"), 2**31),
        (("config", "fri_config", "n_queries"), 10**6),
        (("config", "fri_config", "n_queries"), 0),
        (("config", "fri_config", "fold_step"), 0),
        (("config", "fri_config", "log_blowup_factor"), 17),
        (("config", "fri_config", "log_last_layer_degree_bound"), 11),
        (("config", "lifting_log_size"), 99),
        (("config", "lifting_log_size"), 0),
        (("preprocessed_log_sizes",), [99]),
        (("public",), []),
        (("public",), {"x": -1}),
        (("public",), {"x": [[1, 2], [3]]}),
        (("public",), {"x": 2**31 - 1}),
        (("public",), {"x": [0] * 70_000}),
        (("public",), {str(k): 0 for k in range(300)}),
        (("claimed_sums",), [[1, 2]]),
        (("interaction_nonces",), [2**64]),
        (("preprocessed_root",), "00"),
        (("preprocessed_root",), "g" * 64),
        (("preprocessed_root",), 5),
        (("more",), 1),
    ],
)
def test_broken_parameters(path: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(ProofUnreadable):
        Params.from_json(json.dumps(replaced(PARAMS, path, value)))


def test_public_values_of_every_kind_round_trip() -> None:
    public = {"m": 5, "q": [[1, 2], [3, 4]], "list": [1, [[1, 2], [3, 4]], 7], "empty": [], "pair": [1, 2]}
    params = Params.from_json({**PARAMS, "public": public})
    assert params.to_json()["public"] == public


@pytest.mark.parametrize("data", [{"trace": [[[-1]]]}, {"trace": [[[2**31 - 1]]]}, {"trace": 1}, {}, {"trace": [[1]]}])
def test_broken_traces(data: Any) -> None:
    with pytest.raises(ProofUnreadable):
        Trace.from_json(data)


def refusal(air: Air, params: Params, proof: Any) -> str:
    start = time.thread_time()
    with pytest.raises((ProofRefused, ProofUnreadable)) as error:
        verify(air, params, proof)
    assert time.thread_time() - start < 1
    return getattr(error.value, "reason", "unreadable")


def test_transcripts_out_of_order_are_unreadable() -> None:
    given = bundle("plonk_n5_b1_k1_q3.json")
    air, params, _ = example(given["air"], given["params"])
    made = Params.from_json({**params.to_json(), "claimed_sums": given["params"]["claimed_sums"]})
    made = replace(made, preprocessed_root=bytes(given["proof"]["commitments"][0]))
    proof = Proof.from_json(given["proof"])
    steps = air.transcript
    for changed in (
        steps[:-1],
        (*steps, steps[-1]),
        (steps[0], steps[2], steps[1], *steps[3:]),
        tuple(s for s in steps if s.op != "draw_relation"),
        (Step("mix_felts", values=(*((PublicValue("x"),)),)), *steps),
    ):
        assert refusal(replace(air, transcript=changed), made, proof) in ("unreadable", "public_value_missing")


@pytest.mark.parametrize(
    ("sizes", "config", "reason"),
    [
        ((5,), PcsConfig(lifting_log_size=6), "lifting_without_preprocessed"),
        ((2,), PcsConfig(fold_step=3), "config_invalid"),
        ((26,), PcsConfig(log_blowup_factor=8), "config_invalid"),
        ((5, 5), PcsConfig(), "params_mismatch"),
        ((), PcsConfig(), "params_mismatch"),
    ],
)
def test_impossible_sizes_are_refused_before_any_work(sizes: Any, config: PcsConfig, reason: str) -> None:
    air, params, _ = wide_fibonacci(config, [(5, 4)])
    given = bundle("wide_fib_n5_N8_k1.json")["proof"]
    assert refusal(air, replace(params, log_sizes=sizes), Proof.from_json(given)) == reason


def test_constraints_of_too_high_a_degree_are_refused() -> None:
    air, params, _ = plonk(PcsConfig(), 5)
    component = air.components[0]
    nodes = (*component.nodes, ("mul", len(component.nodes) - 2, len(component.nodes) - 2))
    for changed in (
        replace(component, nodes=nodes, constraints=(len(nodes) - 1,)),
        replace(component, log_degree=2),
        replace(component, batching=(0, 0, 0)),
        replace(component, logup=(Fraction(None, 0, (), component.constraints[0]),), batching=(0,)),
    ):
        with pytest.raises(ProofRefused) as error:
            make_layout(replace(air, components=(changed,)), params)
        assert error.value.reason == "unsupported_degree"


def test_a_relation_that_could_wrap_is_refused() -> None:
    air, params, _ = plonk(PcsConfig(), 5)
    component = air.components[0]
    many = replace(component, logup=component.logup[:1] * 64, batching=tuple(range(64)))
    with pytest.raises(ProofRefused) as error:
        make_layout(
            replace(air, components=(many,)), replace(params, log_sizes=(26,), preprocessed_log_sizes=(26,) * 4)
        )
    assert error.value.reason == "relation_uses"


def test_trees_of_different_heights_are_refused() -> None:
    air, params, _ = wide_fibonacci(PcsConfig(), [(5, 4), (6, 4)])
    bare = replace(air.components[1], trace=(), nodes=(), constraints=())
    with pytest.raises(ProofRefused) as error:
        make_layout(replace(air, components=(air.components[0], bare)), params)
    assert error.value.reason == "tree_heights_differ"


def test_a_big_but_shapeless_proof_is_refused_quickly() -> None:
    given = bundle("wide_fib_n5_N8_k1.json")
    air, params, _ = example(given["air"], given["params"])
    params = replace(params, preprocessed_root=bytes(given["proof"]["commitments"][0]))
    felt = [[1, 2], [3, 4]]
    for path, value in (
        (("fri_proof", "first_layer", "fri_witness"), [felt] * 60_000),
        (("decommitments", 1, "hash_witness"), [[7] * 32] * 30_000),
        (("queried_values", 1), [[1] * 500] * 1000),
    ):
        data = json.dumps(replaced(given["proof"], path, value)).encode()
        assert refusal(air, params, data) in ("fri_witness", "merkle_witness", "shape", "unreadable")


@pytest.mark.parametrize(
    "proof",
    [
        b'{"commitments":[' + b"[" + b"1," * 2_000_000 + b"1]]}",
        json.dumps({**bundle("wide_fib_n5_N8_k1.json")["proof"], "queried_values": [[[1] * 512] * 4000]}).encode()[
            : 1 << 22
        ],
        json.dumps({**bundle("wide_fib_n5_N8_k1.json")["proof"], "queried_values": [[[1] * 500] * 4000]}).encode(),
        json.dumps(
            {**bundle("wide_fib_n5_N8_k1.json")["proof"], "decommitments": [{"hash_witness": [[1] * 32] * 60_000}]}
        ).encode(),
        b"BSP1" + b"\xff" * (1 << 22),
        Proof.from_json(bundle("wide_fib_n5_N8_k1.json")["proof"]).to_bytes()[:36] + b"\x04\0\0\0" + b"\0" * (1 << 21),
    ],
)
def test_the_largest_documents_are_judged_within_a_second(proof: bytes) -> None:
    given = bundle("wide_fib_n5_N8_k1.json")
    air, params, _ = example(given["air"], given["params"])
    assert refusal(air, params, proof) in ("unreadable", "shape")


def test_the_largest_check_is_judged_within_a_second() -> None:
    """As many relation combinations as the format allows, each with as many values as it allows."""
    combine = ["combine", "PlonkRelation", [0] * 256]
    check = {"name": "", "nodes": [["const", 5]] + [combine] * 511, "zero": []}
    given = bundle("plonk_n5_b1_k1_q3.json")
    air, params, _ = example(given["air"], given["params"])
    graph: Any = air.to_json()
    graph["relations"][0]["size"] = 256
    for count in (16, 17):
        graph["checks"] = [check] * count
        with pytest.raises(ProofUnreadable):
            Air.from_json(json.dumps(graph))
    graph["checks"] = [check] * 2
    start = time.thread_time()
    large = Air.from_json(json.dumps(graph))
    made = replace(params, preprocessed_root=bytes(given["proof"]["commitments"][0]), claimed_sums=((0, 0, 0, 0),))
    with pytest.raises(ProofRefused):
        verify(large, made, Proof.from_json(given["proof"]))
    assert time.thread_time() - start < 1
