"""Hidden amounts on the command line: move them, claim them, read them with the keystores at hand."""

from pathlib import Path
from typing import Annotated

import typer

from bitsage.amounts import in_sage, to_base_units
from bitsage.errors import InputError

from . import output
from .context import client_of, load_key, network, onlooker, wallet_name
from .options import AsJson, JobId, Name, Password, PasswordFile, job_bytes
from .shared import Amount, show_answers

payment_app = typer.Typer(help="Encrypted payments: read what the own keys can read.", no_args_is_help=True)
_ALL = Annotated[
    str | None, typer.Option("--amount", metavar="SAGE", help="Amount in SAGE; default: everything available.")
]


def deposit(
    amount: Amount,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Move a public amount into the hidden balance, which is opened first. Everybody sees the amount deposited."""
    from bitsage.nodes.purse import Purse

    units = to_base_units(amount)
    with client_of(load_key(wallet_name(name, "client"), password, password_file)) as client:
        purse = Purse(client)
        show_answers([*purse.open(), *purse.deposit(units)], as_json, account=client.subject)


def withdraw(
    amount: _ALL = None,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Move an amount from the hidden balance to the public one. Everybody sees the amount withdrawn."""
    from bitsage.nodes.purse import Purse

    units = None if amount is None else to_base_units(amount)
    with client_of(load_key(wallet_name(name, "client"), password, password_file)) as client:
        moved, answers = Purse(client).withdraw(units)
        if not answers:
            raise InputError("nothing_available", "the hidden balance has nothing to withdraw; claim what is pending")
        show_answers(answers, as_json, account=client.subject, withdrawn=str(moved) if as_json else in_sage(moved))


def transfer(
    recipient: Annotated[str, typer.Argument(metavar="NAME|ADDRESS", help="A wallet name or an address.")],
    amount: Amount,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Move a hidden amount to another account: who pays whom is public, the amount is not."""
    from bitsage.nodes.purse import Purse
    from bitsage.wallet import parse_address

    from .models import account_of

    units, to = to_base_units(amount), parse_address(account_of(recipient))
    with client_of(load_key(wallet_name(name, "client"), password, password_file)) as client:
        show_answers(Purse(client).transfer(to, units), as_json, account=client.subject)


@payment_app.command("key", epilog="Example: sage payment key --name auditor")
def show_key(
    name: Name = None, password: Password = None, password_file: PasswordFile = None, as_json: AsJson = False
) -> None:
    """Show a wallet's public payment key: what hidden amounts for it are encrypted under."""
    from bitsage.privacy import payment_public_key
    from bitsage.wallet import format_address

    key = load_key(wallet_name(name, "client"), password, password_file)
    facts = {"account": format_address(key.address), "payment_key": payment_public_key(key.payment_secret).hex()}
    if as_json:
        output.emit_json(facts)
    else:
        output.facts(facts)


@payment_app.command("show", epilog="Example: sage payment show 0123456789abcdef0123456789abcdef --name worker")
def show_payment(
    job: JobId,
    name: Annotated[str | None, typer.Option("--name", help="Wallet that reads; default: every one at hand.")] = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a job's escrow and payment, decrypted where a keystore at hand may read them, else as ciphertexts."""
    from bitsage.nodes.reading import payment_of

    from .keyrings import secrets_at_hand

    job_id = job_bytes(job)
    with onlooker() as client:
        secrets = secrets_at_hand(name, password, password_file)
        facts = payment_of(client, job_id, secrets)
    if facts is None:
        raise InputError("unknown_job", f"the log has no payment or escrow of a job {job_id.hex()}")
    if as_json:
        output.emit_json(facts)
        return
    shown = {k: f"{in_sage(int(v))} SAGE" if k in ("price", "paid") and v else v for k, v in facts.items()}
    output.facts({k: v[:32] + ".." if k.endswith("ciphertext") and v else v for k, v in shown.items()})


def amounts(
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="Keystore of the network's auditor, escrow or a party.")
    ],
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Decrypt every hidden amount that a key may read: sealed prices and transfers."""
    from bitsage.nodes.reading import amounts_for
    from bitsage.wallet import load_keystore
    from bitsage.wallet.errors import KeystoreMissing

    from .passwords import password_for

    if not key.exists():
        raise KeystoreMissing(str(key))
    secret = load_keystore(key, password_for(key.stem, password, password_file)).payment_secret
    network()
    with onlooker() as client:
        found = amounts_for(client, secret)
    if as_json:
        output.emit_json(found)
        return
    names = ("event", "subject", "job_id", "to", "amount")
    lines = [[*(row[n] for n in names[:4]), f"{in_sage(int(row['amount']))} SAGE"] for row in found]
    output.rows(names, lines)
