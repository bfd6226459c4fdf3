"""`sage proof`: exit codes, forms and messages."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bitsage.cli.proof import proof_app
from bitsage.obelysk import generate_inputs, get_job_type
from bitsage.stark import Params, PcsConfig, Proof, ProofBundle, prove
from bitsage.stark.examples import plonk, simple

DATA = Path(__file__).parent.parent / "data" / "stwo"
GRAPH = str(DATA / "graphs" / "simple_k3_lift7.air.json")
PARAMS = str(DATA / "graphs" / "simple_k3_lift7.gparams.json")
PROOF = json.loads((DATA / "simple_k3_lift7.json").read_text())["proof"]
UNPINNED = "--allow-unpinned-preprocessed"


def run(*args: str | Path) -> Any:
    return CliRunner().invoke(proof_app, [str(a) for a in args])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory with a proof, a changed proof, garbage, and pinned parameters."""
    (tmp_path / "proof.json").write_text(json.dumps(PROOF))
    (tmp_path / "changed.json").write_text(json.dumps({**PROOF, "proof_of_work": PROOF["proof_of_work"] + 1}))
    (tmp_path / "garbage.json").write_bytes(b"\xff" * 100)
    params = json.loads(Path(PARAMS).read_text())
    pinned = {**params, "preprocessed_root": bytes(PROOF["commitments"][0]).hex()}
    (tmp_path / "pinned.json").write_text(json.dumps(pinned))
    (tmp_path / "bundle.json").write_text(json.dumps({"params": pinned, "proof": PROOF}))
    (tmp_path / "proof.bin").write_bytes(Proof.from_json(PROOF).to_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["proof.json", "proof.bin", "bundle.json"])
def test_accepted_proofs_exit_0(files: Path, name: str) -> None:
    result = run("verify", "--air", GRAPH, "--params", files / "pinned.json", files / name)
    assert result.exit_code == 0, result.output
    assert "accepted: simple, 16 conjectured security bits" in result.output


def test_a_bundle_brings_its_parameters(files: Path) -> None:
    assert run("verify", "--air", GRAPH, files / "bundle.json").exit_code == 0
    result = run("verify", "--air", GRAPH, files / "proof.json")
    assert result.exit_code == 2
    assert "--params" in result.stderr


def test_json_output(files: Path) -> None:
    result = run("verify", "--air", GRAPH, files / "bundle.json", "--json")
    shown = json.loads(result.stdout)
    assert shown["accepted"] is True
    assert shown["digest"] == json.loads((DATA / "simple_k3_lift7.json").read_text())["digest"]
    result = run("verify", "--air", GRAPH, "--params", files / "pinned.json", files / "changed.json", "--json")
    shown = json.loads(result.stdout)
    assert (result.exit_code, shown["accepted"], shown["reason"]) == (1, False, "proof_of_work")
    result = run("verify", "--air", GRAPH, files / "garbage.json", "--json")
    assert (result.exit_code, json.loads(result.stdout)["reason"]) == (2, "unreadable")


