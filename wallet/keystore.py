"""Keystores: one private key in a Web3 Secret Storage version 3 file (scrypt, AES-128-CTR, Keccak MAC).

`address` in the file is the account's address, so that it can be shown without the password; opening the file checks it.
"""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from .address import ADDRESS_BYTES, format_address, parse_address
from .errors import AddressInvalid, KeyInvalid, KeystoreCorrupt, KeystoreExists, KeystoreMissing, WrongPassword
from .keys import Key

SCRYPT_N = 262144
_MAX_FILE_BYTES = 65536
_KEY_BYTES = 32
#: A hostile file must not ask for more memory (128 * n * r bytes) or rounds than this.
_MAX_SCRYPT_BYTES = 2**30
_MAX_PARALLEL = 16
_MAX_PBKDF2_ROUNDS = 10_000_000


def save_keystore(
    path: str | Path, key: Key, password: str, *, overwrite: bool = False, scrypt_n: int = SCRYPT_N
) -> None:
    """Write the key to `path`, mode 0600, complete or not at all; KeystoreExists unless `overwrite`."""
    from eth_keyfile.keyfile import create_keyfile_json  # it takes 0.4 s to import, and most commands need no keystore

    target = Path(path)
    if not overwrite and os.path.lexists(target):
        raise KeystoreExists(str(path))
    secret = key.secret.to_bytes(32, "big")
    content = dict(create_keyfile_json(secret, password.encode(), version=3, kdf="scrypt", iterations=scrypt_n))
    content["address"] = format_address(key.address)[2:]
    target.parent.mkdir(parents=True, exist_ok=True)
    _write(target, json.dumps(content, indent=1).encode() + b"\n", overwrite)


def load_keystore(path: str | Path, password: str) -> Key:
    """The key in the file; KeystoreMissing, KeystoreCorrupt or WrongPassword."""
    from eth_keyfile.keyfile import decode_keyfile_json

    content = _read(path)
    stated = _address(content)
    _check_costs(content)
    try:
        secret = decode_keyfile_json(content, password.encode())
    except (ValueError, KeyError, TypeError, NotImplementedError, AttributeError) as error:
        # The library says by its text alone that the MAC, and so the password, does not agree.
        if str(error) == "MAC mismatch":
            raise WrongPassword from None
        raise KeystoreCorrupt("a part of its encryption is missing or malformed") from None
    try:
        key = Key(int.from_bytes(secret, "big"))
    except KeyInvalid as error:
        raise KeystoreCorrupt("what it holds is no key of the STARK curve") from error
    if stated is not None and key.address != stated:
        raise KeystoreCorrupt("its address is not that of its key")
    return key


def keystore_address(path: str | Path) -> bytes:
    """The address that the file states, without its password; opening the file is what proves it."""
    stated = _address(_read(path))
    if stated is None:
        raise KeystoreCorrupt("it states no account address")
    return stated


def _read(path: str | Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise KeystoreMissing(str(path)) from None
    except OSError as error:
        raise KeystoreCorrupt(error.strerror or "it cannot be opened") from error
    if len(data) > _MAX_FILE_BYTES:
        raise KeystoreCorrupt("it is larger than any keystore")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise KeystoreCorrupt("it is not JSON") from None
    if not isinstance(content, dict):
        raise KeystoreCorrupt("it is not a JSON object")
    if content.get("version") != 3:
        raise KeystoreCorrupt("it is not of version 3 of Web3 Secret Storage")
    return content


def _address(content: dict[str, Any]) -> bytes | None:
    """None where the file is another tool's: those state none, or one of 20 bytes of another network."""
    text = content.get("address")
    if not isinstance(text, str) or len(text.removeprefix("0x")) != 2 * ADDRESS_BYTES:
        return None
    try:
        return parse_address("0x" + text.removeprefix("0x"))
    except AddressInvalid as error:
        raise KeystoreCorrupt("its address is malformed") from error


def _check_costs(content: dict[str, Any]) -> None:
    section = content.get("crypto", content.get("Crypto"))
    if not isinstance(section, dict) or section.get("cipher") != "aes-128-ctr":
        raise KeystoreCorrupt("its cipher is not aes-128-ctr")
    parameters = section.get("kdfparams")
    if not isinstance(parameters, dict):
        raise KeystoreCorrupt("the parameters of its key derivation are missing")
    for name in ("n", "r", "p", "c", "dklen"):
        value = parameters.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise KeystoreCorrupt("a parameter of its key derivation is malformed")
    if parameters.get("dklen") != _KEY_BYTES:
        raise KeystoreCorrupt("the length of its derived key is not 32 bytes")
    memory = 128 * int(parameters.get("n", 1)) * int(parameters.get("r", 1))
    rounds, parallel = int(parameters.get("c", 1)), int(parameters.get("p", 1))
    if memory > _MAX_SCRYPT_BYTES or parallel > _MAX_PARALLEL or rounds > _MAX_PBKDF2_ROUNDS:
        raise KeystoreCorrupt("its key derivation asks for more work than is allowed")


def _write(target: Path, data: bytes, overwrite: bool) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, target)
        else:
            # A link fails where a file appeared since the first look; a rename would have replaced it.
            os.link(temporary, target)
    except FileExistsError:
        raise KeystoreExists(str(target)) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
