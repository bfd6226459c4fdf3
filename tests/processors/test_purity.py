"""Deciders see no clock, no randomness, no files and no Kafka; each command has one decider."""

import ast
from pathlib import Path

import pytest

import bitsage.processors
from bitsage.processors.bindings import BINDINGS
from bitsage.processors.model import NETWORK, TREASURY, Command
from bitsage.schemas import commands, reasons
from bitsage.schemas.events import CommandRejected
from tests.processors.dsl import ACCOUNT, JOB_SUBJECT, NOW, RULES, States

ROOM = Path(bitsage.processors.__file__).parent
ALLOWED = {
    "bisect", "collections", "dataclasses", "functools", "hashlib", "itertools", "json", "math", "operator", "re", "types",
    "typing",
}  # fmt: skip
SUBJECTS = {"address": ACCOUNT, "job": JOB_SUBJECT, "network": NETWORK, "treasury": TREASURY}


@pytest.mark.parametrize("file", sorted(ROOM.glob("*.py")), ids=lambda f: f.stem)
def test_a_file_imports_nothing_impure(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").startswith("bitsage.schemas") or (node.module or "").split(".")[0] in ALLOWED
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input", "float")


@pytest.mark.parametrize("file", sorted(ROOM.glob("*.py")), ids=lambda f: f.stem)
def test_no_floats(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))


@pytest.mark.parametrize("binding", BINDINGS, ids=lambda b: f"{b.topic}-{b.kind}")
def test_a_command_that_is_not_the_deciders_is_refused(binding) -> None:  # type: ignore[no-untyped-def]
    command = Command(commands.CommandBody(), bytes(16), SUBJECTS[binding.kind], NOW, bytes(16), b"", b"")
    (event,) = binding.decide(States(SUBJECTS[binding.kind]), command, RULES)
    assert isinstance(event, CommandRejected)
    assert event.reason in reasons.REASONS
