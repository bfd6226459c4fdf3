"""The reference pages say what the program does."""

import re
import shlex
from pathlib import Path

import pytest

from bitsage.cli import failures, reference
from bitsage.errors import CODES
from bitsage.schemas.reasons import REASONS

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = [
    (" ".join(path), command)
    for name, tree in reference.apps().items()
    for path, command in reference.commands(tree, (name,))
]


@pytest.mark.parametrize("name", ["cli.md", "configuration.md", "errors.md"])
def test_the_page_is_what_the_program_writes(name: str) -> None:
    written = reference.pages(DOCS)[name]
    assert (DOCS / name).read_text(encoding="utf-8") == written, "run python -m bitsage.cli.reference"


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_explains_itself_and_its_options(name: str, command: object) -> None:
    text = reference._text(command)
    assert text, name
    for parameter in command.params:
        assert getattr(parameter, "help", None), (name, parameter.name)


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_has_an_example_of_itself_and_json(name: str, command: object) -> None:
    _, examples = reference._split_examples(reference._text(command), command.epilog)
    assert examples, name
    assert all(example.startswith(name) for example in examples)
    # A process that runs until it is stopped writes a log instead (`--log-format json`).
    options = {option for parameter in command.params for option in parameter.opts}
    assert ("--json" in options) == (name.split()[-1] not in ("start", "join", "serve") or name == "sage kafka start")


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_the_example_is_a_command_line_that_is_understood(name: str, command: object) -> None:
    _, examples = reference._split_examples(reference._text(command), command.epilog)
    for example in examples:
        words = shlex.split(example)[len(name.split()) :]
        command.make_context(name, words, resilient_parsing=False).close()


@pytest.mark.parametrize("name", reference.PROGRAMS)
def test_a_program_says_its_exit_codes(sh, name: str) -> None:
    said = " ".join(sh(f"{name} --help").stdout.split())
    assert failures.EXIT_CODES.split(" (")[0] in said
    assert [str(code) for code in (0, 1, 2, 3, 70, 130)] == re.findall(r"\b\d+\b", failures.EXIT_CODES)


@pytest.mark.parametrize("code", [*REASONS, *CODES, *dict(reference.error_codes())])
def test_every_code_is_listed(code: str) -> None:
    assert f"| `{code}` |" in (DOCS / "errors.md").read_text(encoding="utf-8")


def test_every_code_of_the_hand_written_tables_exists() -> None:
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    head, tables = text.split(reference.MARK)
    listed = set(re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE))
    rows = [line.split("|")[3] for line in head.splitlines() if line.startswith("| ") and line.count("|") >= 5]
    named = {code for cell in rows for code in re.findall(r"`(\w+)`", cell)}
    extra = {"kafka_error", "interrupted", "broker_lost", "dead_letter_unknown", "unreadable", "too_large_unpacked"}
    assert named - listed - extra == set()
