"""The proofs of the published Rust crates: verdicts, digests, byte identity, transcripts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from vectors_io import DATA, FILES, GRAPHS, bundle, text, verdict

from bitsage.stark import Air, Params, Proof, ProofRefused, prove, verify
from bitsage.stark.channel import Channel
from bitsage.stark.errors import ProverError
from bitsage.stark.examples import example
from bitsage.stark.merkle import EMPTY_ROOT

# Rust's prover opens the low preprocessed tree at unsorted positions, which only its own code reproduces.
UNSORTED = "xor_bits2_n5_b1_k2_q20_liftNone.json"


@pytest.mark.parametrize("name", FILES)
def test_our_proof_is_byte_identical_and_the_verdict_is_rusts(name: str) -> None:
    given = bundle(name)
    air, params, trace = example(given["air"], given["params"])
    accepted = verdict(name) == "accept"
    ours = prove(air, params, trace, strict=accepted)
    if name == UNSORTED:
        theirs = Proof.from_json(given["proof"])
        assert replace(ours.proof, decommitments=theirs.decommitments, queried_values=theirs.queried_values) == theirs
    else:
        published = json.dumps(given["proof"], separators=(",", ":")).encode()
        assert ours.proof.to_json_bytes() == published
    if accepted:
        verified = verify(air, ours.params, Proof.from_json(given["proof"]), record=True)
        assert verified.digest.hex() == given["digest"]
        assert_same_transcript(verified.stages, given["stages"])
    else:
        with pytest.raises(ProofRefused):
            verify(air, ours.params, Proof.from_json(given["proof"]))
        with pytest.raises(ProverError):
            prove(air, params, trace)


def assert_same_transcript(ours: object, theirs: object) -> None:
    """Compare stage by stage, so that the first difference is named."""
    assert isinstance(ours, tuple)
    assert isinstance(theirs, list)
    for k, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        assert mine == other, f"the transcripts part at stage {k}"
    assert len(ours) == len(theirs)


def test_the_refused_shapes_name_their_reason() -> None:
    reasons = {}
    for name in FILES:
        if verdict(name) == "reject":
            given = bundle(name)
            air, params, _ = example(given["air"], given["params"])
            pinned = replace(params, preprocessed_root=bytes(given["proof"]["commitments"][0]))
            with pytest.raises(ProofRefused) as error:
                verify(air, pinned, Proof.from_json(given["proof"]))
            reasons[name] = error.value.reason
    assert reasons == {
        "emptypp_lift.json": "lifting_without_preprocessed",
        "wide_fib_n6_N5_b2_last2_k2_lift8.json": "lifting_without_preprocessed",
        "wide_fib_n9_N4_lift12.json": "lifting_without_preprocessed",
        UNSORTED: "preprocessed_tree_too_low",
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_published_graphs_verify_the_published_proofs(name: str) -> None:
    air = Air.from_json(text(f"graphs/{name}.air.json"))
    params = Params.from_json(text(f"graphs/{name}.gparams.json"))
    given = bundle(f"{name.removesuffix('.explicit')}.json")
    proof = Proof.from_json(given["proof"])
    verified = verify(air, params, proof, allow_unpinned_preprocessed=True)
    assert verified.digest.hex() == given["digest"]
    assert Air.from_json(json.dumps(air.to_json())) == air
    assert Params.from_json(json.dumps(params.to_json())) == params
    if air.preprocessed:
        with pytest.raises(ProofRefused) as error:
            verify(air, params, proof)
        assert error.value.reason == "preprocessed_root_unpinned"


@pytest.mark.parametrize("name", [g for g in GRAPHS if "explicit" not in g])
def test_our_graphs_mean_the_same_as_the_published_ones(name: str) -> None:
    given = bundle(f"{name}.json")
    published = Air.from_json(text(f"graphs/{name}.air.json"))
    params = Params.from_json(text(f"graphs/{name}.gparams.json"))
    _, _, trace = example(given["air"], given["params"])
    ours = prove(published, replace(params, claimed_sums=(), interaction_nonces=()), trace)
    assert ours.proof.to_json() == given["proof"]
    assert ours.params.claimed_sums == params.claimed_sums
    assert ours.params.interaction_nonces == params.interaction_nonces


def test_explicit_interaction_columns_prove_the_same_bytes() -> None:
    """The state machine with its LogUp columns written out as explicit columns."""
    name = "state_machine_n6_b1_k2_q10"
    air = Air.from_json(text(f"graphs/{name}.explicit.air.json"))
    params = Params.from_json(text(f"graphs/{name}.explicit.gparams.json"))
    given = bundle(f"{name}.json")
    native, native_params, trace = example(given["air"], given["params"])
    from bitsage.stark.logup import logup_columns
    from bitsage.stark.transcript import Environment, RelationValues

    def columns(challenges):  # type: ignore[no-untyped-def]
        relation = RelationValues(challenges["z"], ((1, 0, 0, 0), challenges["al"]))
        env = Environment(native, native_params, relations={"StateRelation": relation})
        return [logup_columns(env, k, {0: [], 1: trace.trace[k], 2: []})[0] for k in (0, 1)]

    # The claimed sums enter by the parameters here: the components themselves have no lookups.
    made = prove(air, params, trace, interaction=columns)
    assert made.proof.to_json() == given["proof"]


GOLDENS = {
    "wide_fib_n5_N8_k1.json": (
        1, "051152eb2dd6b794c6c33cc6eb218347c09426e27b4858bf79839bf61a89bbe1", 1059,
        "e18ce0e9e70a8333f91915ece0caf90904d8e2e1463e07b98c3ac566153bbbe6",
    ),
    "wide_fib_n5_N8_k2.json": (
        1, "051152eb2dd6b794c6c33cc6eb218347c09426e27b4858bf79839bf61a89bbe1", 349,
        "b9735cafc5e433a00d65769799b3983952f048a36b4e503f1d247ca70f307679",
    ),
    "wide_fib_n5_N8_k3.json": (
        1, "051152eb2dd6b794c6c33cc6eb218347c09426e27b4858bf79839bf61a89bbe1", 259,
        "9f0e14eff82a1b986590087a538c8d8da66df484080c7910bb66a5e64b6448c7",
    ),
    "wide_fib_n5_N8_nocfg.json": (
        1, "051152eb2dd6b794c6c33cc6eb218347c09426e27b4858bf79839bf61a89bbe1", 283,
        "c14ce79f00b33cc336ddea6d4f40b214e84325f26125da0bef847d4bb95d741e",
    ),
    "plonk_n5_upstream.json": (0, "e11f7322", 1803, "ecdb5fc5a2c40301bd9684834b5b8fa305751ab34b1fcbfb5a388a1e54436d7f"),
    "state_machine_n5_b1_k1_q3.json": (
        0, EMPTY_ROOT.hex(), 2377, "b0e6a7c923d4506473ce6a9a9d0cbc642ffac6b9447acc8ece71ab3372abf2d0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDENS)
def test_golden_roots_nonces_and_digests(name: str) -> None:
    tree, root, nonce, digest = GOLDENS[name]
    given = bundle(name)
    air, params, trace = example(given["air"], given["params"])
    ours = prove(air, params, trace)
    assert ours.proof.commitments[tree].hex().startswith(root)
    assert ours.proof.proof_of_work == nonce
    assert verify(air, ours.params, ours.proof).digest.hex() == digest


def test_golden_claimed_sums() -> None:
    sums = {
        "plonk_n5_upstream.json": ((1327194224, 52733418, 1150744850, 1873232733),),
        "state_machine_n5_b1_k1_q3.json": (
            (1732424750, 966610509, 170230206, 1719343347),
            (1507316837, 594665011, 936711188, 1346020888),
        ),
    }
    for name, expected in sums.items():
        given = bundle(name)
        air, params, trace = example(given["air"], given["params"])
        assert prove(air, params, trace).params.claimed_sums == expected


def test_the_pow_nonce_of_22_bits_follows_the_simd_order() -> None:
    nonce = bundle("wide_fib_n5_pow22.json")["proof"]["proof_of_work"]
    assert nonce == 2 << 32 | 70471


def test_the_index_lists_every_file() -> None:
    assert sorted(FILES) == sorted(p.name for p in DATA.glob("*.json") if p.name != "index.json")


def test_a_transcript_difference_is_localised() -> None:
    given = bundle("wide_fib_n5_N8_k1.json")
    air, params, _ = example(given["air"], given["params"])
    stages = verify(air, params, Proof.from_json(given["proof"]), record=True).stages
    changed = [dict(s) for s in given["stages"]]
    changed[3]["op"] = "mix_u64"
    with pytest.raises(AssertionError, match="part at stage 3"):
        assert_same_transcript(stages, changed)
    assert Channel().stages is None
