"""`sage-worker`: stake, register, run and prove jobs, claim payments."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsage.amounts import in_sage, to_base_units
from bitsage.wallet import parse_address

from . import logs, output
from .bidding import Clients, JobTypes, LeastTier, MaxCollateral, MinPrice, Slots, bidding_policy
from .context import client_of, config, load_key, onlooker, run_node, wallet_name
from .failures import EXIT_CODES, Commands
from .options import AsJson, Name, Password, PasswordFile, job_bytes, root
from .shared import (
    Amount,
    Role,
    Words,
    add_balance_command,
    add_stake_commands,
    add_wallet_commands,
    gpu_tier,
    send,
    show_answers,
)

if TYPE_CHECKING:
    from bitsage.nodes.bidding import BiddingPolicy
    from bitsage.schemas.events import Benchmark
    from bitsage.wallet import Key

Device = Annotated[
    str | None,
    typer.Option("--device", help="What proofs are made on, as `sage devices` lists it; default: the best there is."),
]
ROLE = Role("worker", "sage-worker")
app = typer.Typer(
    name="sage-worker",
    cls=Commands,
    help="Stake, register, run and prove jobs, and claim what they earned.",
    epilog=EXIT_CODES,
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
    _keep_profile(chosen, body.tier, tier)


def _keep_profile(name: str, tier: str, model: str) -> None:
    """What the owner called the GPU; `register` tells the network."""
    _profile(name).parent.mkdir(parents=True, exist_ok=True)
    _profile(name).write_text(json.dumps({"tier": tier, "gpu_model": model}), encoding="utf-8")


add_stake_commands(app, ROLE)


@app.command("join", epilog="Example: sage-worker join --gpu-tier T4")
def join(
    tier: Annotated[
        str | None, typer.Option("--gpu-tier", metavar="TIER|MODEL", help="Tier or model; default: as before, else T4.")
    ] = None,
    amount: Annotated[
        str | None, typer.Option("--amount", metavar="SAGE", help="Stake to reach; default: the tier's minimum.")
    ] = None,
    start_now: Annotated[bool, typer.Option("--start/--no-start", help="Work when it has joined.")] = True,
    slots: Slots = None,
    min_price: MinPrice = None,
    job_types: JobTypes = None,
    clients: Clients = None,
    least_tier: LeastTier = None,
    max_collateral: MaxCollateral = None,
    device: Device = None,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    words: Words = None,
) -> None:
    """Everything at once: wallet, balance, faucet, stake, attestation, registration, reputation, work.

    What was done before is not done again; after a crash, type it once more.
    """
    from .join import Ask, join_network

    chosen = wallet_name(name, ROLE.name)
    policy = bidding_policy(
        min_price=min_price,
        job_types=job_types,
        clients=clients,
        least_tier=least_tier,
        slots=slots,
        max_collateral=max_collateral,
    )
    model = tier or _gpu_model(chosen) or "T4"
    ask = Ask(tier=gpu_tier(model), gpu_model=model, amount=None if amount is None else to_base_units(amount))
    key = join_network(chosen, password, password_file, ask=ask, policy=policy, show_words=words)
    _keep_profile(chosen, ask.tier, model)
    if start_now:
        _work(chosen, key, device, policy)


@app.command("register", epilog="Example: sage-worker register --gpu-model T4 --slots 2")
def register(
    tier: Annotated[
        str | None, typer.Option("--gpu-tier", metavar="TIER|MODEL", help="Default: the tier staked for.")
    ] = None,
    gpu_model: Annotated[str | None, typer.Option("--gpu-model", help="Default: as given to `stake`.")] = None,
    slots: Slots = None,
    min_price: MinPrice = None,
    job_types: JobTypes = None,
    clients: Clients = None,
    least_tier: LeastTier = None,
    max_collateral: MaxCollateral = None,
    benchmark: Annotated[
        bool | None,
        typer.Option("--benchmark/--no-benchmark", help="Measure the device first and sign what it does."),
    ] = None,
    insist: Annotated[
        bool,
        typer.Option("--insist", help="Uphold a benchmark that was voided before; 75 % of the stake is at risk."),
    ] = False,
    device: Annotated[
        str | None, typer.Option("--device", help="What is measured, as `sage devices` lists it.")
    ] = None,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Join the network as a worker: tier, bidding policy, and the key that payments are encrypted under.

    With a benchmark the job types' fixed jobs are proven twice and the second run's time is registered: docs/fraud.md.
    """
    from bitsage.nodes.register import register_worker
    from bitsage.schemas.events import Staked

    chosen = wallet_name(name, ROLE.name)
    asked = gpu_tier(tier) if tier is not None else None
    policy = bidding_policy(
        min_price=min_price,
        job_types=job_types,
        clients=clients,
        least_tier=least_tier,
        slots=slots,
        max_collateral=max_collateral,
    )
    with client_of(load_key(chosen, password, password_file)) as client:
        staked = [a.body for a in client.history(("accounts",), client.subject) if isinstance(a.body, Staked)]
        of_stake = staked[-1].tier if staked else "consumer"
        model = gpu_model or _gpu_model(chosen) or tier or of_stake
        wanted = config().benchmark if benchmark is None else benchmark
        answers = register_worker(
            client,
            tier=asked or of_stake,
            gpu_model=model,
            policy=policy,
            benchmarks=_measured(device) if wanted else (),
            insist=insist,
        )
        show_answers(answers, as_json, account=client.subject)
        silence = client.network.parameters.heartbeat_timeout_ms // 1000
        output.remark(
            f"jobs may be assigned from now on, and a worker that is silent for {silence} s loses them and is slashed: "
            "start it with sage-worker start"
        )


