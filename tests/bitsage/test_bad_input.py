"""Bad input that needs no network: one sentence, a stable code, the right exit code, and nothing half done."""

import json
import re
import stat
import time
from pathlib import Path

import pytest

from bitsage.wallet import key_from_mnemonic, load_keystore, new_mnemonic, save_keystore

MNEMONIC = (
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art"
)
CLOSED = "127.0.0.1:1"


def wallet(home: Path, name: str, password: str = "a test's password") -> Path:
    path = home / "keystores" / f"{name}.json"
    save_keystore(path, key_from_mnemonic(new_mnemonic()), password, scrypt_n=4096)
    return path


def failed(ran, code: str) -> str:
    """The sentence of a failure; checks its form."""
    lines = ran.stderr.strip().splitlines()
    assert re.fullmatch(r"error: .+ \[\w+\]", lines[-1]), ran.stderr
    assert lines[-1].endswith(f"[{code}]"), ran.stderr
    assert "Traceback" not in ran.stderr
    return lines[-1]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("sage-worker stake --amount -1 --gpu-tier T4", "bad_amount"),
        ("sage-worker stake --amount nan --gpu-tier T4", "bad_amount"),
        ("sage-worker stake --amount 0.0000000000000000001 --gpu-tier T4", "bad_amount"),
        ("sage-worker stake --amount 1 --gpu-tier T99", "unknown_tier"),
        ("sage-worker stake --amount 1 --gpu-tier validator", "unknown_tier"),
        ("sage-worker stake --amount 1", "bad_argument"),
        ("sage-worker stake --amount 1 --gpu-tier T4 --colour red", "bad_argument"),
        ("sage-worker nonsense", "bad_argument"),
        ("sage-worker unstake --amount x", "bad_amount"),
        ("sage-validator stake --amount x", "bad_amount"),
        ("sage-worker balance", "keystore_missing"),
        ("sage-worker balance --name ../../etc/passwd", "bad_value"),
        ("sage-worker request-tokens", "keystore_missing"),
        ("sage-worker start", "keystore_missing"),
        ("sage-validator start", "keystore_missing"),
        ("sage-worker claim xyz", "bad_argument"),
        ("sage-worker --config none.toml balance", "config_missing"),
        ("sage-worker --log-level loud balance", "bad_value"),
        ("sage account show 0xzz", "address_invalid"),
        ("sage watch", "bad_argument"),
        ("sage projection show nonsense", "unknown_model"),
        ("sage projection show jobs --as-of yesterday", "bad_as_of"),
        ("sage projection rebuild", "bad_argument"),
        ("sage watch xyz", "bad_argument"),
        ("sage audit verify", "not_configured"),
        ("sage-coordinator submit-job --type foo --size 64", "unknown_job_type"),
        ("sage-coordinator submit-job --type matmul", "bad_argument"),
        ("sage-coordinator submit-job --type matmul --size 65", "input_size"),
        ("sage-coordinator submit-job --type matmul --size 64 --seed -1", "input_seed"),
        ("sage-coordinator submit-job --type matmul --size 64 --max-cost x", "bad_amount"),
        ("sage-coordinator submit-job --type matmul --size 64 --tier T99", "unknown_tier"),
        ("sage-coordinator submit-job --type matmul --size 64 --deadline soon", "bad_deadline"),
        ("sage-coordinator submit-job --type matmul --a none.npy --b none.npy", "file_error"),
        ("sage-coordinator submit-job --type matmul --a none.npy", "bad_argument"),
        ("sage-coordinator submit-job --type matmul --a x --b y --size 64", "bad_argument"),
        ("sage-coordinator submit-job --type matmul --size 64", "not_configured"),
        ("sage-coordinator submit-job --type matmul --images digits:0", "bad_argument"),
        ("sage-coordinator submit-job --type inference", "bad_argument"),
        ("sage-coordinator submit-job --type inference --size 64", "bad_argument"),
        ("sage-coordinator submit-job --type inference --images digits:0 --size 64", "bad_argument"),
        ("sage-coordinator submit-job --type inference --images digits:5-4", "input_images"),
        ("sage-coordinator submit-job --type inference --images digits:0-256", "input_images"),
        ("sage-coordinator submit-job --type inference --images none.npy", "file_error"),
        ("sage-coordinator submit-job --type inference --input none.json", "file_error"),
        ("sage-coordinator submit-job --type inference --input none.json --images digits:0", "bad_argument"),
        ("sage-coordinator submit-job --type inference --images digits:0-15", "not_configured"),
        ("sage-coordinator wait-job 12", "bad_argument"),
        ("sage-coordinator cancel-job 0123456789abcdef0123456789abcdef", "keystore_missing"),
        ("sage-coordinator --bootstrap nonsense start", "bad_kafka_settings"),
        ("sage-coordinator --kafka-config none.properties start", "bad_kafka_settings"),
    ],
)
def test_bad_input_ends_with_2_and_leaves_nothing(sh, home: Path, line: str, code: str) -> None:
    failed(sh(line, code=2), code)
    assert not (home / "keystores").exists()
    shown = sh(line, "--json", code=2) if "start" not in line and "--colour" not in line else None
    if shown is not None:
        assert shown.json["error"]["code"] == code
        assert set(shown.json["error"]) == {"code", "message"}


