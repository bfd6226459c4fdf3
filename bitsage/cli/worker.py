"""`sage-worker`: stake, register, run and prove jobs, claim payments."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bitsage.amounts import in_sage, to_base_units

from . import output
from .context import client_of, config, load_key, run_node, wallet_name
from .failures import Commands
from .options import AsJson, Name, Password, PasswordFile, job_bytes, root
from .shared import (
    Amount,
    Role,
    add_balance_command,
    add_stake_commands,
    add_wallet_commands,
    gpu_tier,
    send,
    show_answers,
)

ROLE = Role("worker", "sage-worker")
app = typer.Typer(
    name="sage-worker",
    cls=Commands,
    help="Stake, register, run and prove jobs, and claim what they earned.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(root)
add_wallet_commands(app, ROLE)


def _profile(name: str) -> Path:
    return config().node_folder(name) / "gpu.json"


@app.command("stake", epilog="Example: sage-worker stake --amount 1000 --gpu-tier T4")
def stake(
    amount: Amount,
    tier: Annotated[str, typer.Option("--gpu-tier", metavar="TIER|MODEL", help="GPU tier, or a model such as T4.")],
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Move part of the balance into stake, for a GPU tier."""
    from bitsage.schemas.commands import StakeTokens

    body = StakeTokens(amount=to_base_units(amount), tier=gpu_tier(tier))
    chosen = wallet_name(name, ROLE.name)
    send(chosen, password, password_file, body, as_json)
    # What the owner called the GPU; `register` tells the network.
    _profile(chosen).parent.mkdir(parents=True, exist_ok=True)
    _profile(chosen).write_text(json.dumps({"tier": body.tier, "gpu_model": tier}), encoding="utf-8")


add_stake_commands(app, ROLE)


@app.command("register", epilog="Example: sage-worker register --gpu-model T4 --slots 2")
def register(
    tier: Annotated[
        str | None, typer.Option("--gpu-tier", metavar="TIER|MODEL", help="Default: the tier staked for.")
    ] = None,
    gpu_model: Annotated[str | None, typer.Option("--gpu-model", help="Default: as given to `stake`.")] = None,
    slots: Annotated[int, typer.Option("--slots", help="Jobs at once, 1 to 4.")] = 1,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Join the network as a worker: tier, slots, and the key that payments are encrypted under."""
    from bitsage.nodes.register import register_worker
    from bitsage.schemas.events import Staked

    chosen = wallet_name(name, ROLE.name)
    asked = gpu_tier(tier) if tier is not None else None
    with client_of(load_key(chosen, password, password_file)) as client:
        staked = [a.body for a in client.history(("accounts",), client.subject) if isinstance(a.body, Staked)]
        of_stake = staked[-1].tier if staked else "consumer"
        model = gpu_model or _gpu_model(chosen) or tier or of_stake
        answers = register_worker(client, tier=asked or of_stake, gpu_model=model, slots=slots)
        show_answers(answers, as_json, account=client.subject)


def _gpu_model(name: str) -> str | None:
    try:
        model = json.loads(_profile(name).read_text(encoding="utf-8"))["gpu_model"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model if isinstance(model, str) else None


@app.command("start", epilog="Example: sage-worker start --name worker")
def start(
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", help="What proofs are made on, as `sage devices` lists it; default: the best there is."
        ),
    ] = None,
) -> None:
    """Work: heartbeats, and every job that is assigned is run, proven and submitted. SIGTERM or Ctrl-C: finish, leave."""
    from functools import partial

    from bitsage.nodes.jobwork import prove_attempt
    from bitsage.nodes.worker import WorkerNode
    from bitsage.opencl import choose
    from bitsage.schemas.events import WorkerDeparted, WorkerRegistered

    from .process import registered

    chosen = wallet_name(name, ROLE.name)
    key = load_key(chosen, password, password_file)
    wanted = device or config().device
    choose(wanted)  # An unknown device is a mistake to tell before any work is taken.
    joined = registered(key, WorkerRegistered, WorkerDeparted, "register first: sage-worker register")
    with output.bars() as bars:
        run_node(
            chosen,
            lambda client, folder: WorkerNode(
                client,
                folder,
                slots=joined.slots,
                progress=bars.update,
                produce=partial(prove_attempt, device=wanted),
            ),
            key,
        )


@app.command("status", epilog="Example: sage-worker status --json")
def status(name: Name = None, as_json: AsJson = False) -> None:
    """Show the worker as the network sees it: registration, presence, reputation, stake, open jobs."""
    from .models import account_of, one_row, rows_of

    account = account_of(wallet_name(name, ROLE.name))
    worker = one_row("workers", "worker", account) or {}
    stakes = one_row("stakes", "account", account) or {}
    open_jobs = [
        job
        for job in rows_of("jobs", {"worker": account}, limit=10_000)
        if job["state"] not in ("paid", "approved", "failed", "cancelled", "rejected")
    ]
    document = {
        "account": account,
        "registered": bool(worker.get("registered")),
        "online": bool(worker.get("online")),
        **{
            k: worker.get(k)
            for k in ("tier", "gpu_model", "reputation", "level", "slots", "busy", "completed", "absence")
        },
        "stake": str(stakes.get("amount") or "0"),
        "slashed": str(stakes.get("slashed") or "0"),
        "jobs": [{"job_id": job["job_id"], "state": job["state"]} for job in open_jobs],
    }
    if as_json:
        output.emit_json(document)
        return
    amounts = {k: f"{in_sage(int(str(document[k])))} SAGE" for k in ("stake", "slashed")}
    jobs = ", ".join(f"{job['job_id']} ({job['state']})" for job in open_jobs) or "none"
    output.facts(document | amounts | {"jobs": jobs})


def _claim(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Only if the payment for this job waits.")] = None,
    keep_private: Annotated[
        bool, typer.Option("--keep-private", help="Leave it in the hidden balance: no amount becomes public.")
    ] = False,
    amount: Annotated[
        str | None, typer.Option("--amount", metavar="SAGE", help="Withdraw so much; default: everything available.")
    ] = None,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Take in the payments that wait, then withdraw to the public balance. A withdrawal is public: withdrawing each payment
    by itself shows what it was."""
    from .hidden import claim

    if keep_private and amount is not None:
        raise typer.BadParameter("--keep-private withdraws nothing: it does not go with --amount")
    wanted = None if job is None else job_bytes(job)
    units = None if amount is None else to_base_units(amount)
    with client_of(load_key(wallet_name(name, ROLE.name), password, password_file)) as client:
        claim(client, wanted, keep_private=keep_private, amount=units, as_json=as_json)


app.command("claim", epilog="Example: sage-worker claim")(_claim)
app.command("claim-payments", epilog="Example: sage-worker claim-payments --json", help="The same as claim.")(_claim)
add_balance_command(app, ROLE)


@app.command("depart", epilog="Example: sage-worker depart")
def depart(
    name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
) -> None:
    """Leave the network; no more jobs come. The stake stays until it is unstaked."""
    from bitsage.schemas.commands import DepartWorker

    send(wallet_name(name, ROLE.name), password, password_file, DepartWorker(), as_json)


def main() -> None:
    """The command `sage-worker`."""
    app()


if __name__ == "__main__":
    main()
