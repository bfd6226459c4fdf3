"""`sage dlq`: what could never be handled, and the way back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitsage.errors import InputError
from bitsage.streams.codec import decode_command
from bitsage.streams.deadletters import DeadLetter, redrive, waiting
from bitsage.streams.errors import Undecodable
from bitsage.streams.seal import Sealer

from . import output
from .context import load_key, network, open_log, wallet_name
from .failures import REFUSED
from .moments import moment
from .options import AsJson, Name, Password, PasswordFile

if TYPE_CHECKING:
    from bitsage.nodes.network import Network

dlq_app = typer.Typer(
    name="dlq",
    help="Dead letters: records that could never be handled, kept raw with the reason.",
    no_args_is_help=True,
)
RecordKey = Annotated[str, typer.Argument(metavar="KEY", help="The record key, as `sage dlq list` prints it.")]
_NO_KEY = "none"


def _key(letter: DeadLetter) -> str:
    if letter.key is None:
        return _NO_KEY
    try:
        text = letter.key.decode()
    except UnicodeDecodeError:
        return "hex:" + letter.key.hex()
    plain = text.isprintable() and text != "" and text != _NO_KEY and not text.startswith("hex:")
    return text if plain else "hex:" + letter.key.hex()


def _key_bytes(key: str) -> bytes | None:
    if key == _NO_KEY:
        return None
    if not key.startswith("hex:"):
        return key.encode()
    try:
        return bytes.fromhex(key[4:])
    except ValueError:
        raise typer.BadParameter("after hex: there must be hex digits") from None


def _facts(letter: DeadLetter) -> dict[str, object]:
    facts = {
        "key": _key(letter),
        "code": letter.code,
        "message": letter.message,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "parked": letter.parked,
        "attempt": letter.attempt,
        "version": letter.version,
        "at": moment(letter.at),
        "bytes": len(letter.value or b""),
    }
    return facts | ({"cut_sha256": letter.digest} if letter.digest else {})


def _waiting(key: str) -> list[DeadLetter]:
    """The letters under `key`; leaves with exit code 1 when there are none."""
    wanted = _key_bytes(key)
    letters = [letter for letter in waiting(open_log(), network().seal_check()) if letter.key == wanted]
    if not letters:
        _nothing(key)
    return letters


def _nothing(key: str) -> None:
    output.remark(f"error: no dead letter waits under the key {key} [dead_letter_unknown]")
    raise typer.Exit(REFUSED)


@dlq_app.command("list", epilog="Example: sage dlq list")
def list_letters(as_json: AsJson = False) -> None:
    """List every dead letter that waits; records that no coordinator of this network sealed are none."""
    facts = [_facts(letter) for letter in waiting(open_log(), network().seal_check())]
    if as_json:
        output.emit_json(facts)
        return
    lines = [
        (f["key"], f["code"], f"{f['topic']}[{f['partition']}]@{f['offset']}", f["parked"], f["attempt"], f["at"])
        for f in facts
    ]
    output.rows(("key", "code", "where", "parked", "attempt", "at"), lines, title=f"{len(facts)} dead letters")


@dlq_app.command("show", epilog="Example: sage dlq show account:0x01...")
def show_letters(key: RecordKey, as_json: AsJson = False) -> None:
    """Show the dead letters of one key with their raw bytes, and which command they are where they can be read."""
    documents = []
    for letter in _waiting(key):
        facts = _facts(letter) | {"value": (letter.value or b"").hex()}
        try:
            facts["command"] = decode_command(letter.value).envelope.type
        except Undecodable as error:
            facts["undecodable"] = error.code
        documents.append(facts)
    if as_json:
        output.emit_json(documents)
        return
    for facts in documents:
        output.facts(facts)


@dlq_app.command("redrive", epilog="Example: sage dlq redrive account:0x01...")
def redrive_key(
    key: RecordKey,
    name: Name = None,
    password: Password = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a key's dead letters back to where they came from, in order, and unpark the key.

    Do this once the cause is mended; a record that fails again becomes a dead letter again. The wallet must be the
    coordinator's: anybody else's word would let strangers change the order of somebody's commands.
    """
    wanted, log, anchor = _key_bytes(key), open_log(), network()
    sealer = _sealer(anchor, wallet_name(name, "coordinator"), password, password_file)
    letters = [letter for letter in waiting(log, anchor.seal_check()) if letter.key == wanted]
    if not letters:
        _nothing(key)
    count = redrive(log, wanted, sealer=sealer)
    if as_json:
        output.emit_json({"key": key, "redriven": count, "ticked_off": len(letters) - count})
    else:
        output.say(f"{count} of {len(letters)} records were written back; {key} is unparked")


def _sealer(anchor: "Network", wallet: str, password: str | None, password_file: Path | None) -> Sealer:
    sealer = Sealer(load_key(wallet, password, password_file).seal_secret, anchor.chain_id)
    if sealer.public_key.hex() != anchor.seal_key:
        raise InputError("not_the_coordinator", f"the wallet {wallet} is not that of this network's coordinator")
    return sealer
