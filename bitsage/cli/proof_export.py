"""`sage proof export-air`: the statement of a job as files that any prover and verifier of the format takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bitsage.obelysk import get_job_type
from bitsage.obelysk.errors import ObelyskError
from bitsage.obelysk.job import WitnessedJob
from bitsage.stark import ProofUnreadable, reader

from .proof_files import MAX_FILE, UNREADABLE, read_file, stop, write_json

_MAX_INPUT = 64 << 20


def export_air_command(
    job_type: Annotated[str, typer.Option("--type", metavar="TYPE", help="Job type, such as matmul.")],
    out: Annotated[Path, typer.Option("--out", metavar="AIR.json", help="Where the AIR goes.")],
    params: Annotated[Path, typer.Option("--params", metavar="PARAMS.json", help="Where the parameters go.")],
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="TRACE.json", help="Run the job and write its columns here.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Size of the job.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the generated inputs.")] = 0,
    request: Annotated[
        Path | None, typer.Option(metavar="REQUEST.json", help="The whole request instead of size and seed.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME=FILE", help="A file's bytes as the request's NAME; may be repeated."),
    ] = None,
    binding: Annotated[
        str, typer.Option(metavar="HEX", help="The 32 bytes that tie a proof to job, worker and attempt.")
    ] = "00" * 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a job's AIR and parameters, and with --trace its columns, for prove, verify and the Rust verifier.

    Example: sage proof export-air --type matmul --size 16 --out air.json --params params.json --trace trace.json
    """
    try:
        job = get_job_type(job_type)
        asked = _request(request, size, seed, inputs or [])
        graph, statement = job.statement(asked, _binding(binding))
        if trace is not None:
            if not isinstance(job, WitnessedJob):
                raise ProofUnreadable(f"the job type {job_type} does not show its trace")
            write_json(trace, job.witness(asked).to_json())
        write_json(out, graph.to_json())
        write_json(params, statement.to_json())
    except (ProofUnreadable, ObelyskError) as error:
        stop(UNREADABLE, f"unreadable: {error}", as_json, reason="unreadable")
    bits = statement.config.security_bits
    if as_json:
        typer.echo(json.dumps({"air": graph.name, "log_sizes": list(statement.log_sizes), "security_bits": bits}))
        return
    rows = ", ".join(f"2^{n}" for n in statement.log_sizes)
    typer.echo(f"{graph.name}: {rows} rows, {bits} conjectured security bits")


def _request(file: Path | None, size: int | None, seed: int, inputs: list[str]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if file is not None:
        if size is not None:
            raise ProofUnreadable("--request is the whole request: --size does not go with it")
        value = reader.parse(read_file(file), str(file), MAX_FILE)
        if not isinstance(value, dict):
            raise ProofUnreadable(f"{file}: an object is expected")
        asked = value
    elif size is not None:
        asked = {"size": size, "seed": seed}
    elif not inputs:
        raise ProofUnreadable("give --size N, --request REQUEST.json or --input NAME=FILE")
    for entry in inputs:
        name, equals, path = entry.partition("=")
        if not equals or not name:
            raise ProofUnreadable(f"--input {entry[:40]!r}: NAME=FILE is expected")
        asked[name] = read_file(Path(path), _MAX_INPUT)
    return asked


def _binding(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ProofUnreadable("--binding: 64 hexadecimal digits are expected") from None
