"""`sage-coordinator`: run the network's coordinator; submit jobs, wait for them, check their proofs."""

import re
from pathlib import Path
from typing import Annotated

import typer

from bitsage.errors import InputError

from . import output
from .context import client_of, config, kafka_settings, load_key, wallet_name
from .failures import EXIT_CODES, Commands
from .options import AsJson, JobId, Name, Password, PasswordFile, job_bytes, root
from .shared import Role, Words, add_balance_command, announce_account, send, show_answers

ROLE = Role("coordinator", "sage-coordinator")
CLIENT = Role("client", "sage-coordinator")
app = typer.Typer(
    name="sage-coordinator",
    cls=Commands,
    help="Run the network's coordinator; submit jobs, wait for them, check their proofs.",
    epilog=EXIT_CODES,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(root)
#: It becomes part of file names, of a transactional id and of the group's member names.
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait at most.")]


@app.command("init", epilog="Example: sage-coordinator init --no-words")
def init(
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    words: Words = None,
    as_json: AsJson = False,
) -> None:
    """Make the home folder, the coordinator's key and the network file, where they are missing."""
    from .founding import found_network

    _, anchor, made = found_network(wallet_name(name, ROLE.name), password, password_file, show_words=words)
    facts = {"network_file": str(config().network_file), "made_now": made, "chain_id": anchor.chain_id}
    facts |= {"authority": anchor.authority, "seal_key": anchor.seal_key}
    if as_json:
        output.emit_json(facts | {"parameters": anchor.as_dict()["parameters"]})
    else:
        output.facts(facts)


@app.command("start", epilog="Example: sage-coordinator start")
def start(
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    words: Words = None,
    instance: Annotated[
        str, typer.Option("--instance", help="Name of this process in the group, or its number: each needs its own.")
    ] = "coordinator-0",
    batch: Annotated[int, typer.Option("--batch", min=1, max=10_000, help="Commands per transaction at most.")] = 1000,
) -> None:
    """Run processors, faucet, timer, payer and read models. SIGTERM or Ctrl-C: finish the batch, leave."""
    from bitsage.nodes.coordinator import Coordinator
    from bitsage.streams.admin import create_topics, require_topics

    from .founding import found_network
    from .process import serve

    chosen = wallet_name(name, ROLE.name)
    instance = _instance(instance)
    settings = kafka_settings()
    made = create_topics(settings)
    require_topics(settings)
    if made:
        output.remark(f"made {len(made)} topics")
    key, anchor, _ = found_network(chosen, password, password_file, show_words=words)
    folder = config().home
    serve(
        instance,
        lambda log: Coordinator(log, anchor, key, key.seal_secret, folder, instance=instance, batch=batch),
    )


def _instance(given: str) -> str:
    """The static name that `--instance` means: a number is short for `coordinator-NUMBER`.

    Raises:
        InputError: it is no name (`bad_instance`).
    """
    name = f"coordinator-{given}" if given.isascii() and given.isdigit() else given
    if _INSTANCE.fullmatch(name) is None:
        raise InputError(
            "bad_instance", "an instance is a number, or a name of up to 64 letters, digits, dashes and dots"
        )
    return name


@app.command("create-client", epilog="Example: sage-coordinator create-client --name client")
def create_client(
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    words: Words = None,
    as_json: AsJson = False,
) -> None:
    """Make a client's wallet, announce it and ask for test tokens."""
    from .founding import open_account
    from .wallets import make_wallet

    chosen = wallet_name(name, CLIENT.name)
    key = make_wallet(chosen, password, password_file, show_words=words)
    with client_of(key) as client:
        show_answers(open_account(client), as_json, account=client.subject, keystore=str(config().keystore(chosen)))


@app.command("announce", epilog="Example: sage-coordinator announce --name client")
def announce(
    name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
) -> None:
    """Announce the account of a client's keystore."""
    announce_account(load_key(wallet_name(name, CLIENT.name), password, password_file), as_json)


@app.command("request-tokens", epilog="Example: sage-coordinator request-tokens --name client")
def request_tokens(
    name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
) -> None:
    """Ask the faucet for test tokens for a client; once a day."""
    from bitsage.schemas.commands import RequestTokens

    send(wallet_name(name, CLIENT.name), password, password_file, RequestTokens(), as_json)


add_balance_command(app, CLIENT)


@app.command("submit-job", epilog="Example: sage-coordinator submit-job --type matmul --size 1024 --wait")
def submit_job(
    job_type: Annotated[
        str, typer.Option("--type", help="Job type: matmul, inference, vm, or one of `sage job-types`.")
    ],
    size: Annotated[int | None, typer.Option("--size", help="Size of the generated input: 16, 32, ... 2048.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the generated input; default: random.")] = None,
    a: Annotated[Path | None, typer.Option("--a", metavar="A.npy", help="Left matrix, instead of --size.")] = None,
    b: Annotated[Path | None, typer.Option("--b", metavar="B.npy", help="Right matrix.")] = None,
    images: Annotated[
        str | None,
        typer.Option("--images", metavar="FILE.npy|digits:0-15", help="Images for inference: 1 to 256, 8 by 8 pixels."),
    ] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input", metavar="FILE.json", help="The whole input, of any job type.")
    ] = None,
    max_cost: Annotated[
        str,
        typer.Option(
            "--max-cost", metavar="SAGE", help="What the job pays: hidden, a multiple of 0.00005 SAGE; see --open."
        ),
    ] = "10",
    open_offer: Annotated[
        bool, typer.Option("--open", help="An open offer: everybody sees what it pays; --ramp makes one, too.")
    ] = False,
    min_cost: Annotated[
        str | None,
        typer.Option("--min-cost", metavar="SAGE", help="Price at the start of --ramp; it rises to --max-cost."),
    ] = None,
    ramp: Annotated[str | None, typer.Option("--ramp", help="How long the price rises: 90s, 30m, 2h.")] = None,
    ramp_after: Annotated[str | None, typer.Option("--ramp-after", help="When it begins to; default: at once.")] = None,
    lock_timeout: Annotated[
        str | None, typer.Option("--lock-timeout", help="Time in which a worker begins or declines: 10s, 1m.")
    ] = None,
    collateral: Annotated[
        str,
        typer.Option("--collateral", metavar="SAGE", help="Stake a worker loses at least when it does not deliver."),
    ] = "0",
    tier: Annotated[str, typer.Option("--tier", metavar="TIER|MODEL", help="Least GPU tier; default: any.")] = "",
    priority: Annotated[int, typer.Option("--priority", help="0 to 10; higher comes first.")] = 0,
    deadline: Annotated[str, typer.Option("--deadline", help="30m, 2h, 3d or an ISO 8601 time.")] = "1h",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is over and paid for.")] = False,
    timeout: Timeout = 3600.0,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    words: Words = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job; its price is locked in escrow, as a ciphertext that only client, escrow and the assigned worker can read.

    What is missing in the hidden balance is deposited first, rounded up to 1, 2, 5, 10, ... SAGE: deposits are public.
    The first time, a client's wallet is made and gets test tokens.
    """
    from .submit import Wish, submit

    wish = Wish(
        type=job_type,
        size=size,
        seed=seed,
        a=a,
        b=b,
        images=images,
        input=input_file,
        max_cost=max_cost,
        tier=tier,
        priority=priority,
        deadline=deadline,
        open_offer=open_offer or min_cost is not None or ramp is not None,
        min_cost=min_cost,
        ramp=ramp,
        ramp_after=ramp_after,
        lock_timeout=lock_timeout,
        collateral=collateral,
    )
    chosen = wallet_name(name, CLIENT.name)
    submit(wish, chosen, password, password_file, show_words=words, wait=timeout if wait else None, as_json=as_json)


@app.command("wait-job", epilog="Example: sage-coordinator wait-job 0123456789abcdef0123456789abcdef")
def wait_job(job: JobId, timeout: Timeout = 3600.0, as_json: AsJson = False) -> None:
    """Wait until a job is over and paid for (exit 0), or failed, cancelled, rejected (exit 1)."""
    from .submit import wait_for

    wait_for(job_bytes(job), timeout, as_json)


@app.command("cancel-job", epilog="Example: sage-coordinator cancel-job 0123456789abcdef0123456789abcdef")
def cancel_job(
    job: JobId,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a job back, until its proof is being judged; the escrow is refunded."""
    job_id = job_bytes(job)
    with client_of(load_key(wallet_name(name, CLIENT.name), password, password_file)) as client:
        show_answers(client.cancel_job(job_id), as_json, job_id=job_id.hex())


@app.command("verify-proof", epilog="Example: sage-coordinator verify-proof 0123456789abcdef0123456789abcdef")
def verify_proof(
    job: JobId,
    via: Annotated[
        str | None,
        typer.Option("--via", metavar="URL[,URL]", help="Let validators verify over HTTP; the next when one fails."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option("--trust", metavar="ADDRESS", help="With --via: whose word counts; may be given several times."),
    ] = None,
    deadline: Annotated[
        float,
        typer.Option(
            "--deadline", min=0.1, max=86_400, metavar="SECONDS", help="With --via: time for each proof's verdict."
        ),
    ] = 180.0,
    as_json: AsJson = False,
) -> None:
    """Fetch a job's proofs from the log and verify them on this machine; exit 1 when the last one is not valid.

    With --via the proofs go to validators' bridges instead, whose verdicts are signed (docs/bridge.md).
    """
    from .verdicts import verify_elsewhere, verify_here

    job_id = job_bytes(job)
    if via is not None:
        verify_elsewhere(job_id, via, trust or [], deadline, as_json)
    else:
        verify_here(job_id, as_json)


@app.command("list-jobs", epilog="Example: sage-coordinator list-jobs --state paid")
def list_jobs(
    state: Annotated[str | None, typer.Option("--state", help="Only jobs in this state, such as paid.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the jobs."""
    from .models import rows_of

    rows = rows_of("jobs", {"state": state} if state else None, limit=limit)
    if as_json:
        output.emit_json(rows)
        return
    shown = ("job_id", "state", "job_type", "attempt", "worker", "reason")
    output.rows(shown, [[row[column] for column in shown] for row in rows])


@app.command("show-job", epilog="Example: sage-coordinator show-job 0123456789abcdef0123456789abcdef")
def show_job(job: JobId, as_json: AsJson = False) -> None:
    """Show everything that is known of a job."""
    from bitsage.errors import InputError
    from bitsage.projections import model_named
    from bitsage.projections.schema import Kind

    from .models import one_row
    from .rows import readable

    row = one_row("jobs", "job_id", job_bytes(job).hex())
    if row is None:
        raise InputError("unknown_job", f"there is no job {job_bytes(job).hex()} in the log")
    if as_json:
        output.emit_json(row)
        return
    kinds = model_named("jobs").kinds
    units = {name: " SAGE" if kinds.get(name) is Kind.AMOUNT else "" for name in row}
    shown = {name: v if v in (None, "") else readable(v, kinds.get(name)) + units[name] for name, v in row.items()}
    output.facts(shown)


def main() -> None:
    """The command `sage-coordinator`."""
    app()


if __name__ == "__main__":
    main()
