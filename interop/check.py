"""`./run interop`: the published Rust verifier judges our proofs, and mutated ones, and the stored vectors.

    ./run interop                 every AIR under every configuration on every backend
    ./run interop --prover        also the published prover: its bytes must be ours (unstable Rust features)
    ./run interop --json          the table as JSON

Exit code 0 when Rust accepted every honest proof and refused every mutated one; 1 otherwise; 2 where it cannot
be built.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "tests" / "data" / "stwo"
HARNESS = HERE / "target" / "release" / "harness"
PROVER = HERE / "target" / "prover" / "release" / "harness"
if __name__ == "__main__":
    sys.path.insert(0, str(HERE))

from instances import AIRS, CONFIGS, Instance, backends, instance  # noqa: E402

from bitsage.stark import Air, P, Params, Proof, ProofBundle, verify  # noqa: E402


class Unbuilt(Exception):
    """The Rust verifier cannot be built here; the text says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the Rust verifier says: its word and whether it accepted."""

    accepted: bool
    text: str


@dataclass(slots=True)
class Row:
    """One line of the table."""

    air: str
    config: str
    backend: str
    accepted: bool
    refused: int
    mutated: int
    note: str = ""

    @property
    def good(self) -> bool:
        """Honest proof accepted, all mutated ones refused."""
        return self.accepted and self.refused == self.mutated


def build(*, prover: bool = False) -> Path:
    """Build the verifier (stable Rust, pinned by Cargo.lock) or the prover; about a minute each, once.

    Raises Unbuilt.
    """
    cargo = shutil.which("cargo")
    if cargo is None:
        raise Unbuilt("cargo is not installed: the Rust verifier cannot be built (https://rustup.rs)")
    command = [cargo, "build", "--release", "--locked", "--manifest-path", str(HERE / "Cargo.toml")]
    environment = dict(os.environ)
    if prover:
        command += ["--features", "emit", "--target-dir", str(HERE / "target" / "prover")]
        environment["RUSTC_BOOTSTRAP"] = "1"
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        last = [line for line in done.stderr.strip().splitlines() if line.strip()][-1:]
        raise Unbuilt(f"cargo could not build the Rust verifier: {''.join(last).strip()}")
    return PROVER if prover else HARNESS


def judge(harness: Path, folder: Path, air: Air, params: Params, proof: Proof) -> Verdict:
    """Write the three files and let the Rust verifier read them."""
    (folder / "air.json").write_text(json.dumps(air.to_json()))
    (folder / "params.json").write_text(json.dumps(params.to_json()))
    (folder / "proof.json").write_bytes(proof.to_json_bytes())
    names = [str(folder / f"{name}.json") for name in ("air", "params", "proof")]
    return _run([str(harness), "generic", *names])


def _run(command: list[str]) -> Verdict:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return Verdict(done.returncode == 0, (done.stdout + done.stderr).strip())


def mutations(made: Instance, bundle: ProofBundle) -> Iterator[tuple[str, Air, Params, Proof]]:
    """Proofs, parameters and graphs that no verifier may accept, each with what was changed."""
    air, params, proof = made.air, bundle.params, bundle.proof
    last = len(proof.commitments) - 1
    yield "trace value", air, params, replace(proof, queried_values=_bumped(proof.queried_values, 1))
    yield "sampled value", air, params, replace(proof, sampled_values=_sampled(proof, 1))
    yield "composition value", air, params, replace(proof, sampled_values=_sampled(proof, last))
    yield "last layer", air, params, replace(proof, last_coeffs=((1, 2, 3, 4), *proof.last_coeffs[1:]))
    swapped = (proof.commitments[0], proof.commitments[last], *proof.commitments[2:last], proof.commitments[1])
    yield "swapped roots", air, params, replace(proof, commitments=swapped)
    layer = replace(proof.first_layer, fri_witness=proof.first_layer.fri_witness[1:])
    yield "missing FRI value", air, params, replace(proof, first_layer=layer)
    if made.air.preprocessed:
        yield "another circuit", air, replace(params, preprocessed_root=bytes(32)), proof
    if any(component.logup for component in made.air.components):
        sums = (((bundle.params.claimed_sums[0][0] + 1) % P, *params.claimed_sums[0][1:]), *params.claimed_sums[1:])
        yield "claimed sum", air, replace(params, claimed_sums=sums), proof
    constrained = next((k for k, c in enumerate(air.components) if c.constraints), None)
    if constrained is not None:
        component = air.components[constrained]
        fewer = replace(component, constraints=component.constraints[1:])
        parts = (*air.components[:constrained], fewer, *air.components[constrained + 1 :])
        yield "dropped constraint", replace(air, components=parts), params, proof
    if len(set(params.log_sizes)) > 1:
        yield "swapped sizes", air, replace(params, log_sizes=params.log_sizes[::-1]), proof


def _bumped(trees: tuple[tuple[tuple[int, ...], ...], ...], tree: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    first, *rest = trees[tree]
    changed = (((first[0] + 1) % P, *first[1:]), *rest)
    return (*trees[:tree], changed, *trees[tree + 1 :])


def _sampled(proof: Proof, tree: int) -> tuple[tuple[tuple[tuple[int, int, int, int], ...], ...], ...]:
    first, *rest = proof.sampled_values[tree]
    a, b, c, d = first[0]
    changed = (((a, b, c, (d + 1) % P), *first[1:]), *rest)
    return (*proof.sampled_values[:tree], changed, *proof.sampled_values[tree + 1 :])


def check_instance(harness: Path, folder: Path, made: Instance, config: str, backend: str) -> Row:
    """Prove, let Rust judge the proof and its mutations, and compare the two transcripts' digests."""
    bundle = made.prove(backends()[backend])
    ours = verify(made.air, bundle.params, bundle.proof)
    honest = judge(harness, folder, made.air, bundle.params, bundle.proof)
    row = Row(made.name, config, backend, honest.accepted and ours.digest.hex() in honest.text, 0, 0)
    if not row.accepted:
        row.note = honest.text[:60]
    for what, air, params, proof in mutations(made, bundle):
        row.mutated += 1
        verdict = judge(harness, folder, air, params, proof)
        row.refused += not verdict.accepted
        if verdict.accepted:
            row.note = f"accepted: {what}"
    return row


