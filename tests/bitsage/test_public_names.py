"""`bitsage` offers what `__all__` says, and loads nothing before it is used."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import bitsage

ROOMS = sorted(
    path.parent.name for path in Path(__file__).parents[2].glob("*/__init__.py") if path.parent.name != "bitsage"
)


def test_every_public_name_is_there_and_has_one_home() -> None:
    assert sorted(bitsage._HOME_OF) == sorted(bitsage.__all__)
    for name in bitsage.__all__:
        assert getattr(bitsage, name) is not None
    assert set(bitsage.__all__) <= set(dir(bitsage))


def test_the_names_for_type_checkers_agree() -> None:
    tree = ast.parse(Path(bitsage.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    names = [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(names) == sorted(bitsage.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        bitsage.no_such_name  # noqa: B018


def test_importing_the_package_loads_no_room() -> None:
    code = "import bitsage, sys; print([m for m in sys.modules if m.startswith('bitsage.')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def imported(module: ModuleType) -> list[str]:
    """The names that a room's `__init__` takes from its own files, also those for type checkers alone."""
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    return [
        alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    ]  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_lives_there_and_names_its_public_things(room: str) -> None:
    module = import_module(f"bitsage.{room}")
    first, _, rest = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    assert first.endswith((".", ":"))
    assert len(rest.split()) >= 15, "a paragraph"
    assert len(set(module.__all__)) == len(module.__all__)
    assert set(module.__all__) - {"__version__"} == set(imported(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert module.__all__ or "Nothing of it is built in this version" in rest
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018
