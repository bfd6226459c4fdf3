"""When the tests of the Rust verifier may be skipped."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def conftest(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The folder's fixtures, where cargo is installed and cannot fetch a crate."""
    monkeypatch.setattr(shutil, "which", lambda name: name)
    unbuildable = ModuleType("check")

    class Unbuilt(Exception):
        pass

    def build(*, prover: bool) -> Path:
        raise Unbuilt("failed to fetch a crate")

    unbuildable.Unbuilt, unbuildable.build = Unbuilt, build  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("interop_fixtures", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "check", unbuildable)
    return module


def test_a_person_without_the_crates_skips(conftest: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGE_REQUIRE_RUST", raising=False)
    with pytest.raises(pytest.skip.Exception):
        conftest.built(prover=False)


def test_ci_without_the_crates_fails(conftest: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_REQUIRE_RUST", "1")
    with pytest.raises(Exception, match="failed to fetch"):
        conftest.built(prover=False)
