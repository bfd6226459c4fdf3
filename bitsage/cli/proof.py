"""`sage proof`: verify, make, show and convert proofs in the forms of docs/proving.md.

Exit codes: 0 accepted or done, 1 refused (or the trace does not satisfy the AIR), 2 unreadable input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from blake3 import blake3

from bitsage.stark import (
    Air,
    Params,
    Proof,
    ProofRefused,
    ProofUnreadable,
    ProverError,
    Trace,
    prove,
    reader,
    verify,
)

from .context import config
from .proof_export import export_air_command
from .proof_files import REFUSED, UNREADABLE, Form, encode, load, read_file, statement, stop, write_file

proof_app = typer.Typer(help="Verify, make, show and convert STARK proofs.", no_args_is_help=True)

ProofPath = Annotated[Path, typer.Argument(metavar="PROOF", help="Proof or bundle, as JSON or compact binary.")]
AirOption = Annotated[Path, typer.Option("--air", metavar="AIR.json", help="The AIR, in the form stwo-air-graph/1.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@proof_app.command("verify")
def verify_command(
    proof: ProofPath,
    air: AirOption,
    params: Annotated[
        Path | None,
        typer.Option(
            "--params", metavar="PARAMS.json", help="What is claimed. Without it the bundle itself says what it claims."
        ),
    ] = None,
    required_bits: Annotated[int, typer.Option(min=0, help="Refuse fewer conjectured security bits.")] = 0,
    allow_unpinned_preprocessed: Annotated[
        bool,
        typer.Option(help="Accept parameters without preprocessed_root: the prover then chooses the circuit."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify a proof: exit 0 accepted, 1 refused with the reason, 2 unreadable.

    With --params and a bundle, only the claimed sums of lookups and the interaction nonces come from the bundle.

    Example: sage proof verify --air matmul.air.json --params job.params.json job.proof --required-bits 96
    """
    try:
        graph = Air.from_json(read_file(air))
        bundled, parsed = load(proof)
        verified = verify(
            graph,
            statement(graph, params, bundled),
            parsed,
            required_bits=required_bits,
            allow_unpinned_preprocessed=allow_unpinned_preprocessed,
        )
    except ProofRefused as error:
        stop(REFUSED, f"refused: {error}", as_json, reason=error.reason, detail=error.detail)
    except ProofUnreadable as error:
        stop(UNREADABLE, f"unreadable: {error}", as_json, reason="unreadable")
    claim = "given" if params is not None else "bundle"
    if as_json:
        roots = [root.hex() for root in verified.commitments]
        result = {"accepted": True, "air": verified.air, "security_bits": verified.security_bits, "claim": claim}
        typer.echo(json.dumps({**result, "digest": verified.digest.hex(), "commitments": roots}))
    else:
        whose = "" if params is not None else "; what is claimed, and the preprocessed root, are the bundle's own"
        typer.echo(f"accepted: {verified.air}, {verified.security_bits} conjectured security bits{whose}")


@proof_app.command("prove")
def prove_command(
    air: AirOption,
    params: Annotated[
        Path, typer.Option("--params", metavar="PARAMS.json", help="Configuration, sizes, public values.")
    ],
    trace: Annotated[Path, typer.Option("--trace", metavar="TRACE.json", help="The columns, in stored order.")],
    out: Annotated[Path, typer.Option("--out", metavar="PROOF", help="Where the proof goes.")],
    form: Annotated[Form, typer.Option(help="bundle: with the parameters a verifier needs.")] = Form.bundle,
    device: Annotated[
        str | None, typer.Option("--device", help="What it is made on, as `sage devices` lists it; default: the best.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show first how much device memory the proof takes, stage by stage.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prove a trace: exit 0 done, 1 the trace does not satisfy the AIR, 2 unreadable input or no such device.

    Explicit interaction columns are solved from the constraints; an AIR that does not determine them is refused.

    Example: sage proof prove --air air.json --params params.json --trace trace.json --out proof.json
    """
    from bitsage.opencl import prove_with_fallback

    from .memory_plan import explain as explain_memory

    wanted = device or config().device
    try:
        graph, given = Air.from_json(read_file(air)), Params.from_json(read_file(params))
        columns = Trace.from_json(read_file(trace, reader.MAX_DOCUMENT))
        plan = explain_memory(graph, given, wanted, show=not as_json)[0] if explain else None
        proved = prove_with_fallback(
            lambda backend: prove(graph, given, columns, backend=backend, progress=_say_stage),
            wanted=wanted,
            plan=plan,
        )
        write_file(out, encode(proved.result.params, proved.result.proof, form))
    except (ProverError, ProofRefused) as error:
        stop(REFUSED, f"cannot be proven: {error}", as_json, reason="cannot_be_proven")
    except ProofUnreadable as error:
        stop(UNREADABLE, f"unreadable: {error}", as_json, reason="unreadable")
    typer.echo(f"made on {proved.device} ({proved.mode})", err=True)
    if as_json:
        typer.echo(json.dumps(_written(out) | {"device": proved.device, "mode": proved.mode}))


def _written(file: Path) -> dict[str, Any]:
    return {"file": str(file), "bytes": file.stat().st_size}


def _say_stage(stage: str, done: int, total: int) -> None:
    typer.echo(f"{done}/{total} {stage}", err=True)


@proof_app.command("show")
def show_command(proof: ProofPath, as_json: AsJson = False) -> None:
    """Show what a proof contains, without verifying it.

    Example: sage proof show job.proof
    """
    try:
        _, parsed = load(proof)
    except ProofUnreadable as error:
        stop(UNREADABLE, f"unreadable: {error}", as_json, reason="unreadable")
    facts = _facts(parsed)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        for k, line in enumerate(value if isinstance(value, list) else [value]):
            typer.echo(f"{name if k == 0 else '':{width}}  {line}")


def _facts(proof: Proof) -> dict[str, Any]:
    binary = proof.to_bytes()
    config = proof.config
    return {
        "security_bits": config.security_bits,
        "proven_bits": config.proven_bits,
        "pow_bits": config.pow_bits,
        "log_blowup_factor": config.log_blowup_factor,
        "n_queries": config.n_queries,
        "fold_step": config.fold_step,
        "log_last_layer_degree_bound": config.log_last_layer_degree_bound,
        "lifting_log_size": config.lifting_log_size,
        "columns": [len(tree) for tree in proof.sampled_values],
        "fri_layers": 1 + len(proof.inner_layers),
        "binary_bytes": len(binary),
        "json_bytes": len(proof.to_json_bytes()),
        "blake3": blake3(binary).hexdigest(),
        "commitments": [root.hex() for root in proof.commitments],
    }


@proof_app.command("convert")
def convert_command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Proof or bundle in any form.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where the other form goes.")],
    to: Annotated[Form, typer.Option("--to", help="Form to write; bundle needs a bundle.")] = Form.json,
    as_json: AsJson = False,
) -> None:
    """Convert a proof between JSON, which the Rust verifier reads, and the compact binary form.

    Example: sage proof convert job.proof job.json --to json
    """
    try:
        bundled, parsed = load(source)
        params = Params.from_json(bundled) if to is Form.bundle and bundled is not None else None
        write_file(target, encode(params, parsed, to))
    except ProofUnreadable as error:
        stop(UNREADABLE, f"unreadable: {error}", as_json, reason="unreadable")
    if as_json:
        typer.echo(json.dumps(_written(target) | {"form": to.value}))


proof_app.command("export-air")(export_air_command)
