"""Making wallets: new words or old ones, a keystore, and the account announced to the network."""

import sys
from pathlib import Path

import typer

from bitsage.errors import InputError
from bitsage.wallet import Key, format_address, key_from_mnemonic, new_mnemonic, save_keystore
from bitsage.wallet.errors import KeystoreExists

from .context import config, load_key
from .output import remark
from .passwords import password_for, read_line


def make_wallet(
    name: str,
    password: str | None = None,
    password_file: Path | None = None,
    *,
    mnemonic_file: Path | None = None,
    ask_passphrase: bool = False,
    show_words: bool | None = None,
) -> Key:
    """A keystore from new words, or from those of `mnemonic_file`. New words are shown once, on standard error, by
    default only when that is a terminal.

    Raises:
        KeystoreExists: the name is taken.
        MnemonicInvalid: the words are no mnemonic.
        InputError: no password, or an unreadable file.
    """
    path = config().keystore(name)
    if path.exists():
        raise KeystoreExists(str(path))
    chosen = password_for(name, password, password_file, new=True)
    if mnemonic_file is None:
        words = new_mnemonic()
    elif str(mnemonic_file) == "-" and sys.stdin.isatty():
        words = str(typer.prompt("The words", hide_input=True, err=True))
    else:
        words = read_line(mnemonic_file, "mnemonic_file")
    phrase = str(typer.prompt("Passphrase", hide_input=True, err=True, default="")) if ask_passphrase else ""
    key = key_from_mnemonic(words, phrase)
    _save(path, key, chosen)
    if mnemonic_file is None:
        if show_words is None and not sys.stderr.isatty():
            remark(f"The words of the wallet {name} are not shown where there is no terminal (--words shows them).")
            remark(f"Its only copy is the keystore {path}.")
        elif show_words is not False:
            _show(name, words)
    return key


def _save(path: Path, key: Key, password: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save_keystore(path, key, password)
    except OSError as error:
        raise InputError("file_error", f"the keystore {path} cannot be written: {error.strerror}") from None


def _show(name: str, words: str) -> None:
    remark(
        f"The 24 words of the wallet {name}. Write them down: they are the only way back to it, and not shown again."
    )
    listed = words.split()
    for start in range(0, len(listed), 6):
        remark("    " + " ".join(f"{n + 1:2}.{listed[n]:<9}" for n in range(start, start + 6)))


def load_or_make(
    name: str, password: str | None, password_file: Path | None, *, show_words: bool | None
) -> tuple[Key, bool]:
    """The key of a wallet, made now when there is none; whether it is new."""
    path = config().keystore(name)
    if path.exists():
        return load_key(name, password, password_file), False
    key = make_wallet(name, password, password_file, show_words=show_words)
    remark(f"made the wallet {name}: {format_address(key.address)}, keystore {path}")
    return key, True