def check_prover(prover: Path, folder: Path, made: Instance, config: str) -> Row:
    """Let the Rust prover prove the same trace: its bytes must be ours, and our verifier must accept them."""
    for name, value in (("air", made.air), ("params", made.params), ("trace", made.trace)):
        (folder / f"{name}.json").write_text(json.dumps(value.to_json()))
    names = [str(folder / f"{name}.json") for name in ("air", "params", "trace", "rust")]
    verdict = _run([str(prover), "gprove", *names])
    row = Row(made.name, config, "rust", verdict.accepted, 0, 0)
    if not verdict.accepted:
        row.note = verdict.text[:60]
        return row
    given = json.loads((folder / "rust.json").read_text())
    ours = made.prove()
    verify(made.air, ours.params, Proof.from_json(given["proof"]))
    row.accepted = given["proof"] == ours.proof.to_json()
    row.note = "" if row.accepted else "the bytes differ"
    return row


def check_vectors(harness: Path) -> Iterator[Row]:
    """The stored proofs of the Rust prover: the verdict of the Rust verifier equals the index's."""
    for entry in json.loads((VECTORS / "index.json").read_text()):
        path = str(VECTORS / entry["file"])
        verdict = _run([str(harness), "verify", entry["air"], path, path])
        expected = entry["rust_verify"] == "accept"
        same = verdict.accepted == expected and (not expected or entry["digest"] in verdict.text)
        row = Row(entry["air"], entry["file"].removesuffix(".json"), "rust", same, 0, 0)
        row.note = "" if expected else f"refused, as it must be: {verdict.text.removeprefix('rejected: ')}"
        yield row


def rows(harness: Path, folder: Path, prover: Path | None) -> Iterator[Row]:
    """The whole table."""
    for name in AIRS:
        for config in CONFIGS:
            made = instance(name, config)
            if made is not None:
                for backend in backends():
                    yield check_instance(harness, folder, made, config, backend)
                # The Rust prover makes no explicit interaction columns.
                if prover is not None and not any(component.interaction for component in made.air.components):
                    yield check_prover(prover, folder, made, config)
    yield from check_vectors(harness)


def _line(row: Row) -> str:
    verdict = "accepted" if row.accepted else "REFUSED"
    if row.backend == "rust":
        verdict = "same" if row.accepted else "DIFFERS"
    mutated = f"{row.refused}/{row.mutated}" if row.mutated else "-"
    return f"{row.air:<19}{row.config:<36}{row.backend:<8}{verdict:<10}{mutated:>8}  {row.note}".rstrip()


def main() -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(prog="./run interop", description="Judge our proofs by the published verifier.")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--prover", action="store_true", help="also compare with the bytes of the published prover")
    arguments = parser.parse_args()
    try:
        print("building the Rust verifier (about a minute, once)", file=sys.stderr)
        harness = build()
        prover = build(prover=True) if arguments.prover else None
    except Unbuilt as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    done: list[Row] = []
    if not arguments.json:
        print(f"{'AIR':<19}{'configuration or stored proof':<36}{'prover':<8}{'Rust':<10}{'refused':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(harness, Path(folder), prover):
            done.append(row)
            if not arguments.json:
                print(_line(row), flush=True)
    good = sum(row.good for row in done)
    mutated = sum(row.mutated for row in done)
    if arguments.json:
        fields = ("air", "config", "backend", "accepted", "refused", "mutated", "note")
        print(json.dumps({"good": good, "rows": [{f: getattr(row, f) for f in fields} for row in done]}))
    else:
        print(f"{good} of {len(done)} as they must be; {mutated} mutated proofs judged")
    return 0 if good == len(done) else 1


if __name__ == "__main__":
    sys.exit(main())
