"""Events for people and programs, deadlines, and log lines."""

import json

import pytest
import structlog

from bitsage.cli import logs
from bitsage.cli.events import body_document, brief
from bitsage.cli.jobs import deadline_ms
from bitsage.cli.moments import moment
from bitsage.errors import InputError
from bitsage.schemas.events import (
    JobSpec,
    JobSubmitted,
    PaymentDue,
    ProofGenerated,
    TokensGranted,
    ValidatorSetChanged,
    VoteCast,
)
from bitsage.schemas.parameters import SAGE


def test_a_body_as_json() -> None:
    due = PaymentDue(
        job_id=b"\1" * 16,
        worker=b"\2" * 32,
        amount=8 * SAGE,
        payment_key=b"\3" * 33,
        proof_commitment=b"\4" * 32,
        payment_nonce=1,
    )
    document = body_document(due)
    assert document["amount"] == "8000000000000000000"
    assert document["worker"] == "0x" + "02" * 32
    assert document["proof_commitment"] == "04" * 32
    assert json.loads(json.dumps(document)) == document
    assert "amount=8 SAGE" in brief(due)


def test_gas_is_no_sage() -> None:
    assert brief(TokensGranted(amount=20 * SAGE, gas_amount=SAGE)) == "amount=20 SAGE gas_amount=1 gas"


def test_log_lines_about_a_job_subject_name_the_job(lines) -> None:
    logs.set_up("info", "json")
    structlog.get_logger("x").info("time_over", subject="ab" * 16)
    structlog.get_logger("x").info("time_over", subject="0x" + "ab" * 32)
    structlog.get_logger("x").info("refused", subject="ab" * 16, job="of another kind")
    assert [json.loads(line).get("job") for line in lines()] == ["ab" * 16, None, "of another kind"]


def test_a_nested_body_and_a_list_of_accounts() -> None:
    spec = JobSpec(job_type="matmul", input="{}", max_cost=SAGE, tier="", tee=False, priority=0, deadline=0)
    document = body_document(JobSubmitted(job_id=b"\1" * 16, client=b"\2" * 32, spec=spec))
    assert document["spec"]["max_cost"] == str(SAGE)
    changed = ValidatorSetChanged(epoch=1, validators=[b"\5" * 32])
    assert body_document(changed)["validators"] == ["0x" + "05" * 32]
    assert "validators=<1>" in brief(changed)


def test_a_proof_is_shown_by_its_length() -> None:
    values = {"output_hash": b"\3" * 32, "proof_hash": b"\4" * 32, "proof_system": "s", "public_inputs": "{}"}
    numbers = {"attempt": 1, "security_bits": 96, "run_ms": 1, "prove_ms": 2}
    proof = ProofGenerated(
        job_id=b"\1" * 16, worker=b"\2" * 32, proof=bytes(70_000), backend="numpy", **values, **numbers
    )
    assert body_document(proof)["proof"] == {"bytes": 70_000}
    assert "proof=<70000 bytes>" in brief(proof)


def test_what_others_wrote_is_cut_short() -> None:
    vote = VoteCast(
        attempt=1, job_id=b"\1" * 16, proof_hash=b"\2" * 32, validator=b"\3" * 32, valid=False, reason="x" * 1000
    )
    assert len(brief(vote)) < 250


@pytest.mark.parametrize(("ms", "text"), [(0, "1970-01-01T00:00:00.000Z"), (2**62, f"{2**62} ms")])
def test_moments(ms: int, text: str) -> None:
    assert moment(ms) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 91_000),
        ("2h", 7_201_000),
        ("3d", 259_201_000),
        ("1970-01-01T00:01Z", 60_000),
        ("1970-01-02", 86_400_000),
    ],
)
def test_deadlines(text: str, expected: int) -> None:
    assert deadline_ms(text, 1000) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1h", "1w", "1.5h", "2030-13-01"])
def test_what_is_no_deadline(text: str) -> None:
    with pytest.raises(InputError) as caught:
        deadline_ms(text, 0)
    assert caught.value.code == "bad_deadline"


@pytest.fixture
def lines(capsys):
    yield lambda: capsys.readouterr().err.splitlines()
    structlog.reset_defaults()


def test_log_lines_are_json_and_carry_the_job(lines) -> None:
    logs.set_up("info", "json")
    with structlog.contextvars.bound_contextvars(job="ab"):
        structlog.get_logger("x").info("job_started", attempt=1)
        structlog.get_logger("x").debug("quiet")
    (line,) = map(json.loads, lines())
    assert (line["event"], line["job"], line["attempt"], line["level"]) == ("job_started", "ab", 1, "info")


def fail_with(secret: str) -> None:
    raise ValueError(f"odd{len(secret)}")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_in_a_log_holds_no_local_variables(lines, form: str) -> None:
    logs.set_up("info", form)
    try:
        fail_with("".join(("hunter", "2")))
    except ValueError:
        structlog.get_logger("x").exception("failed")
    written = lines()
    assert len(written) == 1 or form == "console"
    assert "odd7" in "".join(written)
    assert "hunter2" not in "".join(written)


def test_the_console_form(lines) -> None:
    logs.set_up("debug", "console")
    structlog.get_logger("x").debug("hello", job="ab")
    (line,) = lines()
    assert "hello" in line
    assert "job=ab" in line
