"""The page is true: its commands run, its program recomputes the hashes, its tables are those of the models."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bitsage.cli import projection as cli
from bitsage.projections import MODELS, Projection, __all__, reference
from bitsage.projections.records import check
from bitsage.projections.schema import Kind

PAGE = Path(__file__).parents[2] / "docs" / "projections.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [line for line in TEXT.splitlines() if line.startswith("sage projection ")]


def test_the_tables_of_the_page_are_those_of_the_models() -> None:
    assert reference.filled(TEXT) == TEXT, "run python -m bitsage.projections.reference docs/projections.md"


def test_every_command_is_on_the_page() -> None:
    named = {line.split()[2] for line in COMMANDS}
    assert named == {command.name for command in cli.projection_app.registered_commands}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_the_page_run(kit, tmp_path, monkeypatch, line) -> None:
    log = kit.HeldLog(kit.life().records)
    monkeypatch.setenv("SAGE_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "open_log", lambda: log)
    result = CliRunner().invoke(cli.projection_app, shlex.split(line)[2:])
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stdout


def _program(marker: str) -> dict:
    [code] = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if marker in block]
    space: dict = {}
    exec(code, space)
    return space


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_program_of_the_page_recomputes_the_hash(kit, tmp_path, model) -> None:
    chain = kit.life()
    chain.append(model.topics[0], None, b"garbage", partition=0)
    tables = [table.name for table in model.tables]
    amounts = {name for name, kind in model.kinds.items() if kind is Kind.AMOUNT}
    with Projection(model, tmp_path) as live:
        live.catch_up(kit.HeldLog(chain.records))
        recomputed = _program("def state_hash")["state_hash"](live.path, model.name, model.version, tables, amounts)
        assert recomputed == live.state_hash()


def test_the_python_example_runs(kit, tmp_path) -> None:
    lines = _program("def report")["report"](kit.HeldLog(kit.life().records), tmp_path)
    assert lines[0].endswith(" paid")
    assert lines[1] == "supply conserved: True"
    assert lines[-1] == "0 jobs at the beginning"


def test_a_column_name_has_one_kind_in_a_model() -> None:
    for model in MODELS:
        kinds: dict = {}
        for table in model.tables:
            for column in table.all_columns:
                assert kinds.setdefault(column.name, column.kind) is column.kind, (model.name, column.name)


def test_brief_columns_exist(kit, tmp_path) -> None:
    for model in MODELS:
        with Projection(model, tmp_path) as live:
            assert set(model.brief) <= set(live.columns())


def test_the_page_names_every_anomaly(kit) -> None:
    source = Path(check.__code__.co_filename).read_text(encoding="utf-8")
    store = (Path(check.__code__.co_filename).parent / "store.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'(?:None|event), "(\w+)"', source)) | set(re.findall(r'return "(\w+)"', store))
    assert len(codes) >= 8
    assert all(f"`{code}`" in TEXT for code in codes)


def test_public_names_exist() -> None:
    import bitsage.projections as room

    assert all(hasattr(room, name) for name in __all__)
    assert sorted(__all__) == sorted(set(__all__))
