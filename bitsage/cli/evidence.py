"""`sage audit evidence`: what a slash follows from, checked by anybody, with the log or without it."""

from pathlib import Path
from typing import Annotated

import typer

from bitsage.errors import InputError

from . import output
from .context import network, open_log
from .failures import REFUSED
from .models import account_of
from .options import AsJson, job_bytes


def evidence(
    subject: Annotated[
        str | None, typer.Argument(metavar="[JOB|ADDRESS|NAME]", help="A job id, an address or a wallet name.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Check an exported file; needs no broker.")] = None,
    out: Annotated[Path | None, typer.Option("--export", help="Write the evidence to a JSON file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check what slashes follow from: seals, signatures, votes, proofs; exit 1 when a slash has no ground."""
    from bitsage.nodes.evidence import ON_THE_WORD, check, collect, export, imported

    if (subject is None) == (file is None):
        raise typer.BadParameter("name a job or an account, or give --file")
    anchor = network()
    if file is not None:
        try:
            cases = imported(file.read_text(encoding="utf-8"), anchor)
        except OSError as error:
            raise InputError("file_error", f"{file.name} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise InputError("evidence_file", f"{file.name}: {error}") from None
    else:
        cases = collect(open_log(), anchor, _subject(subject or ""))
    results = [(case, check(case, anchor)) for case in cases]
    if out is not None:
        try:
            out.write_text(export(cases, anchor), encoding="utf-8")
        except OSError as error:
            raise InputError("file_error", f"{out.name} cannot be written: {error.strerror}") from None
    if as_json:
        rows = [
            {"accused": c.accused, "reason": c.reason, "job_id": c.job_id.hex(), "attempt": c.attempt, "round": c.round,
             "exhibits": len(c.exhibits), "on_the_coordinators_word": c.reason in ON_THE_WORD, "wrong": wrong}
            for c, wrong in results
        ]  # fmt: skip
        output.emit_json({"holds": not any(wrong for _, wrong in results), "cases": rows})
    else:
        for case, wrong in results:
            word = " (on the coordinator's word)" if case.reason in ON_THE_WORD else ""
            output.say(f"{case.reason} of {case.accused} in job {case.job_id.hex()}, attempt {case.attempt}{word}:")
            output.say("  " + ("; ".join(wrong) if wrong else f"follows from {len(case.exhibits)} sealed events"))
        if not results:
            output.say("nobody was slashed")
    if any(wrong for _, wrong in results):
        raise typer.Exit(REFUSED)


def _subject(text: str) -> str:
    plain = text.strip().lower()
    if len(plain) == 32 and set(plain) <= set("0123456789abcdef"):
        return job_bytes(plain).hex()
    return account_of(text)
