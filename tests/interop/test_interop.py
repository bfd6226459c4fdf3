"""The published Rust verifier judges our proofs (needs cargo; builds once into interop/target)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from check import HERE, Row, Unbuilt, build, check_instance, check_prover, check_vectors, judge, main
from instances import AIRS, CONFIGS, backends, instance
from masks import MASKS, shifted_products

from bitsage.obelysk import MatmulJob
from bitsage.stark import Proof, prove, verify

CASES = [(air, config) for air in AIRS for config in CONFIGS if instance(air, config) is not None]


@pytest.mark.slow
@pytest.mark.parametrize("backend", backends())
@pytest.mark.parametrize(("air", "config"), CASES)
def test_rust_accepts_our_proof_and_refuses_mutated_ones(
    harness: Path, tmp_path: Path, air: str, config: str, backend: str
) -> None:
    made = instance(air, config)
    assert made is not None
    row = check_instance(harness, tmp_path, made, config, backend)
    assert row.good, row
    assert row.mutated >= 6


EXPLICIT = {air for air, config in CASES if any(c.interaction for c in instance(air, config).air.components)}


@pytest.mark.slow
@pytest.mark.parametrize(("air", "config"), [case for case in CASES if case[0] not in EXPLICIT])
def test_the_rust_prover_makes_our_bytes(rust_prover: Path, tmp_path: Path, air: str, config: str) -> None:
    made = instance(air, config)
    assert made is not None
    row = check_prover(rust_prover, tmp_path, made, config)
    assert row.good, row


@pytest.mark.slow
def test_rust_still_says_of_every_stored_proof_what_the_index_says(harness: Path) -> None:
    judged = list(check_vectors(harness))
    assert len(judged) > 30
    assert [row for row in judged if not row.good] == []
    assert sum("refused" in row.note for row in judged) == 4


@pytest.mark.slow
def test_rust_accepts_a_job_proof_as_the_network_makes_it(harness: Path, tmp_path: Path) -> None:
    job, request, binding = MatmulJob(), {"size": 16, "seed": 3}, bytes(range(32))
    proof = Proof.from_bytes(job.prove(request, job.run(request), binding))
    air, params = job.statement(request, binding)
    verdict = judge(harness, tmp_path, air, params, proof)
    assert verdict.accepted, verdict
    assert verify(air, params, proof, required_bits=96).digest.hex() in verdict.text
    _, other = job.statement(request, bytes(32))
    assert not judge(harness, tmp_path, air, other, proof).accepted


@pytest.mark.slow
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("sizes", [[5], [5, 3]])
def test_rust_accepts_every_kind_of_mask(harness: Path, tmp_path: Path, masks: Any, sizes: list[int]) -> None:
    made = prove(*(given := shifted_products(masks, sizes)), strict=False)
    assert judge(harness, tmp_path, given[0], made.params, made.proof).accepted


def test_the_crates_are_pinned() -> None:
    lock = (HERE / "Cargo.lock").read_text()
    for crate in ("stwo", "stwo-constraint-framework"):
        assert f'name = "{crate}"\nversion = "2.3.0"\n' in lock
        assert f'{crate} = "=2.3.0"' in (HERE / "Cargo.toml").read_text()


def test_without_cargo_it_says_so_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["interop"])
    with pytest.raises(Unbuilt, match="cargo is not installed"):
        build()
    assert main() == 2
    assert "cargo is not installed" in capsys.readouterr().err


def test_a_build_that_fails_names_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess(["cargo"], 101, "", "one\nerror: no network\n")
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/cargo")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(Unbuilt, match="error: no network"):
        build()


@pytest.mark.parametrize(("accepted", "refused", "good"), [(True, 3, True), (True, 2, False), (False, 3, False)])
def test_a_row_is_good_only_when_rust_was_right_every_time(accepted: bool, refused: int, good: bool) -> None:
    assert Row("a", "c", "numpy", accepted, refused, 3).good is good