def test_refused_proofs_exit_1_with_the_reason(files: Path) -> None:
    result = run("verify", "--air", GRAPH, "--params", files / "pinned.json", files / "changed.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("refused: proof_of_work")


def test_an_unpinned_root_needs_consent(files: Path) -> None:
    arguments = ("verify", "--air", GRAPH, "--params", PARAMS, files / "proof.json")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "preprocessed_root_unpinned" in result.stderr
    assert run(*arguments, UNPINNED).exit_code == 0


def test_required_bits(files: Path) -> None:
    arguments = ("verify", "--air", GRAPH, files / "bundle.json", "--required-bits")
    assert run(*arguments, "16").exit_code == 0
    result = run(*arguments, "17")
    assert result.exit_code == 1
    assert "security_too_low" in result.stderr


@pytest.mark.parametrize("name", ["garbage.json", "missing.json", "."])
def test_unreadable_files_exit_2(files: Path, name: str) -> None:
    for arguments in (
        ("verify", "--air", GRAPH, "--params", PARAMS, files / name),
        ("verify", "--air", files / name, "--params", PARAMS, files / "proof.json"),
        ("verify", "--air", GRAPH, "--params", files / name, files / "proof.json"),
        ("show", files / name),
        ("convert", files / name, files / "out"),
        ("prove", "--air", files / name, "--params", PARAMS, "--trace", PARAMS, "--out", files / "out"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, arguments
        assert result.stderr.splitlines()[-1].startswith("unreadable:")
        assert "Traceback" not in result.output
        told = json.loads(run(*arguments, "--json").stdout)
        assert (told["accepted"], told["reason"]) == (False, "unreadable")


def test_an_oversized_file_is_not_read(files: Path) -> None:
    (files / "big").write_bytes(b" " * ((1 << 23) + 1))
    assert run("show", files / "big").exit_code == 2


def test_convert_goes_back_and_forth(files: Path) -> None:
    assert run("convert", files / "proof.json", files / "a.bin", "--to", "binary").exit_code == 0
    assert (files / "a.bin").read_bytes() == (files / "proof.bin").read_bytes()
    assert run("convert", files / "a.bin", files / "b.json").exit_code == 0
    assert json.loads((files / "b.json").read_text()) == PROOF
    result = run("convert", files / "a.bin", files / "c.json", "--to", "bundle")
    assert result.exit_code == 2
    assert "parameters" in result.stderr
    assert run("convert", files / "bundle.json", files / "d.json", "--to", "bundle").exit_code == 0
    assert run("verify", "--air", GRAPH, files / "d.json").exit_code == 0
    assert run("convert", files / "a.bin", files / "no" / "such").exit_code == 2
    told = json.loads(run("convert", files / "a.bin", files / "e.json", "--json").stdout)
    assert told == {"file": str(files / "e.json"), "bytes": (files / "e.json").stat().st_size, "form": "json"}


def test_show_lists_the_facts(files: Path) -> None:
    plain = run("show", files / "proof.bin")
    assert plain.exit_code == 0
    assert "security_bits" in plain.output
    facts = json.loads(run("show", files / "bundle.json", "--json").stdout)
    assert facts["columns"] == [2, 8, 16, 8]
    assert facts["n_queries"] == 3
    assert facts["commitments"][0] == bytes(PROOF["commitments"][0]).hex()


def test_prove_then_verify(tmp_path: Path) -> None:
    air, params, trace = plonk(PcsConfig(), 5, mul_every=3)
    for name, value in (("air", air), ("params", params), ("trace", trace)):
        (tmp_path / name).write_text(json.dumps(value.to_json()))
    common = ("--air", tmp_path / "air", "--params", tmp_path / "params")
    made = run("prove", *common, "--trace", tmp_path / "trace", "--out", tmp_path / "proof")
    assert made.exit_code == 0, made.output
    assert "proof_of_work" in made.stderr
    assert run("verify", "--air", tmp_path / "air", tmp_path / "proof").exit_code == 0
    broken = trace.to_json()
    broken["trace"][0][3][5] += 1
    (tmp_path / "trace").write_text(json.dumps(broken))
    refused = run("prove", *common, "--trace", tmp_path / "trace", "--out", tmp_path / "other")
    assert refused.exit_code == 1
    assert "cannot be proven" in refused.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("device", ["numpy", None])
def test_the_memory_plan_is_shown_and_the_proof_is_the_same(tmp_path: Path, device: str | None) -> None:
    common = exported(tmp_path)
    files = (*common, "--trace", tmp_path / "trace")
    assert run("prove", *files, "--out", tmp_path / "plain", "--device", "numpy").exit_code == 0
    chosen = ("--device", device) if device else ()
    made = run("prove", *files, "--out", tmp_path / "explained", "--explain", *chosen)
    assert made.exit_code == 0, made.output
    for words in ("device", "memory", "needed to keep everything", "needed to stream columns", "mode", "quotients"):
        assert words in made.stdout
    assert ("without a device" in made.stdout) >= (device == "numpy")
    assert (tmp_path / "explained").read_bytes() == (tmp_path / "plain").read_bytes()


def test_a_plan_of_parameters_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    common = exported(tmp_path)
    params = Params.from_json((tmp_path / "params").read_bytes())
    changed = replace(params, log_sizes=(*params.log_sizes, 8))
    (tmp_path / "params").write_text(json.dumps(changed.to_json()))
    made = run("prove", *common, "--trace", tmp_path / "trace", "--out", tmp_path / "proof", "--explain")
    assert (made.exit_code, made.stdout) == (1, ""), made.stderr
    assert made.stderr.startswith("cannot be proven: params_mismatch")


def exported(folder: Path, *more: str | Path) -> tuple[str | Path, ...]:
    """A matmul of 16 as files; returns the arguments that name them."""
    common = ("--out", folder / "air", "--params", folder / "params", "--trace", folder / "trace")
    result = run("export-air", "--type", "matmul", "--size", "16", "--seed", "3", *common, *more)
    assert result.exit_code == 0, result.output
    assert "matmul: 2^8 rows, 96 conjectured security bits" in result.output
    return ("--air", folder / "air", "--params", folder / "params")


def test_a_job_is_exported_proven_and_verified_from_its_files(tmp_path: Path) -> None:
    common = exported(tmp_path, "--binding", "ab" * 32)
    made = run("prove", *common, "--trace", tmp_path / "trace", "--out", tmp_path / "bundle", "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["bytes"] == (tmp_path / "bundle").stat().st_size
    shown = run("verify", *common, tmp_path / "bundle", "--required-bits", "96", "--json")
    assert json.loads(shown.stdout)["claim"] == "given"
    job = get_job_type("matmul")
    request = {"size": 16, "seed": 3}
    proof = ProofBundle.from_json((tmp_path / "bundle").read_bytes()).proof
    job.verify(request, job.run(request), proof.to_bytes(), b"\xab" * 32)
    alone = run("verify", *common[:2], tmp_path / "bundle", "--json")
    assert json.loads(alone.stdout)["claim"] == "bundle"
    exported(tmp_path, "--binding", "cd" * 32)
    other = run("verify", *common, tmp_path / "bundle")
    assert (other.exit_code, other.stderr.split(":")[1].strip()) == (1, "oods_mismatch")


def test_a_wrong_column_of_a_job_cannot_be_proven(tmp_path: Path) -> None:
    common = exported(tmp_path)
    trace = json.loads((tmp_path / "trace").read_bytes())
    trace["trace"][0][2][17] ^= 1
    (tmp_path / "trace").write_text(json.dumps(trace))
    refused = run("prove", *common, "--trace", tmp_path / "trace", "--out", tmp_path / "bundle")
    assert refused.exit_code == 1
    assert "cannot be proven" in refused.stderr
    assert not (tmp_path / "bundle").exists()


def test_matrices_and_whole_requests_are_exported(tmp_path: Path) -> None:
    exported(tmp_path)
    words = ("--type", "matmul", "--size", "16", "--out", tmp_path / "air3", "--params", tmp_path / "params3")
    told = json.loads(run("export-air", *words, "--json").stdout)
    assert told == {"air": "matmul", "log_sizes": [8], "security_bits": 96}
    a, b = generate_inputs(16, 3)
    for name, matrix in (("a", a), ("b", b)):
        np.save(tmp_path / f"{name}.npy", matrix)
    (tmp_path / "request").write_text('{"size": 16, "seed": 3}')
    given = [f"--input={name}={tmp_path / name}.npy" for name in "ab"]
    for words in (given, ["--request", tmp_path / "request"]):
        files = ("--out", tmp_path / "air2", "--params", tmp_path / "params2", "--trace", tmp_path / "trace2")
        assert run("export-air", "--type", "matmul", *words, *files).exit_code == 0
        for name in ("air", "params", "trace"):
            assert (tmp_path / name).read_bytes() == (tmp_path / f"{name}2").read_bytes()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--type", "nonsense", "--size", "16"), "unknown job type"),
        (("--type", "matmul"), "give --size N"),
        (("--type", "matmul", "--size", "17"), "size"),
        (("--type", "matmul", "--size", "16", "--binding", "xy"), "64 hexadecimal digits"),
        (("--type", "matmul", "--size", "16", "--binding", "00"), "binding"),
        (("--type", "matmul", "--size", "16", "--request", "x"), "--request is the whole request"),
        (("--type", "matmul", "--request", "/nonexistent"), "No such file"),
        (("--type", "matmul", "--input", "a"), "NAME=FILE is expected"),
        (("--type", "matmul", "--input", "a=/nonexistent"), "No such file"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_sentence(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    result = run("export-air", *words, "--out", tmp_path / "air", "--params", tmp_path / "params")
    assert result.exit_code == 2
    assert result.stderr.startswith("unreadable:")
    assert sentence in result.stderr
    assert not (tmp_path / "air").exists()


def test_given_parameters_take_only_the_prover_s_part_from_the_bundle(tmp_path: Path) -> None:
    """Claimed sums and nonces are the prover's; sizes, public values and the pinned root are the verifier's."""
    air, params, trace = simple(PcsConfig(lifting_log_size=7), 6, 4)
    made = prove(air, params, trace)
    assert made.params.interaction_nonces
    (tmp_path / "air").write_text(json.dumps(air.to_json()))
    (tmp_path / "bundle").write_text(json.dumps(made.to_json()))
    pinned = replace(params, preprocessed_root=made.params.preprocessed_root)
    zeros = ((0, 0, 0, 0),) * 2
    for given, code in (
        (pinned, 0),
        (replace(pinned, claimed_sums=zeros), 0),
        (params, 1),
        (replace(pinned, preprocessed_root=bytes(32)), 1),
        (replace(pinned, claimed_sums=(*zeros[:1], (1, 0, 0, 0))), 1),
        (replace(pinned, interaction_nonces=(0,)), 1),
        (replace(pinned, log_sizes=(4, 6)), 1),
    ):
        (tmp_path / "params").write_text(json.dumps(given.to_json()))
        result = run("verify", "--air", tmp_path / "air", "--params", tmp_path / "params", tmp_path / "bundle")
        assert result.exit_code == code, (given, result.output)


def test_zero_claimed_sums_are_filled_in_by_the_prover(tmp_path: Path) -> None:
    air, params, trace = plonk(PcsConfig(), 5)
    made = prove(air, replace(params, claimed_sums=((0, 0, 0, 0),)), trace)
    assert made.params.claimed_sums != ((0, 0, 0, 0),)
    assert made == prove(air, params, trace)


def test_a_published_bundle_verifies_under_given_parameters() -> None:
    """Its own parameters have another form, which does not matter beside given ones."""
    bundle = DATA / "simple_k3_lift7.json"
    assert run("verify", "--air", GRAPH, "--params", PARAMS, bundle, UNPINNED).exit_code == 0
    assert run("verify", "--air", GRAPH, bundle).exit_code == 2
    assert run("show", bundle).exit_code == 0


def test_a_real_process(files: Path) -> None:
    command = [sys.executable, "-c", "from bitsage.cli.proof import proof_app; proof_app()"]
    verify = [*command, "verify", "--air", GRAPH]
    accepted = subprocess.run([*verify, str(files / "bundle.json")], capture_output=True, text=True, check=False)
    assert (accepted.returncode, accepted.stderr) == (0, "")
    refused = subprocess.run(
        [*verify, "--params", str(files / "pinned.json"), str(files / "changed.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("refused: proof_of_work")
    assert refused.stdout == ""
