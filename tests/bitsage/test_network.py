"""The commands against a whole network over the stand-in log: what they say when all goes well, and when it does not."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from forgery import records
from testnetwork import TestNetwork, wait

from bitsage.cli import jobs
from bitsage.nodes.jobwork import job_input
from bitsage.obelysk.inference import default_model
from bitsage.schemas.parameters import SAGE


def first(ran) -> str:
    return str(ran.json["events"][0]["event"])


def refused(sh, line: str, reason: str, exit_code: int = 1) -> None:
    assert sh(line, "--json", code=exit_code).json["error"]["code"] == reason


def test_from_wallet_to_registration(sh, home: Path, network: TestNetwork) -> None:
    assert first(sh("sage-worker create-wallet --json --no-words")) == "WalletCreated"
    refused(sh, "sage-worker announce", "wallet_exists")
    assert first(sh("sage-worker request-tokens --json")) == "TokensGranted"
    refused(sh, "sage-worker request-tokens", "faucet_cooldown")
    refused(sh, "sage-worker stake --amount 999 --gpu-tier T4", "below_minimum")
    refused(sh, "sage-worker stake --amount 0 --gpu-tier T4", "amount_out_of_range")
    refused(sh, "sage-worker stake --amount 21000 --gpu-tier T4", "insufficient_balance")
    refused(sh, "sage-worker register", "stake_insufficient")
    assert "[not_registered]" in sh("sage-worker start", code=2).stderr
    assert first(sh("sage-worker stake --amount 1000.5 --gpu-tier T4 --json")) == "Staked"
    refused(sh, "sage-worker register --slots 5", "slots_out_of_range")
    ran = sh("sage-worker register --json")
    # It counts as online from here on; who does not start it would wonder why it is slashed.
    assert "silent for 2 s" in ran.stderr
    assert "sage-worker start" in ran.stderr
    registered = ran.json["events"][0]
    assert (registered["body"]["tier"], registered["body"]["gpu_model"]) == ("consumer", "T4")
    assert registered["topic"] == "bitsage.workers"
    refused(sh, "sage-validator register --name worker", "already_worker")
    refused(sh, "sage-worker unstake --amount 2000", "unstake_too_much")
    refused(sh, "sage-worker withdraw-stake", "nothing_to_withdraw")
    assert first(sh("sage-worker unstake --amount 0.5 --json")) == "UnstakeRequested"
    refused(sh, "sage-worker withdraw-stake", "stake_locked")
    status = sh("sage-worker status --json").json
    assert (status["registered"], status["stake"], status["jobs"]) == (True, str(1000 * SAGE), [])
    balance = sh("sage-worker balance --json").json
    assert (balance["balance"], balance["unstaking"]) == (str(18_999 * SAGE + SAGE // 2), str(SAGE // 2))
    shown = sh(f"sage account show {balance['account']} --json").json
    assert shown == balance | {"available": None, "pending": None}
    assert "18999.5 SAGE" in sh("sage-worker balance").stdout
    assert first(sh("sage-worker depart --json")) == "WorkerDeparted"
    refused(sh, "sage-worker depart", "not_registered")


def test_a_wallet_made_offline_is_announced_later(sh, network: TestNetwork) -> None:
    sh("sage-worker create-wallet --offline --no-words")
    refused(sh, "sage-worker request-tokens", "no_wallet")
    assert first(sh("sage-worker announce --json")) == "WalletCreated"


def test_a_validator_joins_and_leaves(sh, network: TestNetwork) -> None:
    sh("sage-validator create-wallet --no-words")
    sh("sage-validator request-tokens")
    refused(sh, "sage-validator stake --amount 9999", "below_minimum")
    assert "[not_registered]" in sh("sage-validator start", code=2).stderr
    sh("sage-validator stake")
    assert first(sh("sage-validator register --json")) == "ValidatorRegistered"
    refused(sh, "sage-validator register", "already_registered")
    status = sh("sage-validator status --json").json
    assert (status["registered"], status["stake"], status["votes"]) == (True, str(10_000 * SAGE), 0)
    assert "registered" in sh("sage-validator status").stdout
    sh("sage-validator depart")
    assert sh("sage-validator status --json").json["registered"] is False


def test_a_job_from_submission_to_claim_and_audit(sh, network: TestNetwork) -> None:
    for n in range(1, 5):
        network.validator(n)
    for line in ("create-wallet --no-words", "request-tokens", "stake --amount 1000 --gpu-tier T4", "register"):
        sh(f"sage-worker {line}")
    start_worker(network)
    ran = sh("sage-coordinator submit-job --type matmul --size 16 --seed 1 --wait --timeout 60 --json --no-words")
    assert ran.json["outcome"] == "completed"
    assert "made the wallet client" in ran.stderr
    assert "TokensGranted" in ran.stderr
    job = ran.json["job_id"]
    names = [event["event"] for event in ran.json["events"]]
    assert names.index("EscrowLocked") < names.index("ProofGenerated") < names.index("PaymentEncrypted")
    checked = sh(f"sage-coordinator verify-proof {job} --json").json
    assert (checked["valid"], checked["proofs"][0]["decision"]) == (True, "approved")
    assert "valid, verified in" in sh(f"sage-coordinator verify-proof {job}").stdout
    assert sh(f"sage-coordinator wait-job {job} --json").json["outcome"] == "completed"
    refused(sh, f"sage-coordinator cancel-job {job}", "job_over")
    pays(sh, job)
    refused(sh, f"sage-worker claim {job}", "already_claimed")
    refused(sh, f"sage-worker claim {'0' * 32}", "no_payment")
    assert "no payment waits" in sh("sage-worker claim-payments").stdout
    watched = sh(f"sage watch {job}").stdout
    assert re.search(r"PaymentEncrypted\s+bitsage.accounts\[\d\]@\d+\s+worker=0x\w+.. payment=<\d+ bytes>", watched)
    assert "PriceShared" in watched
    assert "SAGE" not in watched, "no amount of the job is printed from the log"
    assert [row["state"] for row in sh("sage-coordinator list-jobs --state paid --json").json] == ["paid"]
    assert sh(f"sage-coordinator show-job {job} --json").json["client"].startswith("0x")
    shown = sh(f"sage-coordinator show-job {job}").stdout
    assert re.search(r"^max cost +0 SAGE", shown, re.MULTILINE), "a sealed offer has no public cost"
    assert re.search(r"^price +[0-9a-f]{50}", shown, re.MULTILINE)
    assert re.search(r"^paid at +20\d\d-\d\d-\d\dT[\d:.]+Z", shown, re.MULTILINE)
    assert job in sh("sage-coordinator list-jobs").stdout
    verdict = sh("sage audit verify --json").json
    assert verdict["holds"], verdict
    assert "the log holds" in sh("sage audit verify --no-proofs").stdout


def pays(sh, job: str) -> None:
    """The worker reads what the log hides, keeps it private first, then withdraws in two parts."""
    worker = "sage-worker balance --json"
    assert wait(lambda: sh(worker).json["pending_count"]) == 1
    read = sh(worker).json
    assert (read["balance"], read["available"], read["pending"]) == (str(19_000 * SAGE), "0", str(8 * SAGE))
    assert "hidden, pending" in sh("sage-worker balance").stdout
    shown = {
        name: sh(f"sage payment show {job} --name {name} --json").json for name in ("client", "worker", "coordinator")
    }
    assert {facts["price"] for facts in shown.values()} == {str(10 * SAGE)}
    assert [facts["paid"] for facts in shown.values()] == [None, str(8 * SAGE), str(8 * SAGE)]
    assert "10 SAGE" in sh(f"sage payment show {job}").stdout
    refused(sh, f"sage payment show {'0' * 32}", "unknown_job", 2)
    refused(sh, "sage-worker claim --keep-private --amount 1", "bad_argument", 2)
    kept = sh("sage-worker claim --keep-private --json").json
    assert (kept["total"], kept["withdrawn"], kept["claimed"]) == (
        str(8 * SAGE),
        "0",
        [{"job_id": job, "amount": str(8 * SAGE)}],
    )
    refused(sh, "sage-worker claim --amount 9", "insufficient_hidden")
    refused(sh, "sage-worker claim --amount 0.0000001", "not_in_units")
    assert "withdrew 3 SAGE" in sh("sage-worker claim --amount 3").stdout
    assert sh("sage withdraw --name worker --json").json["withdrawn"] == str(5 * SAGE)
    refused(sh, "sage withdraw --name worker", "nothing_available", 2)
    read = sh(worker).json
    assert (read["balance"], read["available"], read["pending"]) == (str(19_008 * SAGE), "0", "0")


def test_hidden_amounts_are_moved_and_read(sh, home: Path, network: TestNetwork, monkeypatch) -> None:
    for name in ("client", "other", "poor"):
        sh(f"sage-coordinator create-client --name {name} --no-words")
    refused(sh, "sage transfer other --amount 1", "recipient_not_open")
    refused(sh, "sage deposit --amount 0.0000001", "not_in_units")
    refused(sh, "sage deposit --amount -1", "bad_amount", 2)
    names = [event["event"] for event in sh("sage deposit --amount 0.5 --name other --json").json["events"]]
    assert names == ["PrivateAccountOpened", "Deposited"]
    refused(sh, "sage transfer other --amount 1", "insufficient_hidden")
    sh("sage deposit --amount 20")
    refused(sh, "sage transfer poor --amount 1", "recipient_not_open")
    refused(sh, "sage transfer other --amount 21", "insufficient_hidden")
    assert first(sh("sage transfer other --amount 1.25 --json")) == "TransferSent"
    wait(lambda: sh("sage-coordinator balance --name other --json").json["pending"] == str(SAGE * 5 // 4))
    found = sh("sage audit amounts --json", "--key", home / "keystores" / "other.json").json
    assert [(row["event"], row["amount"]) for row in found] == [("TransferSent", str(SAGE * 5 // 4))]
    assert sh("sage audit amounts --json", "--key", home / "keystores" / "poor.json").json == []
    assert "1.25 SAGE" in sh("sage audit amounts", "--key", home / "keystores" / "client.json").stdout
    assert (
        sh("sage audit amounts --json", "--key", home / "nobody.json", code=2).json["error"]["code"]
        == "keystore_missing"
    )
    key = sh("sage payment key --name other --json").json
    assert key["payment_key"] == sh("sage-coordinator balance --name other --json").json["payment_key"]
    assert key["payment_key"] in sh("sage payment key --name other").stdout.replace("\n", "")
    # Without a password nothing is asked for and nothing decrypted.
    monkeypatch.delenv("SAGE_PASSWORD")
    read = sh("sage-coordinator balance --name other --json").json
    assert (read["available"], read["pending"], len(read["pending_ciphertext"])) == (None, None, 256)
    assert "encrypted, " in sh("sage-coordinator balance --name other").stdout


def start_worker(network: TestNetwork) -> None:
    """Run the worker of the home folder's keystore, as `sage-worker start` does, in a thread."""
    from bitsage.cli.context import load_key
    from bitsage.nodes.client import Client
    from bitsage.nodes.worker import WorkerNode

    network.run(WorkerNode(Client(network.log, network.network, load_key("worker")), network.folder / "w"))


