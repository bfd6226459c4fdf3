"""`sage dispute`: contest a decision on a proof, and see what became of disputes."""

from typing import Annotated

import typer

from bitsage.amounts import in_sage

from . import output
from .context import network, wallet_name
from .options import AsJson, JobId, Name, Password, PasswordFile, job_bytes
from .shared import send

dispute_app = typer.Typer(help="Disputes: have the decision on a proof judged anew.", no_args_is_help=True)
Attempt = Annotated[
    int | None, typer.Option("--attempt", min=1, help="Attempt of the job; default: the one that was decided last.")
]


@dispute_app.command("file", epilog="Example: sage dispute file 0123456789abcdef0123456789abcdef --name worker")
def file_dispute(
    job: JobId,
    attempt: Attempt = None,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Contest the approval or rejection of a proof; a bond leaves the balance until the validators have judged it anew."""
    from bitsage.errors import InputError
    from bitsage.schemas.commands import FileDispute

    from .models import rows_of

    job_id = job_bytes(job)
    # The account that decides on the filing does not know the job's votes: what is no decision is found out when the whole
    # set of validators has been written down for it, and costs nobody anything.
    tallies = rows_of("consensus", {"job_id": job_id.hex()}, table="tallies", limit=10_000)
    decided = [int(row["attempt"]) for row in tallies if row["outcome"] in ("approved", "rejected")]
    if not decided or attempt not in (None, *decided):
        which = "no proof" if attempt is None else f"no proof of attempt {attempt}"
        raise InputError("unknown_decision", f"{which} of job {job_id.hex()} has been approved or rejected")
    attempt = attempt or max(decided)
    bond = in_sage(network().parameters.dispute_bond)
    body = FileDispute(job_id=job_id, attempt=attempt)
    send(wallet_name(name, "worker"), password, password_file, body, as_json, bond=f"{bond} SAGE")


@dispute_app.command("list", epilog="Example: sage dispute list --json")
def list_disputes(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Rows at most.")] = 100, as_json: AsJson = False
) -> None:
    """List disputes with their outcome."""
    from .models import rows_of

    rows = rows_of("consensus", table="disputes", limit=limit)
    if as_json:
        output.emit_json({"disputes": [dict(row) for row in rows]})
        return
    names = ("job_id", "attempt", "round", "disputer", "decision", "verdict", "outcome")
    output.rows(names, [tuple(row[name] for name in names) for row in rows])


@dispute_app.command("show", epilog="Example: sage dispute show 0123456789abcdef0123456789abcdef")
def show_dispute(job: JobId, as_json: AsJson = False) -> None:
    """Show the disputes of a job: who judged, who voted what, and the outcome."""
    from bitsage.errors import InputError

    from .models import rows_of

    job_id = job_bytes(job).hex()
    disputes = rows_of("consensus", {"job_id": job_id}, table="disputes")
    votes = rows_of("consensus", {"job_id": job_id}, table="dispute_votes", limit=10_000)
    if not disputes:
        raise InputError("unknown_dispute", f"no decision on job {job_id} has been disputed")
    if as_json:
        output.emit_json({"disputes": [dict(row) for row in disputes], "votes": [dict(row) for row in votes]})
        return
    for row in disputes:
        output.facts(dict(row))
    names = ("attempt", "round", "validator", "valid", "reason")
    output.rows(names, [tuple(row[name] for name in names) for row in votes])
