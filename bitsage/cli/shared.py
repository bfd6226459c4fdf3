"""The commands that workers, validators and clients have in common: wallet, tokens, stake, balance."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bitsage.amounts import in_sage, to_base_units
from bitsage.errors import InputError

from . import output
from .context import client_of, config, load_key, network, open_log, wallet_name
from .options import AsJson, Name, Password, PasswordFile

Amount = Annotated[str, typer.Option("--amount", metavar="SAGE", help="Amount in SAGE, such as 1000 or 0.5.")]
MnemonicFile = Annotated[
    Path | None,
    typer.Option("--mnemonic-file", help="Import: file whose first line is the words; - is standard input."),
]
AskPassphrase = Annotated[bool, typer.Option("--ask-passphrase", help="Ask for the words' BIP-39 passphrase.")]
Offline = Annotated[bool, typer.Option("--offline", help="Only the keystore; announce the account later.")]
Words = Annotated[
    bool | None,
    typer.Option(
        "--words/--no-words",
        help="Show the new words; default: on a terminal only, so that no log file holds them.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Role:
    """Whose commands they are: `name` is also the wallet's usual name, `program` the command line's."""

    name: str
    program: str


def announce_account(key: Any, as_json: bool, **facts: Any) -> None:
    """Send CreateWallet and print the answer.

    Raises:
        CommandRefused: it was announced before.
        AnswerTimeout: no coordinator answered.
    """
    with client_of(key) as client:
        show_answers(client.create_wallet(), as_json, account=client.subject, **facts)


def show_answers(answers: list[Any], as_json: bool, **facts: Any) -> None:
    """The events that answered a command, after what is known besides."""
    from .events import document, line

    if as_json:
        output.emit_json({**facts, "events": [document(answer) for answer in answers]})
        return
    for name, value in facts.items():
        output.say(f"{name.replace('_', ' ')}: {value}")
    for answer in answers:
        output.say(line(answer))


def send(name: str, password: str | None, password_file: Path | None, body: Any, as_json: bool, **facts: Any) -> None:
    """Ask the network something about the own account and print the answer."""
    with client_of(load_key(name, password, password_file)) as client:
        show_answers(client.ask(client.subject, body), as_json, account=client.subject, **facts)


def gpu_tier(text: str) -> str:
    """The tier that a tier's name or a GPU model means.

    Raises:
        InputError: neither (`unknown_tier`).
    """
    from bitsage.schemas.parameters import TIER_MODELS, VALIDATOR, tier_of

    tier = tier_of(text)
    if tier is None or tier == VALIDATOR:
        known = "; ".join(f"{name} ({', '.join(models)})" for name, models in TIER_MODELS.items())
        raise InputError(
            "unknown_tier", f"there is no GPU tier or model {output.plain(text)[:40]!r}; there are {known}"
        )
    return tier


def add_wallet_commands(app: typer.Typer, role: Role) -> None:
    """create-wallet, announce and request-tokens."""

    @app.command("create-wallet", epilog=f"Example: {role.program} create-wallet --name {role.name}")
    def create_wallet(
        name: Name = None,
        password: Password = None,
        password_file: PasswordFile = None,
        mnemonic_file: MnemonicFile = None,
        ask_passphrase: AskPassphrase = False,
        words: Words = None,
        offline: Offline = False,
        as_json: AsJson = False,
    ) -> None:
        """Make a wallet (24 new words, or your own), keep it in an encrypted keystore, announce it to the network."""
        from .wallets import make_wallet

        chosen = wallet_name(name, role.name)
        if not offline:
            # Before anything is made: a wallet that nobody heard of is of no use.
            network()
            open_log()
        key = make_wallet(
            chosen,
            password,
            password_file,
            mnemonic_file=mnemonic_file,
            ask_passphrase=ask_passphrase,
            show_words=words,
        )
        path = str(config().keystore(chosen))
        if offline:
            _show_account(key, path, as_json)
            return
        announce_account(key, as_json, keystore=path)

    @app.command("announce", epilog=f"Example: {role.program} announce --name {role.name}")
    def announce(
        name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
    ) -> None:
        """Announce the account of a keystore that was made --offline or when no coordinator answered."""
        announce_account(load_key(wallet_name(name, role.name), password, password_file), as_json)

    @app.command("request-tokens", epilog=f"Example: {role.program} request-tokens")
    def request_tokens(
        name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
    ) -> None:
        """Ask the faucet for test tokens; once a day."""
        from bitsage.schemas.commands import RequestTokens

        send(wallet_name(name, role.name), password, password_file, RequestTokens(), as_json)


def _show_account(key: Any, path: str, as_json: bool) -> None:
    from bitsage.wallet import format_address

    facts = {"account": format_address(key.address), "public_key": key.public_key.hex(), "keystore": path}
    if as_json:
        output.emit_json(facts)
    else:
        output.facts(facts)


def add_stake_commands(app: typer.Typer, role: Role) -> None:
    """unstake and withdraw-stake; how to stake differs between the roles."""

    @app.command("unstake", epilog=f"Example: {role.program} unstake --amount 500")
    def unstake(
        amount: Amount,
        name: Name = None,
        password: Password = None,
        password_file: PasswordFile = None,
        as_json: AsJson = False,
    ) -> None:
        """Take stake out; it stays locked for a week and can still be slashed."""
        from bitsage.schemas.commands import RequestUnstake

        units = to_base_units(amount)
        send(wallet_name(name, role.name), password, password_file, RequestUnstake(amount=units), as_json)

    @app.command("withdraw-stake", epilog=f"Example: {role.program} withdraw-stake")
    def withdraw_stake(
        name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
    ) -> None:
        """Move stake whose lock is over back to the balance."""
        from bitsage.schemas.commands import WithdrawStake

        send(wallet_name(name, role.name), password, password_file, WithdrawStake(), as_json)


def add_balance_command(app: typer.Typer, role: Role) -> None:
    """Balance; what is hidden is decrypted where the password is given."""

    @app.command("balance", epilog=f"Example: {role.program} balance --json")
    def balance(
        name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
    ) -> None:
        """Show what the account holds: in public, hidden and available, hidden and pending. With the password (of
        SAGE_PASSWORD or an option; none is asked for) hidden amounts are decrypted, on this machine."""
        from .models import account_of
        from .passwords import given_password

        chosen = wallet_name(name, role.name)
        account, hidden = account_of(chosen), None
        if given_password(password, password_file):
            from bitsage.nodes.purse import Purse

            with client_of(load_key(chosen, password, password_file)) as client:
                hidden = Purse(client).holdings()
        show_balance(account, as_json, hidden)


def show_balance(account: str, as_json: bool, hidden: Any = None) -> None:
    """The account's row of the balances model, and its hidden balance where it could be read (`purse.Holdings`).

    Raises:
        BrokerUnreachable: the log cannot be read.
    """
    from .models import AMOUNTS_OF_ACCOUNT, one_row

    row = one_row("balances", "account", account) or {}
    amounts = {name: str(row.get(name) or "0") for name in AMOUNTS_OF_ACCOUNT}
    read = {
        "available": None if hidden is None else str(hidden.available),
        "pending": None if hidden is None else str(hidden.pending),
    }
    sealed = {f"{name}_ciphertext": row.get(name) or "" for name in read}
    waiting = int(row.get("credits") or 0) - int(row.get("folded") or 0)
    if as_json:
        facts = {"account": account, "announced": bool(row.get("created_at")), **amounts, **read, **sealed}
        output.emit_json(facts | {"pending_count": waiting, "payment_key": row.get("payment_key")})
        return
    shown = {name: f"{in_sage(int(value))} SAGE" for name, value in amounts.items()}
    shown["gas"] = in_sage(int(amounts["gas"]))
    for name, value in read.items():
        ciphertext = sealed[f"{name}_ciphertext"]
        closed = f"encrypted, {ciphertext[:16]}.." if ciphertext else "0 SAGE"
        shown[f"hidden, {name}"] = closed if value is None else f"{in_sage(int(value))} SAGE"
    output.facts({"account": account, **shown})
