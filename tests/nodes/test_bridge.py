"""The validator bridge over real sockets: limits, idempotence, saturation, signatures, metrics, draining."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import zstandard
from prometheus_client.parser import text_string_to_metric_families
from testnetwork import key, wait

from bitsage.nodes import bridge as bridge_module
from bitsage.nodes.bridge import REFUSALS, BridgeLimits, bridge_app
from bitsage.nodes.bridge_server import BridgeServer
from bitsage.nodes.jobwork import binding, prove_request
from bitsage.nodes.network import Network, write_network
from bitsage.nodes.verdicts import (
    IDEMPOTENCY_KEY,
    STATEMENT_BYTES,
    Statement,
    read_verdict,
    sign_verdict,
    statement_limit,
)
from bitsage.obelysk import get_job_type
from bitsage.privacy import payment_public_key
from bitsage.schemas.commands import COMMANDS
from bitsage.schemas.parameters import Parameters
from bitsage.streams.seal import seal_key
from bitsage.wallet import save_keystore

PARAMETERS = Parameters()
VALIDATOR, WORKER, JOB = key(1), b"\x11" * 32, b"\x22" * 16
CHAIN = "bridge-test"


@pytest.fixture(scope="module")
def proven():
    """A statement that is true, and its packed proof."""
    text = '{"seed":1,"size":16}'
    work = prove_request(get_job_type("matmul"), json.loads(text), binding(JOB, 1, WORKER), "", None, "numpy")
    statement = Statement(
        job_id=JOB.hex(),
        attempt=1,
        worker="0x" + WORKER.hex(),
        job_type="matmul",
        input=text,
        output_hash=work.output_hash.hex(),
        proof_hash=work.proof_hash.hex(),
    )
    return statement, work.proof


@contextmanager
def serving(limits=None, signer=VALIDATOR):
    server = BridgeServer(bridge_app(signer, CHAIN, PARAMETERS, limits), port=0)
    server.bind()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        wait(lambda: healthy(url))
        yield url
    finally:
        server.stop.set()
        thread.join(30)
        assert not thread.is_alive()


def healthy(url):
    try:
        return httpx.get(url + "/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def url():
    with serving() as found:
        yield found


def ask(url, statement, proof, name=None, **headers):
    head = statement if isinstance(statement, bytes) else statement.encode()
    told = {STATEMENT_BYTES: str(len(head))} | ({} if name is None else {IDEMPOTENCY_KEY: name}) | headers
    return httpx.post(url + "/validate", content=head + proof, headers=told, timeout=60)


def code(answer):
    return answer.json()["error"]["code"]


def test_a_true_proof_is_valid_and_the_verdict_is_signed(url, proven) -> None:
    answer = ask(url, *proven)
    assert answer.status_code == 200
    verdict = read_verdict(answer.content, CHAIN)
    assert verdict is not None
    assert (verdict.valid, verdict.reason, verdict.proof_hash) == (True, "valid", proven[0].proof_hash)
    assert verdict.answers(proven[0])
    assert verdict.validator == "0x" + VALIDATOR.address.hex()


def test_a_verdict_that_was_touched_or_is_of_another_network_is_none(proven) -> None:
    verdict = sign_verdict(VALIDATOR, CHAIN, proven[0], False, "no", 5)
    document = verdict.as_dict()
    assert read_verdict(json.dumps(document).encode(), CHAIN) == verdict
    assert read_verdict(json.dumps(document).encode(), "another") is None
    other = key(2)
    changes = [
        {"valid": True},
        {"reason": "yes"},
        {"at": 6},
        {"attempt": 2},
        {"job_id": "33" * 16},
        {"input_hash": "00" * 32},
        {"output_hash": "00" * 32},
        {"proof_hash": "00" * 32},
        {"worker": "0x" + "00" * 32},
        {"job_type": "vm"},
        {"chain_id": "another"},
        {"validator": "0x" + other.address.hex()},
        {"public_key": "0x" + other.public_key.hex()},
        {"validator": "0x" + other.address.hex(), "public_key": "0x" + other.public_key.hex()},
        {"signature": "00" * 64},
        {"signature": "ff" * 64},
        {"more": 1},
        {"at": "5"},
    ]
    for change in changes:
        assert read_verdict(json.dumps(document | change).encode(), CHAIN) is None, change
    for garbage in (b"", b"{}", b"[]", b"\xff", b"[" * 100_000):
        assert read_verdict(garbage, CHAIN) is None


def test_no_command_has_the_type_that_verdicts_are_signed_under() -> None:
    assert all(" " not in name for name in COMMANDS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"output_hash": "00" * 32}, "output_mismatch"),
        ({"proof_hash": "00" * 32}, "proof_hash_mismatch"),
        ({"input": '{"seed":1,"size":15}'}, "job_input_invalid"),
        ({"input": "no json"}, "job_input_invalid"),
        ({"worker": "0x" + "00" * 32}, None),
        ({"attempt": 2}, None),
    ],
)
def test_what_the_proof_does_not_show_is_invalid_with_a_reason(url, proven, change, reason) -> None:
    answer = ask(url, proven[0].model_copy(update=change), proven[1]).json()
    assert answer["valid"] is False
    assert reason in (None, answer["reason"])


def test_a_bomb_is_unpacked_no_further_than_a_proof_may_be(url, proven) -> None:
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(PARAMETERS.proof_max_uncompressed * 50))
    assert len(bomb) < PARAMETERS.proof_max_bytes
    assert ask(url, proven[0], bomb).json()["reason"] == "too_large_unpacked"
    assert ask(url, proven[0], b"").json()["reason"] == "proof_empty"
    assert ask(url, proven[0], b"no frame").json()["reason"] == "not_zstd"


@pytest.mark.parametrize(
    "statement",
    [b"{", b"{}", b"[]", b"\xff\xfe", b'{"job_id":"\\ud800"}', b"[" * 50_000],
)
def test_a_statement_that_is_none(url, statement) -> None:
    answer = ask(url, statement, b"proof")
    assert (answer.status_code, code(answer)) == (400, "statement_invalid")


def test_a_statement_with_other_fields_or_values(url, proven) -> None:
    fields = json.loads(proven[0].encode())
    for change in (
        {"more": 1},
        {"attempt": 0},
        {"attempt": "1"},
        {"worker": "0x"},
        {"job_id": "zz" * 16},
        {"job_type": ""},
    ):
        assert code(ask(url, json.dumps(fields | change).encode(), b"")) == "statement_invalid", change


@pytest.mark.parametrize("length", ["", "0", "-1", "x", "1.5", "1" * 10, "\u0663"])
def test_a_length_of_the_statement_that_is_none(url, length) -> None:
    answer = httpx.post(url + "/validate", content=b"body", headers=[(STATEMENT_BYTES.encode(), length.encode())])
    assert (answer.status_code, code(answer)) == (400, "statement_length")


def test_bodies_that_are_too_large_by_their_own_word_or_in_chunks(url, proven) -> None:
    head, too_much = proven[0].encode(), bytes(PARAMETERS.proof_max_bytes + 1)
    assert ask(url, head, too_much).status_code == 413

    def chunks():
        yield head
        for _ in range(PARAMETERS.proof_max_bytes // 65_536 + 8):
            yield bytes(65_536)

    answer = httpx.post(url + "/validate", content=chunks(), headers={STATEMENT_BYTES: str(len(head))}, timeout=60)
    assert (answer.status_code, code(answer)) == (413, "body_too_large")
    told = {STATEMENT_BYTES: str(statement_limit(PARAMETERS) + 1)}
    assert httpx.post(url + "/validate", content=b"{", headers=told).status_code == 413


def test_an_endless_upload_is_cut_off(url, proven) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = proven[0].encode()
    sent = 0
    with socket.create_connection((host, int(port)), 30) as raw:
        raw.sendall(
            f"POST /validate HTTP/1.1\r\nHost: x\r\n{STATEMENT_BYTES}: {len(head)}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        block = b"10000\r\n" + bytes(65_536) + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < 1 << 28:
                raw.sendall(block)
                sent += 65_536
    assert sent < 1 << 26


def test_a_chunked_body_is_as_good_as_a_whole_one(url, proven) -> None:
    head, proof = proven[0].encode(), proven[1]

    def chunks():
        for at in range(0, len(head + proof), 1000):
            yield (head + proof)[at : at + 1000]

    answer = httpx.post(url + "/validate", content=chunks(), headers={STATEMENT_BYTES: str(len(head))}, timeout=60)
    assert answer.json()["valid"] is True


def test_an_encoded_body_and_a_bad_key_are_refused(url, proven) -> None:
    assert code(ask(url, *proven, **{"Content-Encoding": "gzip"})) == "encoding_unsupported"
    for name in ("", "k" * 129, "\x7f"):
        assert code(ask(url, *proven, name=name)) == "key_invalid"


def test_a_body_that_ends_early_or_never_comes() -> None:
    with serving(BridgeLimits(body_timeout_s=0.3)) as url:
        answer = httpx.post(url + "/validate", content=b"{}", headers={STATEMENT_BYTES: "99"})
        assert (answer.status_code, code(answer)) == (400, "body_incomplete")
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 30) as raw:
            raw.sendall(
                f"POST /validate HTTP/1.1\r\nHost: x\r\n{STATEMENT_BYTES}: 9\r\nContent-Length: 9\r\n\r\n{{".encode()
            )
            assert raw.recv(4096).startswith(b"HTTP/1.1 408")


def test_the_same_key_gives_the_same_answer_and_no_other(url, proven) -> None:
    first, again = ask(url, *proven, name="once"), ask(url, *proven, name="once")
    assert (first.content, again.headers["idempotent-replayed"]) == (again.content, "true")
    assert "idempotent-replayed" not in first.headers
    other = ask(url, proven[0].model_copy(update={"attempt": 2}), proven[1], name="once")
    assert (other.status_code, code(other)) == (422, "key_reused")


def test_the_cache_of_answers_is_bounded(proven) -> None:
    with serving(BridgeLimits(cache=1)) as url:
        first = ask(url, *proven, name="a").json()
        ask(url, *proven, name="b")
        assert "idempotent-replayed" not in ask(url, *proven, name="a").headers
        assert first["valid"] is True


@pytest.fixture
def gate(monkeypatch):
    """Verifications wait until it is opened: a stand-in for proofs that take long."""
    opened, began = threading.Event(), []

    def examine(*arguments):
        began.append(arguments)
        assert opened.wait(60)
        return True, "valid"

    monkeypatch.setattr(bridge_module, "examine", examine)
    opened.began = began
    yield opened
    opened.set()


def test_a_saturated_validator_says_so_and_the_same_question_waits_with_the_first(gate, proven) -> None:
    with serving(BridgeLimits(workers=1)) as url:
        answers = []
        askers = [threading.Thread(target=lambda: answers.append(ask(url, *proven, name="k"))) for _ in range(3)]
        for asker in askers:
            asker.start()
        wait(lambda: httpx.get(url + "/healthz").json()["verifying"] == 1)
        busy = ask(url, *proven, name="another")
        assert (busy.status_code, code(busy), busy.headers["retry-after"]) == (503, "saturated", "1")
        gate.set()
        for asker in askers:
            asker.join(30)
        assert len({answer.content for answer in answers}) == 1
        assert len(gate.began) == 1
        assert ask(url, *proven, name="another").status_code == 200, "a refusal is not remembered"
        assert httpx.get(url + "/healthz").json()["verifying"] == 0


def test_a_verification_that_takes_too_long_keeps_its_place_and_its_answer(gate, proven) -> None:
    with serving(BridgeLimits(workers=1, verify_timeout_s=0.2)) as url:
        late = ask(url, *proven, name="k")
        assert (late.status_code, code(late)) == (504, "verify_timeout")
        assert code(ask(url, *proven, name="other")) == "saturated"
        gate.set()
        wait(lambda: httpx.get(url + "/healthz").json()["verifying"] == 0)
        assert ask(url, *proven, name="k").json()["valid"] is True
        assert len(gate.began) == 1


def test_what_cannot_be_judged_gets_no_verdict(url, proven, monkeypatch) -> None:
    answer = ask(url, proven[0].model_copy(update={"job_type": "unknown"}), proven[1], name="u")
    assert (answer.status_code, code(answer)) == (500, "undecided")
    monkeypatch.setattr(bridge_module, "examine", lambda *arguments: 1 // 0)
    assert code(ask(url, *proven, name="u2")) == "undecided"
    monkeypatch.undo()
    assert ask(url, *proven, name="u2").status_code == 200


def test_metrics_are_in_the_format_of_prometheus(url, proven) -> None:
    ask(url, *proven)
    ask(url, b"{", b"")
    families = {f.name: f for f in text_string_to_metric_families(httpx.get(url + "/metrics").text)}
    counted = {
        s.labels["outcome"]: s.value for s in families["bitsage_bridge_requests"].samples if s.name.endswith("total")
    }
    assert counted["valid"] >= 1
    assert counted["statement_invalid"] >= 1
    assert families["bitsage_bridge_verify_seconds"].type == "histogram"
    assert "bitsage_bridge_verifying" in families


def test_nothing_else_is_answered(url) -> None:
    assert httpx.get(url + "/validate").status_code == 405
    assert httpx.get(url + "/docs").status_code == 404
    health = httpx.get(url + "/healthz").json()
    assert (health["status"], health["chain_id"]) == ("ok", CHAIN)


def test_every_refusal_is_on_the_page() -> None:
    text = (Path(__file__).parents[2] / "docs" / "bridge.md").read_text(encoding="utf-8")
    for name, (status, sentence) in REFUSALS.items():
        assert f"| `{name}` | {status} | {sentence} |" in text


# ---- the process ----


def test_sigterm_answers_what_was_accepted_and_leaves(tmp_path, proven) -> None:
    authority = key(0)
    network = Network(
        chain_id=CHAIN,
        authority="0x" + authority.address.hex(),
        authority_key="0x" + authority.public_key.hex(),
        seal_key=seal_key(authority.seal_secret).hex(),
        escrow_key=payment_public_key(authority.payment_secret).hex(),
        parameters=PARAMETERS,
    )
    write_network(tmp_path / "network.json", network)
    (tmp_path / "keystores").mkdir()
    save_keystore(tmp_path / "keystores" / "validator.json", VALIDATOR, "secret")
    process = subprocess.Popen(
        [sys.executable, "-m", "bitsage.cli.validator", "serve", "--port", "0"],
        env=os.environ | {"SAGE_HOME": str(tmp_path), "SAGE_PASSWORD": "secret"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        wait(lambda: healthy(f"http://127.0.0.1:{port}"))
        head, proof = proven[0].encode(), proven[1]
        with socket.create_connection(("127.0.0.1", port), 60) as raw:
            raw.sendall(
                f"POST /validate HTTP/1.1\r\nHost: x\r\n{STATEMENT_BYTES}: {len(head)}\r\n"
                f"Content-Length: {len(head + proof)}\r\nExpect: 100-continue\r\n\r\n".encode()
            )
            # The request has been taken in once the server asks for its body.
            assert raw.recv(4096).startswith(b"HTTP/1.1 100")
            process.send_signal(signal.SIGTERM)
            wait(lambda: not healthy(f"http://127.0.0.1:{port}"))
            assert process.poll() is None
            raw.sendall(head + proof)
            said = b""
            while data := raw.recv(65_536):
                said += data
        assert said.startswith(b"HTTP/1.1 200")
        assert b'"valid":true' in said
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stdout.close()
