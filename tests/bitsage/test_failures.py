"""Every known error becomes one sentence, a code and an exit code."""

import importlib
import inspect
import re
import sqlite3
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bitsage.cli import failures
from bitsage.errors import CODES, InputError
from bitsage.nodes.errors import AnswerTimeout, CommandRefused, NotConfigured
from bitsage.obelysk import JobInputInvalid, UnknownJobType
from bitsage.obelysk.errors import INPUT_REASONS
from bitsage.stark import ProofRefused
from bitsage.stark.errors import REFUSAL_REASONS
from bitsage.streams.errors import BadSettings, BrokerUnreachable, TopicDrift
from bitsage.wallet.errors import WrongPassword

ROOMS = ("wallet", "schemas", "streams", "projections", "privacy", "nodes", "obelysk", "stark", "opencl")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [n for n in failures.EXITS if not n.startswith("cimpl")])
def test_every_class_of_the_table_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    try:
        assert issubclass(getattr(importlib.import_module(module), attribute), BaseException)
    except (ImportError, AttributeError):
        # The native Kafka client names its exception after either of two modules.
        assert name.endswith("KafkaException")


@pytest.mark.parametrize("room", ROOMS)
def test_every_error_of_a_room_is_known(room: str) -> None:
    module = importlib.import_module(f"bitsage.{room}.errors")
    for _, found in inspect.getmembers(module, inspect.isclass):
        if issubclass(found, Exception) and found.__module__ == module.__name__:
            names = {f"{c.__module__}.{c.__qualname__}" for c in found.__mro__}
            assert names & set(failures.EXITS), found


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (InputError("bad_amount", "x"), "bad_amount", 2),
        (CommandRefused("below_minimum", "x"), "below_minimum", 1),
        (AnswerTimeout("x"), "answer_timeout", 3),
        (NotConfigured("x"), "not_configured", 2),
        (BrokerUnreachable("x"), "broker_unreachable", 3),
        (BadSettings("x"), "bad_kafka_settings", 2),
        (TopicDrift("x"), "topic_drift", 1),
        (WrongPassword(), "wrong_password", 2),
        (JobInputInvalid("size"), "input_size", 2),
        (UnknownJobType("x"), "unknown_job_type", 2),
        (ProofRefused("merkle_root"), "merkle_root", 1),
        (FileNotFoundError(2, "No such file", "x"), "file_error", 2),
        (sqlite3.OperationalError("database is locked"), "sqlite_error", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (typer.Abort(), "interrupted", 130),
        (typer.BadParameter("x"), "bad_argument", 2),
    ],
)
def test_codes_and_exit_codes(error: BaseException, code: str, exit_code: int) -> None:
    failure = failures.describe(error)
    assert failure is not None
    assert (failure.code, failure.exit) == (code, exit_code)
    assert "\n" not in failure.message


def test_a_kafka_exception_that_nobody_translated() -> None:
    from confluent_kafka import KafkaError, KafkaException

    failure = failures.describe(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    assert failure is not None
    assert (failure.code, failure.exit) == ("kafka_error", 3)


def test_every_code_that_is_raised_is_in_the_table() -> None:
    raised = set()
    for file in (*ROOT.glob("bitsage/*.py"), *ROOT.glob("bitsage/cli/*.py")):
        raised |= set(re.findall(r'(?:InputError|ConfigError)\(\s*"(\w+)"', file.read_text(encoding="utf-8")))
        raised |= set(re.findall(r'read_line\(\w+, "(\w+)"\)', file.read_text(encoding="utf-8")))
    assert raised == set(CODES)


def app_that(fails: BaseException) -> typer.Typer:
    app = typer.Typer(cls=failures.Commands)

    @app.command()
    def go(as_json: bool = typer.Option(False, "--json")) -> None:
        raise fails

    @app.command()
    def other() -> None:
        pass

    return app


def test_an_unforeseen_error_is_called_a_defect_and_shows_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app_that(ValueError("odd\nthing")), ["go", "--json"])
    assert result.exit_code == 70
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") == 1
    monkeypatch.setenv("SAGE_DEBUG", "1")
    assert isinstance(CliRunner().invoke(app_that(ValueError("odd")), ["go"]).exception, ValueError)


