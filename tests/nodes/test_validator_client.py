"""The client of validators' bridges: retries, breakers, the order of validators, and whose word it takes."""

import json
import threading
from contextlib import contextmanager

import pytest
from pybreaker import STATE_CLOSED, STATE_OPEN
from scripted_validator import BUSY, CHAIN, GOOD, PROOF, STATEMENT, VALIDATOR, Scripted, asking, said
from testnetwork import key, wait
from typer.testing import CliRunner

from bitsage.cli import coordinator, verdicts
from bitsage.nodes.bridge import bridge_app
from bitsage.nodes.bridge_server import BridgeServer
from bitsage.nodes.errors import StatementRefused, ValidatorsUnreachable
from bitsage.nodes.validator_client import ValidatorClient
from bitsage.nodes.verdicts import IDEMPOTENCY_KEY, digest, sign_verdict, statement_of
from bitsage.schemas.events import JobSpec, JobSubmitted, ProofGenerated
from bitsage.schemas.parameters import Parameters


@pytest.fixture
def ask():
    with asking() as make:
        yield make


def test_the_first_that_answers_is_taken_and_the_key_is_of_the_content(ask) -> None:
    first, second = Scripted(GOOD), Scripted(GOOD)
    client, urls, waits = ask(first, second)
    verdict, by = client.validate(STATEMENT, PROOF)
    assert (verdict.valid, by, waits, second.asked) == (True, urls[0], [], [])
    headers, body = first.asked[0]
    assert body == STATEMENT.encode() + PROOF
    assert headers[IDEMPOTENCY_KEY] == digest(STATEMENT.encode(), PROOF).hex()


def test_a_busy_validator_is_asked_again_not_before_it_said(ask) -> None:
    script = Scripted(BUSY, (500, {}, b""), GOOD)
    client, _, waits = ask(script)
    client.validate(STATEMENT, PROOF)
    assert len(script.asked) == 3
    assert len({headers[IDEMPOTENCY_KEY] for headers, _ in script.asked}) == 1
    assert waits[0] == 3
    assert 0.2 <= waits[1] <= 0.3, "twice the first wait, and jitter"


def test_waits_that_are_asked_for_are_bounded(ask) -> None:
    client, _, waits = ask(Scripted((503, {"Retry-After": "999999"}, b""), (503, {"Retry-After": "soon"}, b""), GOOD))
    client.validate(STATEMENT, PROOF)
    assert waits[0] == 5
    assert waits[1] < 1


def test_a_validator_that_hangs_up_is_asked_again_then_left(ask) -> None:
    broken, good = Scripted(None), Scripted(GOOD)
    client, urls, waits = ask(broken, good)
    assert client.validate(STATEMENT, PROOF)[1] == urls[1]
    assert (len(broken.asked), len(waits)) == (3, 2)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"{}"),
        (200, {}, b"x" * 100_000),
        (200, {}, said(chain="another")),
        (200, {}, said(valid=False)),
        (200, {}, said(STATEMENT.model_copy(update={"attempt": 2}))),
        (200, {}, said(STATEMENT.model_copy(update={"input": "{}"}))),
        (204, {}, b""),
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (422, {}, b""),
        (404, {}, b""),
    ],
)
def test_no_other_answer_counts_and_none_is_asked_for_twice(ask, answer) -> None:
    liar, good = Scripted(answer), Scripted(GOOD)
    client, urls, waits = ask(liar, good)
    assert client.validate(STATEMENT, PROOF)[1] == urls[1]
    assert (len(liar.asked), waits) == (1, [])


def test_a_signed_word_of_somebody_who_was_not_asked(ask) -> None:
    client, _, _ = ask(Scripted(GOOD), validators=["0x" + key(9).address.hex()])
    with pytest.raises(ValidatorsUnreachable, match="who was not asked"):
        client.validate(STATEMENT, PROOF)
    client, _, _ = ask(Scripted(GOOD), validators=["0x" + VALIDATOR.address.hex()])
    assert client.validate(STATEMENT, PROOF)[0].valid


@pytest.mark.parametrize("status", [400, 413, 415])
def test_a_request_that_all_refuse_is_asked_of_each_once_and_opens_no_breaker(ask, status) -> None:
    first, second = Scripted((status, {}, b"")), Scripted((status, {}, b""))
    client, urls, _ = ask(first, second, failures=1)
    for _ in range(2):
        with pytest.raises(StatementRefused):
            client.validate(STATEMENT, PROOF)
    assert (len(first.asked), len(second.asked)) == (2, 2)
    assert [client.breakers[url].current_state for url in urls] == [STATE_CLOSED] * 2


def test_a_refusal_that_one_makes_up_keeps_nobody_from_an_answer(ask) -> None:
    client, urls, _ = ask(Scripted((400, {}, b"")), Scripted(GOOD))
    verdict, url = client.validate(STATEMENT, PROOF)
    assert (verdict.valid, url) == (True, urls[1])


def test_a_refusal_beside_a_failure_leaves_the_matter_open(ask) -> None:
    client, _, _ = ask(Scripted((400, {}, b"")), Scripted((404, {}, b"")))
    with pytest.raises(ValidatorsUnreachable, match=r"status 400.*status 404"):
        client.validate(STATEMENT, PROOF)


