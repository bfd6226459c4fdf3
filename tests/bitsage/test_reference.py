"""The reference pages say what the program does."""

import re
from pathlib import Path

import pytest

from bitsage.cli import reference
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
