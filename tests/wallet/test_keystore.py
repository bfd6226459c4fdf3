"""Keystores: written whole, private and once; every broken file is refused with a sentence and a code."""

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from eth_keyfile import create_keyfile_json, extract_key_from_keyfile

from bitsage.wallet import Key, keystore_address, load_keystore, save_keystore
from bitsage.wallet.errors import KeystoreCorrupt, KeystoreExists, KeystoreMissing, WrongPassword

KEY = Key(0x1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF)
PASSWORD = "open, Sesame ä"
CHEAP = 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "keys" / "worker.json"
    save_keystore(target, KEY, PASSWORD, scrypt_n=CHEAP)
    return target


def change(path: Path, edit: Any) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_what_is_saved_is_loaded(path: Path) -> None:
    assert load_keystore(path, PASSWORD) == KEY
    assert load_keystore(str(path), PASSWORD).address == keystore_address(path) == KEY.address


def test_the_usual_cost_is_that_of_the_standard(tmp_path: Path) -> None:
    save_keystore(tmp_path / "k", KEY, PASSWORD)
    assert json.loads((tmp_path / "k").read_text())["crypto"]["kdfparams"]["n"] == 262144
    assert load_keystore(tmp_path / "k", PASSWORD) == KEY


def test_the_file_is_private_and_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_the_file_holds_no_secret_in_clear(path: Path) -> None:
    text = path.read_text().lower()
    assert f"{KEY.secret:x}" not in text
    assert str(KEY.secret) not in text
    assert KEY.secret.to_bytes(32, "big").hex() not in text


def test_another_library_opens_it(path: Path) -> None:
    assert int.from_bytes(extract_key_from_keyfile(str(path), PASSWORD.encode()), "big") == KEY.secret


def test_a_keystore_of_another_tool_is_opened(tmp_path: Path) -> None:
    for kdf in ("scrypt", "pbkdf2"):
        content = create_keyfile_json(KEY.secret.to_bytes(32, "big"), b"pw", kdf=kdf, iterations=CHEAP)
        (tmp_path / kdf).write_text(json.dumps(content))
        assert load_keystore(tmp_path / kdf, "pw") == KEY
        with pytest.raises(KeystoreCorrupt, match="states no account address"):
            keystore_address(tmp_path / kdf)


def test_the_published_vector_is_opened(tmp_path: Path) -> None:
    # The scrypt vector of the Web3 Secret Storage text; its key is too large for the STARK curve, so it is named.
    vector = {
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
            "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": 32,
                "n": 262144,
                "r": 1,
                "p": 8,
                "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
            },
            "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3,
    }
    (tmp_path / "v").write_text(json.dumps(vector))
    with pytest.raises(KeystoreCorrupt, match="no key of the STARK curve"):
        load_keystore(tmp_path / "v", "testpassword")
    with pytest.raises(WrongPassword):
        load_keystore(tmp_path / "v", "wrongpassword")


def test_a_wrong_password_is_one_clear_error(path: Path) -> None:
    for password in ("", PASSWORD + " ", PASSWORD.upper()):
        with pytest.raises(WrongPassword) as caught:
            load_keystore(path, password)
        assert caught.value.code == "wrong_password"
        assert str(caught.value) == "the password does not open this keystore"


def test_a_missing_file(tmp_path: Path) -> None:
    for read in (keystore_address, lambda path: load_keystore(path, "")):
        with pytest.raises(KeystoreMissing) as caught:
            read(tmp_path / "none")
        assert caught.value.code == "keystore_missing"


def test_nothing_is_replaced_unless_asked(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(KeystoreExists) as caught:
        save_keystore(path, Key(5), PASSWORD, scrypt_n=CHEAP)
    assert caught.value.code == "keystore_exists"
    assert path.read_bytes() == before
    save_keystore(path, Key(5), PASSWORD, overwrite=True, scrypt_n=CHEAP)
    assert load_keystore(path, PASSWORD) == Key(5)
    assert os.listdir(path.parent) == [path.name]


def test_a_dangling_link_counts_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "k").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeystoreExists):
        save_keystore(tmp_path / "k", KEY, PASSWORD, scrypt_n=CHEAP)
    assert not (tmp_path / "elsewhere").exists()


def test_of_several_at_once_one_wins(tmp_path: Path) -> None:
    outcomes: list[str] = []

    def save(secret: int) -> None:
        try:
            save_keystore(tmp_path / "k", Key(secret), PASSWORD, scrypt_n=CHEAP)
            outcomes.append("saved")
        except KeystoreExists:
            outcomes.append("exists")

    threads = [threading.Thread(target=save, args=(secret,)) for secret in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["exists"] * 5 + ["saved"]
    assert os.listdir(tmp_path) == ["k"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_keystore(path, Key(5), PASSWORD, overwrite=True, scrypt_n=CHEAP)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b'{"version": 4}', b'{"version": 3}', b"[" * 60000, b" " * 65537],
)
def test_a_file_that_is_no_keystore(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "k").write_bytes(data)
    with pytest.raises(KeystoreCorrupt) as caught:
        load_keystore(tmp_path / "k", PASSWORD)
    assert caught.value.code == "keystore_corrupt"
    with pytest.raises(KeystoreCorrupt):
        keystore_address(tmp_path / "k")


def test_a_folder_is_no_keystore(tmp_path: Path) -> None:
    with pytest.raises(KeystoreCorrupt):
        load_keystore(tmp_path, PASSWORD)


@pytest.mark.parametrize("section", [(), ("kdfparams",), ("cipherparams",)])
@pytest.mark.parametrize("value", ["missing", None, 7, "zz", [], {}, -1, 2**40, 1.5, True])
def test_every_broken_field_is_refused(path: Path, section: tuple[str, ...], value: object) -> None:
    whole = json.loads(path.read_text())
    fields = whole["crypto"]
    for name in section:
        fields = fields[name]
    for field in sorted(fields):
        content = json.loads(path.read_text())
        place = content["crypto"]
        for name in section:
            place = place[name]
        place[field] = value
        if value == "missing":
            del place[field]
        broken = path.with_name("broken")
        broken.write_text(json.dumps(content))
        with pytest.raises((KeystoreCorrupt, WrongPassword)):
            load_keystore(broken, PASSWORD)


def test_a_costly_file_is_refused_before_the_work(path: Path) -> None:
    for field, value in (("n", 2**30), ("r", 2**20), ("p", 2**20), ("c", 10**9)):
        broken = path.with_name("costly")
        content = json.loads(path.read_text())
        content["crypto"]["kdfparams"][field] = value
        broken.write_text(json.dumps(content))
        with pytest.raises(KeystoreCorrupt, match="more work"):
            load_keystore(broken, PASSWORD)


def test_the_address_must_be_that_of_the_key(path: Path) -> None:
    change(path, lambda content: content.update(address=Key(6).address.hex()))
    with pytest.raises(KeystoreCorrupt, match="not that of its key"):
        load_keystore(path, PASSWORD)
    change(path, lambda content: content.update(address="z" * 64))
    with pytest.raises(KeystoreCorrupt, match="malformed"):
        keystore_address(path)
