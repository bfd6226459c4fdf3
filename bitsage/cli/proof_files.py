"""Reading and writing the files of `sage proof`: proofs in every form, parameters, bundles."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

import typer

from bitsage.stark import Air, Params, Proof, ProofBundle, ProofUnreadable, read_proof, reader
from bitsage.stark.fields import ZERO
from bitsage.stark.proof_binary import MAGIC

REFUSED = 1
UNREADABLE = 2
MAX_FILE = 1 << 23


class Form(StrEnum):
    """Forms of a proof file."""

    json = "json"
    binary = "binary"
    bundle = "bundle"


def stop(code: int, message: str, as_json: bool = False, **fields: Any) -> NoReturn:
    """Say why on standard error, or with --json on standard output, and leave with the code."""
    if as_json:
        typer.echo(json.dumps({"accepted": False, **fields, "error": message}))
    else:
        typer.echo(message, err=True)
    raise typer.Exit(code)


def read_file(path: Path, limit: int = MAX_FILE) -> bytes:
    """At most `limit` bytes of a file.  Raises ProofUnreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ProofUnreadable(f"{path}: {error.strerror or 'cannot be read'}") from None
    if len(data) > limit:
        raise ProofUnreadable(f"{path}: more than {limit} bytes")
    return data


def load(path: Path) -> tuple[Any, Proof]:
    """A proof, and where the file is a bundle its parameters, not read yet.  Raises ProofUnreadable."""
    data = read_file(path)
    if data[: len(MAGIC)] == MAGIC:
        return None, read_proof(data)
    value = reader.parse(data, str(path), MAX_FILE)
    if isinstance(value, dict) and "proof" in value:
        return value.get("params"), Proof.from_json(value["proof"])
    return None, Proof.from_json(value)


def statement(air: Air, given: Path | None, bundled: Any) -> Params:
    """The parameters to verify under: those of the given file, else the bundle's.

    What the prover makes, claimed sums of lookups and interaction nonces, comes from the bundle where the given
    parameters leave it open (absent, or 0 as a claimed sum).  Raises ProofUnreadable.
    """
    if given is None:
        if bundled is None:
            raise ProofUnreadable("the proof comes without parameters: give --params PARAMS.json")
        return Params.from_json(bundled)
    params = Params.from_json(read_file(given))
    try:
        made = None if bundled is None else Params.from_json(bundled)
    except ProofUnreadable:
        made = None  # parameters in a form of their own beside the proof; the given ones count
    return params if made is None else _completed(air, params, made)


def _completed(air: Air, given: Params, made: Params) -> Params:
    count = len(air.components)
    sums = given.claimed_sums or ((ZERO,) * count if air.has_interaction else ())
    if len(sums) == len(made.claimed_sums) == count:
        rows = zip(air.components, sums, made.claimed_sums, strict=True)
        sums = tuple(theirs if component.logup and own == ZERO else own for component, own, theirs in rows)
    return replace(given, claimed_sums=sums, interaction_nonces=given.interaction_nonces or made.interaction_nonces)


def encode(params: Params | None, proof: Proof, form: Form) -> bytes:
    """The bytes of a proof file.  Raises ProofUnreadable for a bundle without parameters."""
    if form is Form.binary:
        return proof.to_bytes()
    if form is Form.json:
        return proof.to_json_bytes()
    if params is None:
        raise ProofUnreadable("a bundle needs the parameters, which this file does not have")
    return json.dumps(ProofBundle(params, proof).to_json(), separators=(",", ":")).encode()


def write_json(path: Path, value: Any) -> None:
    """Write compact JSON.  Raises ProofUnreadable."""
    write_file(path, json.dumps(value, separators=(",", ":")).encode())


def write_file(path: Path, data: bytes) -> None:
    """Write a file.  Raises ProofUnreadable when it cannot be written."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ProofUnreadable(f"{path}: {error.strerror or 'cannot be written'}") from None
