"""The published Rust verifier judges our proofs (needs cargo; builds once into interop/target)."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from masks import MASKS, shifted_products

from bitsage.obelysk import JobType, MatmulJob
from bitsage.obelysk.inference import InferenceJob, default_model
from bitsage.stark import Air, P, Params, PcsConfig, Proof, prove, verify
from bitsage.stark.examples import simple

INTEROP = Path(__file__).parents[2] / "interop"
HARNESS = INTEROP / "target" / "release" / "harness"
CARGO = shutil.which("cargo")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CARGO is None, reason="cargo is not installed: the Rust verifier cannot be built"),
]


@pytest.fixture(scope="module")
def harness() -> Path:
    built = subprocess.run(
        [str(CARGO), "build", "--release", "--locked", "--manifest-path", str(INTEROP / "Cargo.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0 and "could not compile" not in built.stderr:
        pytest.skip(f"the crates could not be fetched: {built.stderr.strip().splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    return HARNESS


def judged(harness: Path, folder: Path, air: Air, params: Params, proof: Proof) -> tuple[int, str]:
    (folder / "air.json").write_text(json.dumps(air.to_json()))
    (folder / "params.json").write_text(json.dumps(params.to_json()))
    (folder / "proof.json").write_bytes(proof.to_json_bytes())
    names = [str(folder / f"{name}.json") for name in ("air", "params", "proof")]
    done = subprocess.run([str(harness), "generic", *names], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("job", "request_"),
    [
        (MatmulJob(), {"size": 16, "seed": 3}),
        (InferenceJob(), {"model": default_model().hash.hex(), "digits": "0-15"}),
    ],
    ids=["matmul", "inference"],
)
def test_rust_accepts_a_job_types_proof_and_refuses_mutated_ones(
    harness: Path, tmp_path: Path, job: JobType, request_: dict[str, Any]
) -> None:
    request, binding = request_, bytes(range(32))
    proof = Proof.from_bytes(job.prove(request, job.run(request), binding))
    air, params = job.statement(request, binding)
    code, text = judged(harness, tmp_path, air, params, proof)
    assert code == 0, text
    assert verify(air, params, proof).digest.hex() in text
    values = [list(column) for column in proof.queried_values[1]]
    values[0][0] = (values[0][0] + 1) % P
    trees = (proof.queried_values[0], tuple(map(tuple, values)), *proof.queried_values[2:])
    _, other = job.statement(request, bytes(32))
    for changed_params, changed in (
        (params, replace(proof, proof_of_work=proof.proof_of_work + 1)),
        (params, replace(proof, queried_values=trees)),
        (params, replace(proof, last_coeffs=((1, 2, 3, 4),))),
        (replace(params, preprocessed_root=bytes(32)), proof),
        (other, proof),
    ):
        code, text = judged(harness, tmp_path, air, changed_params, changed)
        assert code == 1, text


def test_rust_accepts_lookups_over_two_sizes(harness: Path, tmp_path: Path) -> None:
    air, params, trace = simple(PcsConfig(10, 2, 20, 1, 3, 9), 6, 4)
    made = prove(air, params, trace)
    code, text = judged(harness, tmp_path, air, made.params, made.proof)
    assert code == 0, text


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("sizes", [[5], [5, 3]])
def test_rust_accepts_every_kind_of_mask(harness: Path, tmp_path: Path, masks: Any, sizes: list[int]) -> None:
    made = prove(*(instance := shifted_products(masks, sizes)))
    code, text = judged(harness, tmp_path, instance[0], made.params, made.proof)
    assert code == 0, text