def _measured(device: str | None) -> "list[Benchmark]":
    from bitsage.nodes.benchmark import measure
    from bitsage.obelysk import JOB_TYPES
    from bitsage.opencl import choose

    wanted = device or config().device
    choose(wanted)
    # A device that fails is a remark, not the answer.
    logs.set_up(config().log.level, config().log.format)
    found = []
    with output.bars() as bars:
        for one, used in measure(sorted(JOB_TYPES), device=wanted, progress=bars.update):
            output.remark(
                f"{one.job_type}: {one.rows} rows in {one.ms} ms on {used}, {one.rows * 1000 // one.ms} rows/s"
            )
            found.append(one)
    return found


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
    device: Device = None,
) -> None:
    """Work: heartbeats, and every job that is assigned is run, proven and submitted. SIGTERM or Ctrl-C: finish, leave."""
    chosen = wallet_name(name, ROLE.name)
    _work(chosen, load_key(chosen, password, password_file), device, None)


def _work(chosen: str, key: "Key", device: str | None, policy: "BiddingPolicy | None") -> None:
    """Run the worker; without a `policy` it bids as it registered."""
    from functools import partial

    from bitsage.nodes.bidding import BiddingPolicy
    from bitsage.nodes.jobwork import prove_attempt
    from bitsage.nodes.worker import WorkerNode
    from bitsage.opencl import choose
    from bitsage.schemas.events import WorkerDeparted, WorkerRegistered

    from .process import registered

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
                policy=BiddingPolicy.of(joined) if policy is None else policy,
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
    verdict = _verdict(account, str(worker.get("tier") or stakes.get("tier") or ""))
    filed = rows_of("consensus", {"disputer": account}, table="disputes", limit=10_000)
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
        "verify_stake": verdict,
        "jobs": [{"job_id": job["job_id"], "state": job["state"]} for job in open_jobs],
        "disputes": [
            {"job_id": d["job_id"], "attempt": d["attempt"], "outcome": d["outcome"] or "open"} for d in filed
        ],
    }
    if as_json:
        output.emit_json(document)
        return
    amounts = {k: f"{in_sage(int(str(document[k])))} SAGE" for k in ("stake", "slashed")}
    amounts["verify_stake"] = _verdict_line(verdict)
    jobs = ", ".join(f"{job['job_id']} ({job['state']})" for job in open_jobs) or "none"
    disputes = ", ".join(f"{d['job_id']} ({d['outcome'] or 'open'})" for d in filed) or "none"
    output.facts(document | amounts | {"jobs": jobs, "disputes": disputes})


def _verdict(account: str, tier: str) -> dict[str, Any]:
    """`verify_stake` of the account for a tier (the lowest where it has none), amounts in base units."""
    from dataclasses import asdict

    from bitsage.nodes.joining import stake_verdict, standing
    from bitsage.schemas.parameters import TIERS

    with onlooker() as client:
        verdict = stake_verdict(client, standing(client, parse_address(account)), tier if tier in TIERS else TIERS[0])
    found = {k: str(v) if k in ("amount", "current", "required") else v for k, v in asdict(verdict).items()}
    return {"answer": type(verdict).__name__.lower(), **found}


def _verdict_line(verdict: dict[str, Any]) -> str:
    match verdict["answer"]:
        case "valid":
            until = datetime.fromtimestamp(verdict["until"] / 1000, UTC).isoformat(timespec="seconds")
            return f"valid: {in_sage(int(verdict['amount']))} SAGE, none of it can leave before {until}"
        case "unlocked":
            return "unlocked: too much of the stake is being taken out to count; no jobs come"
        case _:
            held, needed = in_sage(int(verdict["current"])), in_sage(int(verdict["required"]))
            return f"insufficient: {held} SAGE of {needed} SAGE; no jobs come"


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
