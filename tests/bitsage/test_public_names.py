"""`bitsage` offers what `__all__` says, and loads nothing before it is used."""

import subprocess
import sys

import pytest

import bitsage


def test_every_public_name_is_there_and_has_one_home() -> None:
    assert sorted(bitsage._HOME_OF) == sorted(bitsage.__all__)
    for name in bitsage.__all__:
        assert getattr(bitsage, name) is not None
    assert set(bitsage.__all__) <= set(dir(bitsage))


def test_the_names_for_type_checkers_agree() -> None:
    import ast
    from pathlib import Path

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
