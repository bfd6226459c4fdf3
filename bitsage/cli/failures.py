"""One place that turns every known error into one sentence, a code and an exit code.

Exit codes: 0 done, 1 refused by the network's rules (or an audit, proof or check that does not hold), 2 bad input,
3 the broker or the coordinator does not answer, 70 a defect of this program, 130 interrupted.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from bitsage.errors import BitsageError

from . import flags

OK, REFUSED, BAD_INPUT, UNREACHABLE, DEFECT, INTERRUPTED = 0, 1, 2, 3, 70, 130
#: The end of every program's help.
EXIT_CODES = (
    "Exit codes: 0 done, 1 refused by the network's rules or a check that does not hold, 2 bad input, "
    "3 the broker or the coordinator does not answer, 70 a defect, 130 interrupted (docs/errors.md)."
)

#: Error class -> exit code; a subclass counts as its nearest named ancestor. Named by text, so that a command need
#: not load every room to fail; a test looks each of them up.
EXITS: dict[str, int] = {
    "bitsage.errors.BitsageError": BAD_INPUT,
    "bitsage.wallet.errors.WalletError": BAD_INPUT,
    "bitsage.schemas.errors.SchemaError": REFUSED,
    "bitsage.streams.errors.StreamError": REFUSED,
    "bitsage.streams.errors.BadSettings": BAD_INPUT,
    "bitsage.streams.errors.BrokerUnreachable": UNREACHABLE,
    "bitsage.streams.errors.ClientLost": UNREACHABLE,
    "bitsage.streams.errors.TransactionAborted": UNREACHABLE,
    "bitsage.nodes.errors.NodeError": REFUSED,
    "bitsage.nodes.errors.NotConfigured": BAD_INPUT,
    "bitsage.nodes.errors.AnswerTimeout": UNREACHABLE,
    "bitsage.nodes.errors.ValidatorsUnreachable": UNREACHABLE,
    "bitsage.projections.errors.ProjectionError": REFUSED,
    "bitsage.projections.errors.UnknownModel": BAD_INPUT,
    "bitsage.projections.errors.UnknownTable": BAD_INPUT,
    "bitsage.projections.errors.UnknownColumn": BAD_INPUT,
    "bitsage.projections.errors.BadAsOf": BAD_INPUT,
    "bitsage.projections.errors.QueryRefused": BAD_INPUT,
    "bitsage.obelysk.errors.ObelyskError": BAD_INPUT,
    "bitsage.obelysk.errors.ProofTooLarge": REFUSED,
    "bitsage.stark.errors.StarkError": REFUSED,
    "bitsage.stark.errors.ProofUnreadable": BAD_INPUT,
    "bitsage.opencl.errors.DeviceError": REFUSED,
    "bitsage.opencl.errors.DeviceUnknown": BAD_INPUT,
    "bitsage.privacy.errors.PrivacyError": REFUSED,
    "confluent_kafka.error.KafkaException": UNREACHABLE,
    "cimpl.KafkaException": UNREACHABLE,
    "sqlite3.Error": REFUSED,
    "builtins.OSError": BAD_INPUT,
}
_CODES = {
    "cimpl.KafkaException": "kafka_error",
    "confluent_kafka.error.KafkaException": "kafka_error",
    "sqlite3.Error": "sqlite_error",
    "builtins.OSError": "file_error",
    "bitsage.obelysk.errors.ObelyskError": "unknown_job_type",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What a person and a program are told."""

    code: str
    message: str
    exit: int


def describe(error: BaseException) -> Failure | None:
    """The failure that a known error stands for; None for one that nobody foresaw."""
    if isinstance(error, KeyboardInterrupt | typer.Abort | EOFError):
        return Failure("interrupted", "interrupted", INTERRUPTED)
    if isinstance(error, TyperException):
        return Failure("bad_argument", _argument(error), BAD_INPUT)
    for ancestor in type(error).__mro__:
        name = f"{ancestor.__module__}.{ancestor.__qualname__}"
        if name in EXITS:
            return Failure(_code(error, name), _one_line(_text(error)), EXITS[name])
    return None


def _code(error: BaseException, name: str) -> str:
    reason = getattr(error, "reason", None)
    if isinstance(reason, str) and not isinstance(error, BitsageError) and not hasattr(error, "code"):
        return f"input_{reason}" if name.startswith("bitsage.obelysk") else reason
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else _CODES.get(name, "failed")


def _text(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    if error.args and hasattr(error.args[0], "str"):
        return f"Kafka: {error.args[0].str()}"
    return str(error) or type(error).__name__


def _argument(error: TyperException) -> str:
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context is not None else ""
    return _one_line(text).rstrip(".") + hint


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


def report(failure: Failure, *, as_json: bool) -> None:
    """Say it: a sentence on standard error, and with --json a document on standard output."""
    if as_json:
        print(json.dumps({"error": {"code": failure.code, "message": failure.message}}), flush=True)
    print(f"error: {failure.message} [{failure.code}]", file=sys.stderr, flush=True)


def debugging() -> bool:
    """Whether tracebacks are wanted: SAGE_DEBUG=1."""
    return os.environ.get("SAGE_DEBUG", "") not in ("", "0")


class Commands(TyperGroup):
    """The root of a command line: a Typer group whose errors end in `report`."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and leave with an exit code; never a traceback unless SAGE_DEBUG is set."""
        words = list(sys.argv[1:] if args is None else args)
        if not words:
            words = ["--help"]
        if not standalone_mode:
            with flags.fresh():
                return super().main(words, prog_name, complete_var, False, windows_expand_args, **extra)
        try:
            with flags.fresh():
                result = super().main(words, prog_name, complete_var, False, windows_expand_args, **extra)
        except BrokenPipeError:
            _close_stdout()
            sys.exit(REFUSED)
        except TyperException as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                # Its text is the help of a group that was called without a command.
                print(error, file=sys.stderr)
                sys.exit(BAD_INPUT)
            sys.exit(_fail(error, as_json="--json" in words))
        # Whatever escapes here would be a traceback in front of a person.
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
            sys.exit(_fail(error, as_json="--json" in words))
        sys.exit(result if isinstance(result, int) else OK)


def _fail(error: BaseException, *, as_json: bool) -> int:
    if debugging():
        raise error
    failure = describe(error)
    if failure is None:
        text = f"{type(error).__name__}: {error}; this is a defect, SAGE_DEBUG=1 shows where"
        failure = Failure("defect", _one_line(text), DEFECT)
    report(failure, as_json=as_json)
    return failure.exit


def _close_stdout() -> None:
    # Python would complain about the closed pipe once more while it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
