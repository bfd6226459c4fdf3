"""Every reason code of the deciders is in the table, and the table holds no other."""

import ast
import re
from pathlib import Path

import bitsage.processors
import bitsage.schemas.reasons as reasons
from bitsage.schemas.parameters import Parameters

ROOM = Path(bitsage.processors.__file__).parent
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
#: Functions whose result is a reason code, or (code, sentence).
SOURCES = {"_refuse", "_refuse_cost", "_refuse_worker", "refuse_vote", "refuse_benchmarks"}


def _texts(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _codes(texts: set[str]) -> set[str]:
    return {text for text in texts if CODE.fullmatch(text)}


def _first(value: ast.expr) -> ast.AST:
    return value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value


def codes_given() -> set[str]:
    """What stands in the code as `reason=`, as `rejected(command, ...)`, or as the result of a refusing function."""
    found: set[str] = set()
    for file in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= {t for keyword in node.keywords if keyword.arg == "reason" for t in _texts(keyword.value)}
                if isinstance(node.func, ast.Name) and node.func.id in ("rejected", "_ended"):
                    found |= {t for argument in node.args[1:3] for t in _texts(argument)}
            elif isinstance(node, ast.FunctionDef) and node.name in SOURCES:
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        found |= _texts(_first(inner.value))
                    elif isinstance(inner, ast.Dict):
                        found |= {t for key in inner.keys if key is not None for t in _texts(key)}
    return _codes(found)


def every_text() -> set[str]:
    return {t for file in ROOM.glob("*.py") for t in _texts(ast.parse(file.read_text(encoding="utf-8")))}


def test_every_code_that_is_given_is_in_the_table() -> None:
    given = codes_given()
    assert given <= set(reasons.REASONS), given - set(reasons.REASONS)
    # The search itself finds what it should.
    assert {"wallet_exists", "stake_unlocked", "attempt_timeout", "no_wallet", "late", "cost_too_large"} <= given


def test_every_code_of_the_table_is_given_somewhere() -> None:
    parameters = Parameters()
    known = every_text() | set(parameters.slash_percent) | set(parameters.reputation_change)
    stale = set(reasons.REASONS) - known - set(reasons.INPUT_REASONS) - {"bad_signature", "unknown_key"}
    assert not stale


def test_rows_of_the_number_tables_are_explained() -> None:
    parameters = Parameters()
    assert {*parameters.slash_percent, *parameters.reputation_change} <= set(reasons.REASONS)


def test_the_parts_of_the_table_do_not_overlap() -> None:
    parts = (reasons.KERNEL_REASONS, reasons.REFUSALS, reasons.OUTCOMES, reasons.INPUT_REASONS)
    assert sum(map(len, parts)) == len(reasons.REASONS)


def test_each_code_has_one_plain_sentence() -> None:
    for code, sentence in reasons.REASONS.items():
        assert CODE.fullmatch(code), code
        assert 20 <= len(sentence) <= 120, code
        assert not sentence.endswith("."), code
        assert "\n" not in sentence, code


def test_refusals_say_what_to_do() -> None:
    for code, sentence in {**reasons.KERNEL_REASONS, **reasons.REFUSALS}.items():
        assert "; " in sentence, code