def test_a_breaker_opens_lets_one_through_later_and_closes_when_it_answers(ask) -> None:
    script = Scripted((500, {}, b""))
    client, urls, _ = ask(script, attempts=1, failures=2, pause_s=0.2)
    breaker = client.breakers[urls[0]]
    for _ in range(2):
        with pytest.raises(ValidatorsUnreachable, match="status 500"):
            client.validate(STATEMENT, PROOF)
    assert breaker.current_state == STATE_OPEN
    breaker.reset_timeout = 600
    with pytest.raises(ValidatorsUnreachable, match="left out"):
        client.validate(STATEMENT, PROOF)
    assert len(script.asked) == 2, "an open breaker asks nobody"
    breaker.reset_timeout = 0
    with pytest.raises(ValidatorsUnreachable, match="status 500"):
        client.validate(STATEMENT, PROOF)
    assert (len(script.asked), breaker.current_state) == (3, STATE_OPEN), "one was let through, and failed"
    script.answers = [GOOD]
    assert client.validate(STATEMENT, PROOF)[0].valid
    assert breaker.current_state == STATE_CLOSED


def test_with_a_killed_server_the_next_real_one_judges() -> None:
    dead = BridgeServer(bridge_app(VALIDATOR, CHAIN, Parameters()), port=0)
    dead.bind()
    living = BridgeServer(bridge_app(VALIDATOR, CHAIN, Parameters()), port=0)
    living.bind()
    urls = [f"http://127.0.0.1:{server.port}" for server in (dead, living)]
    assert dead._socket is not None
    dead._socket.close()
    thread = threading.Thread(target=living.run)
    thread.start()
    client = ValidatorClient(urls, CHAIN, sleep=lambda seconds: None)
    try:
        verdict, by = wait(lambda: client.validate(STATEMENT, PROOF))
        assert (verdict.valid, verdict.reason, by) == (False, "not_zstd", urls[1])
    finally:
        living.stop.set()
        thread.join(30)


def test_a_url_that_is_none() -> None:
    client = ValidatorClient(["http://[", "ftp://x"], CHAIN, sleep=lambda seconds: None)
    with pytest.raises(ValidatorsUnreachable):
        client.validate(STATEMENT, PROOF)


# ---- the command ----

JOB = JobSubmitted(
    job_id=b"\x22" * 16,
    client=b"c" * 32,
    spec=JobSpec(job_type="matmul", input=STATEMENT.input, max_cost=1, tier="", tee=False, priority=0, deadline=1),
)
MADE = ProofGenerated(
    job_id=b"\x22" * 16, attempt=1, worker=b"\x11" * 32, output_hash=b"\x33" * 32, public_inputs="", proof=PROOF,
    proof_hash=b"\x44" * 32, proof_system="", security_bits=0, backend="", run_ms=0, prove_ms=0,
)  # fmt: skip


def test_a_proof_of_the_log_makes_the_statement() -> None:
    assert statement_of("matmul", STATEMENT.input, MADE) == STATEMENT


@pytest.fixture
def verify(monkeypatch):
    """verify(words, history, code) -> output of `sage-coordinator verify-proof` over a log that holds `history`."""

    class Answered:
        def __init__(self, body):
            self.body, self.topic, self.partition, self.offset = body, "bitsage.proofs", 1, 7

    class Onlooker:
        network = type("N", (), {"chain_id": CHAIN})

        def __init__(self, history):
            self.bodies = history

        def history(self, topics, subject):
            assert subject == "22" * 16
            return [Answered(body) for body in self.bodies]

    def run(*words, history=(JOB, MADE), code=0):
        @contextmanager
        def onlooker():
            yield Onlooker(history)

        monkeypatch.setattr(verdicts, "onlooker", onlooker)
        result = CliRunner().invoke(coordinator.app, ["verify-proof", "22" * 16, *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def test_verify_proof_via_validators(verify) -> None:
    with Scripted(GOOD).serving() as url:
        document = json.loads(verify("--via", f"http://127.0.0.1:1,{url}", "--json").stdout)
        assert document["valid"] is True
        assert (document["verdicts"][0]["url"], document["verdicts"][0]["signature"]) == (
            url,
            json.loads(said())["signature"],
        )
        assert "valid, says 0x" in verify("--via", url).stdout
        verify("--via", url, "--trust", "0x" + key(9).address.hex(), code=3)
        verify("--via", url, "--trust", "nobody", code=2)
        assert "unknown_job" in verify("--via", url, history=(), code=2).output
        assert "no_proof" in verify("--via", url, history=(JOB,), code=2).output
    against = sign_verdict(VALIDATOR, CHAIN, STATEMENT, False, "oods_mismatch", 5)
    with Scripted((200, {}, json.dumps(against.as_dict()).encode())).serving() as url:
        assert "not valid (oods_mismatch)" in verify("--via", url, code=1).output
    with Scripted((413, {}, b"")).serving() as url:
        assert "statement_refused" in verify("--via", url, code=1).output
    assert "bad_argument" in verify("--via", "validator:9440", code=2).output