def test_inference_and_any_input_are_submitted(sh, network: TestNetwork) -> None:
    submit = "sage-coordinator submit-job --type inference --no-words --json --max-cost 1"
    images = np.zeros((2, 8, 8), dtype=np.uint8)
    np.save("images.npy", images)
    Path("input.json").write_text(job_input({"model": default_model().hash.hex(), "images": npy_bytes(images)}))
    for option in ("--images digits:0-3", "--images images.npy", "--input input.json --open"):
        locked = sh(f"{submit} {option}").json["events"][0]
        assert (locked["event"], locked["body"]["amount"]) == ("EscrowLocked", str(SAGE) if "open" in option else "0")
    rows = wait(lambda: rows if len(rows := sh("sage-coordinator list-jobs --json").json) == 3 else None)
    assert {row["job_type"] for row in rows} == {"inference"}


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


P = 2**31 - 1
SQUARE = np.ones((4, 4), dtype=np.int64)
UNFIT: list[tuple[np.ndarray, np.ndarray, str]] = [
    (np.ones((4, 5), dtype=np.int64), SQUARE, "input_matrix_shape"),
    (np.ones((1, 2049), dtype=np.int32), np.ones((2049, 1), dtype=np.int32), "input_matrix_shape"),
    (SQUARE, np.ones((4, 0), dtype=np.int64), "input_matrix_shape"),
    (SQUARE, np.ones(4, dtype=np.int64), "input_matrix_format"),
    (SQUARE, np.ones((4, 4)), "input_matrix_format"),
    (-SQUARE, SQUARE, "input_matrix_range"),
    (SQUARE, np.full((4, 4), P), "input_matrix_range"),
    (SQUARE, np.full((4, 4), 2**63, dtype=np.uint64), "input_matrix_range"),
]


