"""The decoders, fuzzed: what is read comes back as it was, and everything else is ProofUnreadable, at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from graph_mutation import graph_changes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_mutation import arrays, at, leaves, replaced
from mutation import AIRS, HEAVY, P, instance, judged, pinned

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
from bitsage.stark.proof import FriLayer
from bitsage.stark.proof_binary import decode

FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.integers(0, 2**32 - 1)
felts = st.tuples(words, words, words, words)
hashes = st.lists(st.binary(min_size=32, max_size=32), max_size=3).map(tuple)
configs = st.builds(
    PcsConfig,
    pow_bits=st.integers(0, 60),
    log_blowup_factor=st.integers(1, 16),
    n_queries=st.integers(1, 512),
    log_last_layer_degree_bound=st.integers(0, 10),
    fold_step=st.integers(1, 8),
    lifting_log_size=st.none() | st.integers(1, 30),
)
fri_layers = st.builds(FriLayer, st.lists(felts, max_size=4).map(tuple), hashes, st.binary(min_size=32, max_size=32))


def trees(entry: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.lists(entry, max_size=3).map(tuple), max_size=4).map(tuple)


proofs = st.builds(
    Proof,
    config=configs,
    commitments=st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple),
    sampled_values=trees(st.lists(felts, max_size=3).map(tuple)),
    decommitments=st.lists(hashes, max_size=4).map(tuple),
    queried_values=trees(st.lists(words, max_size=5).map(tuple)),
    proof_of_work=st.integers(0, 2**64 - 1),
    first_layer=fri_layers,
    inner_layers=st.lists(fri_layers, max_size=3).map(tuple),
    last_coeffs=st.lists(felts, max_size=4).map(tuple),
    last_log_size=words,
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def reads(read: Callable[[Any], object], data: Any) -> bool:
    """Whether it can be read; any error but ProofUnreadable, and more than a second, fails the test."""
    start = time.thread_time()
    try:
        read(data)
    except ProofUnreadable:
        result = False
    else:
        result = True
    assert time.thread_time() - start < 1
    return result


@FAST
@given(proofs)
def test_every_proof_has_one_binary_and_one_json_form(proof: Proof) -> None:
    binary, text = proof.to_bytes(), proof.to_json_bytes()
    assert decode(binary) == proof
    assert read_proof(binary) == proof == read_proof(text)
    assert decode(binary).to_bytes() == binary
    assert read_proof(text).to_json_bytes() == text


@FAST
@given(proofs, st.data())
def test_a_changed_binary_form_is_another_proof_or_none(proof: Proof, data: st.DataObject) -> None:
    binary = bytearray(proof.to_bytes())
    position = data.draw(st.integers(0, len(binary) - 1))
    binary[position] ^= data.draw(st.integers(1, 255))
    if reads(read_proof, bytes(binary)):
        other = read_proof(bytes(binary))
        assert other != proof
        assert other.to_bytes() == bytes(binary)
    cut = data.draw(st.integers(0, len(binary) - 1))
    assert not reads(decode, proof.to_bytes()[:cut])
    assert not reads(decode, proof.to_bytes() + data.draw(st.binary(min_size=1, max_size=9)))


READERS: dict[str, Callable[[Any], object]] = {
    "air": Air.from_json,
    "params": Params.from_json,
    "trace": Trace.from_json,
    "proof": Proof.from_json,
    "bundle": ProofBundle.from_json,
    "bytes": lambda data: read_proof(data if isinstance(data, bytes) else json.dumps(data).encode()),
}


@pytest.mark.parametrize("name", READERS)
@FAST
@given(data=st.binary(max_size=300) | anything)
def test_random_values_are_unreadable(name: str, data: Any) -> None:
    assert not reads(READERS[name], data)
    if not isinstance(data, bytes):
        assert not reads(READERS[name], json.dumps(data).encode())


@FAST
@given(st.binary(max_size=400))
def test_random_bytes_after_the_magic_are_unreadable(data: bytes) -> None:
    assert not reads(decode, b"BSP1" + data)


def documents() -> dict[str, Any]:
    """Readable documents of every kind, from an AIR with lookups and explicit columns between them."""
    result: dict[str, Any] = {}
    for name in ("simple", "matmul"):
        made = instance(name, "b2 q12 k3")
        assert made is not None
        bundle = made.prove()
        small = replace(made.trace, trace=tuple(tuple(c[:4] for c in columns) for columns in made.trace.trace))
        result |= {
            f"air {name}": made.air.to_json(),
            f"params {name}": bundle.params.to_json(),
            f"trace {name}": replace(small, preprocessed=()).to_json(),
            f"proof {name}": bundle.proof.to_json(),
            f"bundle {name}": bundle.to_json(),
        }
    return result


DOCUMENTS = documents()


def changed(document: Any, data: st.DataObject) -> Any:
    """One entry of the document replaced by anything, or an array cut, repeated or nested."""
    paths = [*leaves(document), *arrays(document)]
    path = data.draw(st.sampled_from(paths))
    value = at(document, path)
    other = anything | st.sampled_from([value, [value], {"op": value}, P, P - 1, 2**32, 2**64, -1, 0, "", None])
    if isinstance(value, list):
        other |= st.sampled_from([value[:-1], value * 2, value[::-1], []])
    return replaced(document, path, data.draw(other))


@pytest.mark.parametrize("name", DOCUMENTS)
@FEW
@given(data=st.data())
def test_changed_documents_are_read_faithfully_or_not_at_all(name: str, data: st.DataObject) -> None:
    """What is read writes itself as it was given: no two documents mean one thing by accident."""
    document = changed(DOCUMENTS[name], data)
    kinds: dict[str, Any] = {"air": Air, "params": Params, "trace": Trace, "proof": Proof, "bundle": ProofBundle}
    kind = kinds[name.split()[0]]
    if reads(kind.from_json, document):
        written = kind.from_json(document).to_json()
        assert kind.from_json(written).to_json() == written
        assert reads(kind.from_json, json.dumps(document))


@pytest.mark.parametrize("name", ["simple", "matmul"])
@FAST
@given(data=st.data())
def test_changed_documents_never_make_the_verifier_fail_otherwise(name: str, data: st.DataObject) -> None:
    """AIR, parameters and proof, each changed in one place, in all combinations."""
    kinds: dict[str, Any] = {"air": Air, "params": Params, "proof": Proof}
    parts: dict[str, Any] = {}
    for kind, reader in kinds.items():
        document = DOCUMENTS[f"{kind} {name}"]
        if data.draw(st.booleans()):
            document = changed(document, data)
        if not reads(reader.from_json, document):
            return
        parts[kind] = reader.from_json(document)
    start = time.thread_time()
    try:
        verify(parts["air"], parts["params"], parts["proof"])
    except ProofRefused as error:
        assert error.reason != "malformed", error  # noqa: PT017
    except ProofUnreadable:
        pass
    assert time.thread_time() - start < 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in AIRS if name not in HEAVY])
def test_changed_graphs_never_make_the_verifier_fail_otherwise(name: str) -> None:
    """Two changes of the graph at once, none of them by a gentle hand."""
    made = instance(name, "b2 q12 k3")
    assert made is not None
    bundle = made.prove()
    params = pinned(made, bundle)
    for _, once in graph_changes(made.air.to_json()):
        try:
            air = Air.from_json(once)
        except ProofUnreadable:
            continue
        for _, twice in list(graph_changes(air.to_json()))[::7]:
            try:
                other = Air.from_json(twice)
            except ProofUnreadable:
                continue
            judged(other, params, bundle.proof)
