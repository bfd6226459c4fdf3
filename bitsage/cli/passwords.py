"""Where a keystore's password comes from: --password, --password-file, SAGE_PASSWORD, or a prompt."""

import os
import sys
from pathlib import Path

import typer

from bitsage.errors import InputError

_MAX_BYTES = 4096


def password_for(name: str, password: str | None = None, file: Path | None = None, *, new: bool = False) -> str:
    """The password of the wallet `name`; a new one is asked for twice.

    Raises:
        InputError: no password can be had (`no_password`), it is empty (`empty_password`), or its file is unreadable
            (`password_file`).
    """
    found = given_password(password, file)
    if found is None:
        if not sys.stdin.isatty():
            raise InputError(
                "no_password",
                f"the wallet {name} needs a password: set SAGE_PASSWORD, or give --password-file or --password",
            )
        prompt = f"New password for the wallet {name}" if new else f"Password of the wallet {name}"
        found = str(typer.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True))
    if not found:
        raise InputError("empty_password", f"the password of the wallet {name} is empty")
    return found


def given_password(password: str | None = None, file: Path | None = None) -> str | None:
    """The password that was given somehow; None when one would have to be asked for.

    Raises:
        InputError: given twice, or its file is unreadable.
    """
    if password is not None and file is not None:
        raise InputError("bad_argument", "--password and --password-file exclude each other")
    if password is not None:
        return password
    return read_line(file, "password_file") if file is not None else os.environ.get("SAGE_PASSWORD")


def read_line(file: Path, code: str) -> str:
    """The first line of a small text file, or of standard input for `-`; the text of it is in no error.

    Raises:
        InputError: it cannot be read (`code`).
    """
    if str(file) == "-":
        return sys.stdin.readline(_MAX_BYTES).rstrip("\r\n")
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.readline(_MAX_BYTES).rstrip("\r\n")
    except OSError as error:
        raise InputError(code, f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(code, f"{file} cannot be read: it is not UTF-8 text") from None