def test_matrices_that_do_not_fit_are_never_sent(sh, home: Path, network: TestNetwork) -> None:
    def sent() -> int:
        return len(records(network.log, "commands"))

    line = "sage-coordinator submit-job --type matmul --a a.npy --b b.npy --no-words"
    before, keystores = sent(), sorted((home / "keystores").iterdir())
    for a, b, code in UNFIT:
        np.save("a.npy", a)
        np.save("b.npy", b)
        said = sh(line, code=2).stderr.strip().splitlines()
        assert re.fullmatch(rf"error: .+ \[{code}\]", said[-1]), said
        refused(sh, line, code, 2)
        # Neither the job nor a wallet for it.
        assert (sent(), sorted((home / "keystores").iterdir())) == (before, keystores)
    np.save("a.npy", np.full((4, 4), P - 1))
    np.save("b.npy", SQUARE)
    assert re.search("[0-9a-f]{32}", sh(line).stdout), "the same command with matrices that fit"
    assert sent() > before


def test_refused_jobs(sh, network: TestNetwork, monkeypatch) -> None:
    submit = "sage-coordinator submit-job --type matmul --size 16 --no-words"
    refused(sh, f"{submit} --max-cost 30000", "insufficient_balance")
    refused(sh, f"{submit} --max-cost 0.000001", "not_in_units")
    refused(sh, f"{submit} --max-cost 0", "amount_out_of_range")
    refused(sh, f"{submit} --open --max-cost 30000", "insufficient_balance")
    refused(sh, f"{submit} --open --max-cost 0.000001", "cost_not_divisible")
    refused(sh, f"{submit} --open --max-cost 0", "amount_out_of_range")
    refused(sh, f"{submit} --priority 11", "priority_out_of_range")
    refused(sh, f"{submit} --deadline 2020-01-01T00:00Z", "deadline_passed")
    refused(sh, f"{submit} --deadline 31d", "deadline_too_far")
    # What was deposited for the refused ones stays the client's, once.
    balance = sh("sage-coordinator balance --json").json
    assert (balance["balance"], balance["available"]) == (str(19_980 * SAGE), str(20 * SAGE))
    monkeypatch.setattr(jobs, "_UNKNOWN_S", 0.5)
    refused(sh, f"sage-coordinator wait-job {'0' * 32}", "unknown_job", 2)
    refused(sh, f"sage-coordinator wait-job {'0' * 32} --timeout 1", "unknown_job", 2)
    refused(sh, f"sage watch --no-follow {'0' * 32}", "unknown_job", 2)
    refused(sh, f"sage-coordinator verify-proof {'0' * 32}", "unknown_job", 2)
    refused(sh, f"sage-coordinator show-job {'0' * 32}", "unknown_job", 2)