@pytest.mark.parametrize("text", ["not an npy", "\x93NUMPY"])
def test_a_file_that_is_no_matrix(sh, text: str) -> None:
    Path("a.npy").write_text(text, encoding="latin-1")
    failed(sh("sage-coordinator submit-job --type matmul --a a.npy --b a.npy", code=2), "input_matrix_format")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model":5}', '{"model":"00","digits":"0"}', "\xff"])
def test_a_file_that_is_no_input(sh, text: str) -> None:
    Path("input.json").write_bytes(text.encode("latin-1"))
    done = sh("sage-coordinator submit-job --type inference --input input.json --json", code=2)
    assert done.json["error"]["code"] in ("input_fields", "input_model", "file_error")


def test_the_job_types_of_the_installation(sh) -> None:
    listed = sh("sage job-types --json").json
    assert set(listed["job_types"]) >= {"inference", "matmul"}
    assert listed["job_types"]["inference"]["input"]["images"]["kind"] == "bytes"
    assert listed["problems"] == {}
    assert "matmul" in sh("sage job-types").stdout


NEED_A_BROKER = (
    "sage-worker request-tokens",
    "sage-worker create-wallet --name other",
    "sage-coordinator start --no-words",
    "sage-coordinator submit-job --type matmul --size 64",
    "sage projection show jobs",
    "sage-worker balance",
    "sage-worker start",
    "sage watch --all",
    "sage audit verify",
    "sage dlq list",
    "sage topics check",
)


@pytest.mark.parametrize(
    ("line", "where"),
    # A closed port takes seconds to be given up, so not every command is tried on one.
    [*((line, "no broker") for line in NEED_A_BROKER), *((line, "closed port") for line in NEED_A_BROKER[:5])],
)
def test_no_broker_ends_with_3_in_a_few_seconds(sh, home: Path, monkeypatch, line: str, where: str) -> None:
    if where == "closed port":
        monkeypatch.setenv("KAFKA_BOOTSTRAP", CLOSED)
    sh("sage-coordinator init --no-words")
    wallet(home, "worker")
    before = sorted(home.rglob("*"))
    started = time.monotonic()
    ran = sh(line, code=3)
    assert time.monotonic() - started < 15
    assert "broker_unreachable" in ran.stderr
    assert ran.stderr.count("error") == 1
    after = [path for path in home.rglob("*") if "projections" not in path.parts and "kafka" not in path.parts]
    assert sorted(after) == [p for p in before if "projections" not in p.parts and "kafka" not in p.parts]


def test_create_wallet_keeps_an_encrypted_keystore_that_only_its_owner_can_read(sh, home: Path) -> None:
    document = sh("sage-worker create-wallet --offline --json").json
    path = home / "keystores" / "worker.json"
    assert document["keystore"] == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "0x" + load_keystore(path, "a test's password").address.hex() == document["account"]


def test_new_words_are_shown_once_and_open_the_same_wallet(sh, home: Path) -> None:
    ran = sh("sage-worker create-wallet --offline --json --words")
    words = re.findall(r"\d+\.([a-z]+)", ran.stderr)
    assert len(words) == 24
    assert not any(word in ran.stdout.split('"') for word in words)
    assert "0x" + key_from_mnemonic(" ".join(words)).address.hex() == ran.json["account"]
    for path in home.rglob("*"):
        assert not path.is_file() or " ".join(words[:3]) not in path.read_text(encoding="utf-8")
    assert not re.findall(r"\d+\.[a-z]+", sh("sage-worker create-wallet --offline --name b --no-words").stderr)


def test_new_words_do_not_go_to_a_log_file(sh) -> None:
    said = sh("sage-worker create-wallet --offline").stderr
    assert "--words" in said
    assert not re.findall(r"\d+\.[a-z]+", said)


def test_import_from_a_file_and_from_standard_input(sh) -> None:
    expected = "0x" + key_from_mnemonic(MNEMONIC).address.hex()
    Path("words").write_text(MNEMONIC + "\n", encoding="utf-8")
    ran = sh("sage-worker create-wallet --offline --json --mnemonic-file words")
    assert ran.json["account"] == expected
    assert "abandon" not in ran.stderr + ran.stdout
    ran = sh("sage-worker create-wallet --offline --json --name b --mnemonic-file -", stdin=MNEMONIC + "\n")
    assert ran.json["account"] == expected


@pytest.mark.parametrize("words", ["abandon " * 24, "abandon", "x " * 24, "", MNEMONIC.replace("art", "zoo")])
def test_words_that_are_no_mnemonic(sh, home: Path, words: str) -> None:
    Path("words").write_text(words, encoding="utf-8")
    sentence = failed(sh("sage-worker create-wallet --offline --mnemonic-file words", code=2), "mnemonic_invalid")
    assert "abandon" not in sentence
    assert not (home / "keystores" / "worker.json").exists()


