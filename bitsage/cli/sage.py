"""`sage`: look at the network, its log and its read models, and check them."""

from typing import Annotated

import typer

from . import output
from .context import config, loaded, network, onlooker, open_log, wallet_name
from .devices import devices
from .dispute import dispute_app
from .dlq import dlq_app
from .evidence import evidence
from .failures import EXIT_CODES, REFUSED, Commands
from .fraud import fraud_app
from .hidden import amounts, deposit, payment_app, transfer, withdraw
from .kafka import kafka_app
from .options import AsJson, Name, job_bytes, root
from .projection import projection_app
from .proof import proof_app
from .topics import topics_app
from .vm import vm_app

app = typer.Typer(
    name="sage",
    cls=Commands,
    help="BitSage: look at the network, its log and its read models, and check them.",
    epilog=EXIT_CODES,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(root)
config_app = typer.Typer(help="The configuration: what is set, by whom, and what it means.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit: believe nothing that can be recomputed.", no_args_is_help=True)
account_app = typer.Typer(help="Accounts: keys and what they hold.", no_args_is_help=True)
for name, child in {
    "config": config_app,
    "kafka": kafka_app,
    "topics": topics_app,
    "dlq": dlq_app,
    "projection": projection_app,
    "fraud": fraud_app,
    "proof": proof_app,
    "vm": vm_app,
    "audit": audit_app,
    "payment": payment_app,
    "account": account_app,
    "dispute": dispute_app,
}.items():
    app.add_typer(child, name=name)


app.command("deposit", epilog="Example: sage deposit --amount 100 --name client")(deposit)
app.command("withdraw", epilog="Example: sage withdraw --amount 50 --name worker")(withdraw)
app.command("transfer", epilog="Example: sage transfer worker --amount 5 --name client")(transfer)
audit_app.command("amounts", epilog="Example: sage audit amounts --key keystores/auditor.json")(amounts)
app.command("devices", epilog="Example: sage devices --json")(devices)


@config_app.command("show", epilog="Example: sage config show --json")
def show_config(as_json: AsJson = False) -> None:
    """Show every key with its value, where the value comes from, and what it means."""
    found = loaded()
    settings = list(found.settings())
    if as_json:
        document = {
            s.key: {
                "value": s.value if isinstance(s.value, int | float | None) else str(s.value),
                "source": s.source,
                "meaning": s.meaning,
            }
            for s in settings
        }
        output.emit_json({"file": None if found.file is None else str(found.file), "settings": document})
        return
    output.remark(f"file: {found.file or 'none'}")
    output.rows(("key", "value", "source", "meaning"), [(s.key, s.value, s.source, s.meaning) for s in settings])


@app.command("job-types", epilog="Example: sage job-types --json")
def job_types(as_json: AsJson = False) -> None:
    """List the job types of this installation with the fields of their requests, and the plug-ins that cannot be used."""
    from bitsage.obelysk import JOB_TYPES

    if as_json:
        document = {
            name: {
                "input": {
                    field: {"kind": f.kind, "required": f.required, "meaning": f.meaning}
                    for field, f in job_type.input_schema.items()
                },
                "required_bits": job_type.limits.required_bits,
            }
            for name, job_type in JOB_TYPES.items()
        }
        output.emit_json({"job_types": document, "problems": dict(JOB_TYPES.problems)})
        return
    table = [
        (name, field, f.kind, "yes" if f.required else "", f.meaning)
        for name, job_type in JOB_TYPES.items()
        for field, f in job_type.input_schema.items()
    ]
    output.rows(("type", "field", "kind", "required", "meaning"), table)
    for sentence in JOB_TYPES.problems.values():
        output.remark(sentence)


@app.command("watch", epilog="Example: sage watch 0123456789abcdef0123456789abcdef")
def watch(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Job id, 32 hex digits; or --all.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything that happens from now on, of all jobs.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Wait for what comes; else stop at the end.")] = (
        True
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Watch the life of a job as it happens: time, event, topic[partition]@offset, facts. Ends with the job."""
    if (job is None) == (not everything):
        raise typer.BadParameter("name one job, or give --all")
    import json

    from .events import document, line
    from .jobs import life_of

    job_id = None if job is None else job_bytes(job)
    with onlooker() as client:
        for answer in life_of(client, job_id, follow=follow, timeout=None):
            if as_json:
                print(json.dumps(document(answer)), flush=True)
            else:
                output.say(line(answer))


@audit_app.command("verify", epilog="Example: sage audit verify")
def verify_log(
    proofs: Annotated[
        bool, typer.Option("--proofs/--no-proofs", help="Verify every STARK again (most of the time).")
    ] = True,
    live: Annotated[
        bool, typer.Option("--live/--no-live", help="Compare the read models of the home folder too.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Replay the whole log: signatures, chains, decisions, proofs, votes, money, state hashes; exit 1 when it fails."""
    from bitsage.nodes.audit import audit

    anchor, log = network(), open_log()
    with output.bars() as bars:
        verdict = audit(
            log,
            anchor,
            live=config().projections if live else None,
            proofs=proofs,
            progress=lambda check, done, total: bars.update(check, "", done, total),
        )
    if as_json:
        output.emit_json(verdict.as_dict())
    else:
        output.rows(("check", "passed"), list(verdict.counts.items()))
        if verdict.findings:
            output.rows(("failed check", "where", "what"), [(f.check, f.where(), f.detail) for f in verdict.findings])
        for text in verdict.remarks:
            output.say(f"remark: {text}")
        output.rows(("model", "state hash"), list(verdict.state_hashes.items()))
        output.say("the log holds" if verdict.holds else f"the log does not hold: {len(verdict.findings)} findings")
    if not verdict.holds:
        raise typer.Exit(REFUSED)


audit_app.command("evidence", epilog="Example: sage audit evidence 0123456789abcdef0123456789abcdef")(evidence)


@account_app.command("show", epilog="Example: sage account show worker")
def show_account(
    account: Annotated[
        str | None, typer.Argument(metavar="[NAME|ADDRESS]", help="A wallet name or an address.")
    ] = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Show what an account holds in public, and its hidden balance as ciphertexts; it needs no password."""
    from .models import account_of
    from .shared import show_balance

    show_balance(account_of(account or wallet_name(name, "worker")), as_json)


@app.command("version", epilog="Example: sage version --json")
def version(as_json: AsJson = False) -> None:
    """Show the versions of the program and of the libraries that its results depend on."""
    import platform
    from importlib.metadata import version as version_of

    from .reference import PACKAGES

    found = {name: version_of(name) for name in PACKAGES} | {"python": platform.python_version()}
    if as_json:
        output.emit_json(found)
    else:
        output.facts(found)


def main() -> None:
    """The command `sage`."""
    app()


if __name__ == "__main__":
    main()