def test_a_job_that_waits_can_be_cancelled_by_its_client_alone(sh, network: TestNetwork) -> None:
    job = sh("sage-coordinator submit-job --type matmul --size 16 --no-words --json").json["job_id"]
    refused(sh, f"sage-coordinator verify-proof {job}", "no_proof", 2)
    wait(lambda: sh("sage-coordinator list-jobs --json").json)
    refused(sh, f"sage-coordinator wait-job {job} --timeout 0.3", "answer_timeout", 3)
    sh("sage-coordinator create-client --name other --no-words")
    refused(sh, f"sage-coordinator cancel-job {job} --name other", "not_client")
    assert first(sh(f"sage-coordinator cancel-job {job} --json")) == "JobCancelled"
    assert sh(f"sage-coordinator wait-job {job} --json", code=1).json["outcome"] == "cancelled"
    wait(lambda: sh("sage-coordinator balance --json").json["pending"] == str(10 * SAGE))


def test_no_coordinator_answers(sh, network: TestNetwork, monkeypatch) -> None:
    from bitsage.nodes.client import Client

    network.close()
    real = Client.ask_prepared
    monkeypatch.setattr(Client, "ask_prepared", lambda self, prepared, timeout=0.3: real(self, prepared, 0.3))
    ran = sh("sage-worker create-wallet --no-words --json", code=3)
    assert ran.json["error"]["code"] == "answer_timeout"


@pytest.mark.parametrize("form", ["json", "console"])
def test_watch_all_shows_what_was(sh, network: TestNetwork, form: str) -> None:
    sh("sage-worker create-wallet --no-words")
    ran = sh("sage watch --all --no-follow" + (" --json" if form == "json" else ""))
    assert "WalletCreated" in ran.stdout