def test_files_of_words_and_passwords_that_cannot_be_read(sh) -> None:
    failed(sh("sage-worker create-wallet --offline --mnemonic-file none", code=2), "mnemonic_file")
    failed(sh("sage-worker create-wallet --offline --password-file none", code=2), "password_file")
    Path("bytes").write_bytes(b"\xff\xfe\n")
    failed(sh("sage-worker create-wallet --offline --password-file bytes", code=2), "password_file")


def test_a_keystore_is_never_replaced(sh, home: Path) -> None:
    path = wallet(home, "worker")
    before = path.read_bytes()
    failed(sh("sage-worker create-wallet --offline", code=2), "keystore_exists")
    assert path.read_bytes() == before


def test_where_a_password_comes_from(sh, home: Path, monkeypatch) -> None:
    sh("sage-coordinator init --no-words")
    wallet(home, "worker", "right")
    Path("right").write_text("right\nsecond line\n", encoding="utf-8")
    failed(sh("sage-worker announce --password right", code=3), "broker_unreachable")
    failed(sh("sage-worker announce --password-file right", code=3), "broker_unreachable")
    failed(sh("sage-worker announce --password-file -", code=3, stdin="right\n"), "broker_unreachable")
    failed(sh("sage-worker announce", code=2), "wrong_password")
    failed(sh("sage-worker announce --password wrong", code=2), "wrong_password")
    failed(sh("sage-worker announce", "--password", "", code=2), "empty_password")
    failed(sh("sage-worker announce --password right --password-file right", code=2), "bad_argument")
    monkeypatch.delenv("SAGE_PASSWORD")
    failed(sh("sage-worker announce", code=2), "no_password")


def test_a_password_is_in_no_output(sh, home: Path) -> None:
    wallet(home, "worker")
    ran = sh("sage-worker announce --password hunter2hunter2 --json", code=2)
    assert "hunter2" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("spoil", ["nothing", "text", "cut", "changed", "other version"])
def test_a_corrupt_keystore(sh, home: Path, spoil: str) -> None:
    path = wallet(home, "worker")
    content = json.loads(path.read_text(encoding="utf-8"))
    spoiled = {
        "nothing": "",
        "text": "not a keystore",
        "cut": path.read_text(encoding="utf-8")[:100],
        "changed": json.dumps(content | {"crypto": {}}),
        "other version": json.dumps(content | {"version": 1}),
    }[spoil]
    path.write_text(spoiled, encoding="utf-8")
    failed(sh("sage-worker announce", code=2), "keystore_corrupt")
    assert path.read_text(encoding="utf-8") == spoiled


def test_the_home_folder_cannot_be_written(sh, monkeypatch) -> None:
    Path("file").write_text("", encoding="utf-8")
    monkeypatch.setenv("SAGE_HOME", "file/home")
    failed(sh("sage-worker create-wallet --offline", code=2), "file_error")


def test_init_founds_a_network_once(sh, home: Path) -> None:
    Path("bitsage.toml").write_text('chain_id = "mine"\n[network.parameters]\nattempts = 2\n', encoding="utf-8")
    first = sh("sage-coordinator init --no-words --json").json
    assert (first["made_now"], first["chain_id"], first["parameters"]["attempts"]) == (True, "mine", 2)
    Path("bitsage.toml").unlink()
    second = sh("sage-coordinator init --json").json
    assert second == first | {"made_now": False}
    (home / "keystores" / "coordinator.json").unlink()
    failed(sh("sage-coordinator init", code=2), "not_configured")
    wallet(home, "coordinator")
    failed(sh("sage-coordinator init", code=2), "not_configured")


def test_two_networks_of_one_wallet_have_chain_ids_of_their_own(sh, home: Path) -> None:
    """Otherwise what was signed or sealed on one could be copied to the other."""
    chains = []
    for _ in range(2):
        found = sh("sage-coordinator init --no-words --json").json
        assert json.loads((home / "network.json").read_text(encoding="utf-8"))["chain_id"] == found["chain_id"]
        chains.append((found["authority"], found["chain_id"]))
        (home / "network.json").unlink()
    assert chains[0][0] == chains[1][0]
    assert chains[0][1] != chains[1][1]
    assert all(chain.startswith("bitsage-") and len(chain) == 24 for _, chain in chains)


def test_a_damaged_network_file(sh, home: Path) -> None:
    home.mkdir()
    (home / "network.json").write_text('{"chain_id": 1}', encoding="utf-8")
    failed(sh("sage watch --all", code=2), "not_configured")


def test_help_and_version_need_nothing(sh) -> None:
    for program in ("sage", "sage-worker", "sage-validator", "sage-coordinator"):
        assert "Usage" in sh(program).stdout
        assert "Usage" in sh(f"{program} --help").stdout
    assert sh("sage version --json").json["bitsage"]