def test_interrupting_ends_with_130() -> None:
    assert CliRunner().invoke(app_that(KeyboardInterrupt()), ["go"]).exit_code == 130


def test_a_control_character_of_somebody_else_does_not_reach_the_terminal() -> None:
    result = CliRunner().invoke(app_that(CommandRefused("malformed", "x\x1b[2Jy")), ["go"])
    assert "\x1b" not in result.output
    assert result.exit_code == 1


#: Code -> exit code of every error class that carries one; docs/errors.md, "Codes of failures".
FAILURES = {
    failures.REFUSED: """
        amount_invalid amount_too_large balance_too_large device_error device_lost device_out_of_memory encoding_invalid
        foreign_file history_lost insufficient_hidden kafka_setup kernel_refused log_mismatch node_error
        not_decryptable positions_moved privacy_error projection_error proof_invalid purse_error query_timeout
        recipient_not_open record_too_large schema_drift schema_error schema_unknown state_divergence
        statement_refused stream_error table_invalid too_large topic_drift
    """,
    failures.BAD_INPUT: """
        address_invalid bad_as_of bad_kafka_settings device_unknown duplicate_job_type job_type_failed key_invalid
        keystore_corrupt keystore_exists keystore_missing message_invalid mnemonic_invalid not_configured
        query_refused unknown_column unknown_job_type unknown_model unknown_table wallet_error wrong_password
    """,
    failures.UNREACHABLE: "answer_timeout broker_unreachable client_lost transaction_aborted validators_unreachable",
}
EXIT_OF = {code: number for number, codes in FAILURES.items() for code in codes.split()}


def errors_with_codes() -> list[type[Exception]]:
    found = []
    for room in ROOMS:
        module = importlib.import_module(f"bitsage.{room}.errors")
        for _, kind in inspect.getmembers(module, inspect.isclass):
            own = issubclass(kind, Exception) and kind.__module__ == module.__name__
            if own and isinstance(getattr(kind, "code", None), str):
                found.append(kind)
    return found


@pytest.mark.parametrize("kind", errors_with_codes())
def test_every_error_class_has_the_exit_code_of_the_table(kind: type[Exception]) -> None:
    # Not called: what counts is the class, and some ask for more than a sentence.
    failure = failures.describe(kind.__new__(kind))
    assert failure is not None
    assert (failure.code, failure.exit) == (kind.code, EXIT_OF[kind.code])  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_bad_input_ends_with_2(code: str) -> None:
    assert failures.describe(InputError(code, "x")) == failures.Failure(code, "x", 2)


@pytest.mark.parametrize("reason", sorted(INPUT_REASONS))
def test_every_reason_of_a_job_input_ends_with_2(reason: str) -> None:
    failure = failures.describe(JobInputInvalid(reason))
    assert failure is not None
    assert (failure.code, failure.exit) == (f"input_{reason}", 2)


@pytest.mark.parametrize("reason", sorted(REFUSAL_REASONS))
def test_every_reason_of_a_refused_proof_ends_with_1(reason: str) -> None:
    failure = failures.describe(ProofRefused(reason))
    assert failure is not None
    assert (failure.code, failure.exit) == (reason, 1)


def test_the_tables_of_the_page_are_those_of_these_tests() -> None:
    made = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").split("\n## ")
    listed = {part.splitlines()[0]: set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)) for part in made}
    assert listed["Codes of failures"] == set(EXIT_OF)
    assert listed["Codes of bad input to a command"] == set(CODES) | {f"input_{reason}" for reason in INPUT_REASONS}
    assert listed["Codes of proofs that are refused"] == set(REFUSAL_REASONS)
