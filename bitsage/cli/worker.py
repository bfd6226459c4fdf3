"""`sage-worker`: stake, register, run and prove jobs, claim payments."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitsage.amounts import to_base_units

from . import logs, output
from .bidding import Clients, JobTypes, LeastTier, MaxCollateral, MinPrice, Slots, bidding_policy
from .claims import claim_payments
from .context import client_of, config, load_key, run_node, wallet_name
from .failures import EXIT_CODES, Commands
from .options import AsJson, Name, Password, PasswordFile, root
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
from .worker_status import status

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
    from dataclasses import replace
    from functools import partial

    from bitsage.nodes.bidding import BiddingPolicy, max_rows
    from bitsage.nodes.jobwork import prove_attempt
    from bitsage.nodes.worker import WorkerNode
    from bitsage.opencl import choose
    from bitsage.schemas.events import WorkerDeparted, WorkerRegistered

    from .process import registered

    wanted = device or config().device
    info = choose(wanted)  # An unknown device is a mistake to tell before any work is taken.
    joined = registered(key, WorkerRegistered, WorkerDeparted, "register first: sage-worker register")
    bids = BiddingPolicy.of(joined) if policy is None else policy
    with output.bars() as bars:
        run_node(
            chosen,
            lambda client, folder: WorkerNode(
                client,
                folder,
                slots=joined.slots,
                policy=replace(bids, max_rows=max_rows(config().worker.max_rows, None if info is None else info.kind)),
                progress=bars.update,
                produce=partial(prove_attempt, device=wanted),
            ),
            key,
        )


app.command("status", epilog="Example: sage-worker status --json")(status)
app.command("claim", epilog="Example: sage-worker claim")(claim_payments)
app.command("claim-payments", epilog="Example: sage-worker claim-payments --json", help="The same as claim.")(
    claim_payments
)
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
