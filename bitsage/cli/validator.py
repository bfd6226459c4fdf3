"""`sage-validator`: stake, register, verify every proof and vote."""

from collections import Counter
from typing import Annotated

import typer

from bitsage.amounts import in_sage, to_base_units

from . import output
from .context import client_of, load_key, network, run_node, wallet_name
from .failures import EXIT_CODES, Commands
from .options import AsJson, Name, Password, PasswordFile, root
from .shared import Role, add_balance_command, add_stake_commands, add_wallet_commands, send, show_answers

ROLE = Role("validator", "sage-validator")
app = typer.Typer(
    name="sage-validator",
    cls=Commands,
    help="Stake, register, verify every proof yourself, and vote.",
    epilog=EXIT_CODES,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(root)
add_wallet_commands(app, ROLE)


@app.command("stake", epilog="Example: sage-validator stake --amount 10000")
def stake(
    amount: Annotated[
        str, typer.Option("--amount", metavar="SAGE", help="Amount in SAGE; at least 10000 in all.")
    ] = "10000",
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Move part of the balance into the validator's stake."""
    from bitsage.schemas.commands import StakeTokens
    from bitsage.schemas.parameters import VALIDATOR

    body = StakeTokens(amount=to_base_units(amount), tier=VALIDATOR)
    send(wallet_name(name, ROLE.name), password, password_file, body, as_json)


add_stake_commands(app, ROLE)


@app.command("register", epilog="Example: sage-validator register")
def register(
    name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
) -> None:
    """Join the network as a validator."""
    from bitsage.nodes.register import register_validator

    with client_of(load_key(wallet_name(name, ROLE.name), password, password_file)) as client:
        show_answers(register_validator(client), as_json, account=client.subject)


@app.command("start", epilog="Example: sage-validator start --name validator")
def start(name: Name = None, password: Password = None, password_file: PasswordFile = None) -> None:
    """Judge: verify every proof that is put to the vote, and vote. SIGTERM or Ctrl-C: finish, leave."""
    from bitsage.nodes.validator import ValidatorNode
    from bitsage.schemas.events import ValidatorDeparted, ValidatorRegistered

    from .process import registered

    chosen = wallet_name(name, ROLE.name)
    key = load_key(chosen, password, password_file)
    registered(key, ValidatorRegistered, ValidatorDeparted, "register first: sage-validator register")
    run_node(chosen, ValidatorNode, key)


@app.command("serve", epilog="Example: sage-validator serve --port 9440")
def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 9440,
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Proofs verified at once.")] = 2,
    body_timeout: Annotated[
        float, typer.Option("--body-timeout", min=0.1, max=3600, metavar="SECONDS", help="Time for a request to come.")
    ] = 15.0,
    verify_timeout: Annotated[
        float, typer.Option("--verify-timeout", min=0.1, max=3600, metavar="SECONDS", help="Time for a verification.")
    ] = 60.0,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
) -> None:
    """Verify proofs for others over HTTP and sign the verdicts: docs/bridge.md. SIGTERM or Ctrl-C: answer, leave."""
    from bitsage.nodes.bridge import BridgeLimits, bridge_app
    from bitsage.nodes.bridge_server import BridgeServer

    from .process import serve_alone

    chosen = wallet_name(name, ROLE.name)
    key, net = load_key(chosen, password, password_file), network()
    limits = BridgeLimits(workers=workers, body_timeout_s=body_timeout, verify_timeout_s=verify_timeout)
    drain = int(body_timeout + verify_timeout) + 1
    server = BridgeServer(bridge_app(key, net.chain_id, net.parameters, limits), host, port, drain_s=drain)
    server.bind()
    output.say(f"listening on {host}:{server.port}")
    serve_alone(f"{chosen}-bridge", server)


@app.command("status", epilog="Example: sage-validator status --json")
def status(name: Name = None, as_json: AsJson = False) -> None:
    """Show the validator as the network sees it: registration, stake, votes."""
    from .models import account_of, one_row, rows_of

    account = account_of(wallet_name(name, ROLE.name))
    validator = one_row("workers", "validator", account, table="validators") or {}
    stakes = one_row("stakes", "account", account) or {}
    votes = rows_of("consensus", {"validator": account}, table="votes", limit=1_000_000)
    judged = rows_of("consensus", {"validator": account}, table="dispute_votes", limit=1_000_000)
    filed = rows_of("consensus", {"disputer": account}, table="disputes", limit=10_000)
    document = {
        "account": account,
        "registered": bool(validator.get("registered")),
        "departure": validator.get("departure"),
        "stake": str(stakes.get("amount") or "0"),
        "slashed": str(stakes.get("slashed") or "0"),
        "votes": len(votes),
        "dispute_votes": len(judged),
        "disputes": dict(Counter(row["outcome"] or "open" for row in filed)),
        "reputation": validator.get("reputation"),
    }
    if as_json:
        output.emit_json(document)
        return
    amounts = {k: f"{in_sage(int(str(document[k])))} SAGE" for k in ("stake", "slashed")}
    disputes = ", ".join(f"{n} {outcome}" for outcome, n in Counter(row["outcome"] or "open" for row in filed).items())
    output.facts(document | amounts | {"disputes": disputes or "none"})


add_balance_command(app, ROLE)


@app.command("depart", epilog="Example: sage-validator depart")
def depart(
    name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
) -> None:
    """Stop validating. The stake stays until it is unstaked."""
    from bitsage.schemas.commands import DepartValidator

    send(wallet_name(name, ROLE.name), password, password_file, DepartValidator(), as_json)


def main() -> None:
    """The command `sage-validator`."""
    app()


if __name__ == "__main__":
    main()
