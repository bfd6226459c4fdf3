"""Fixtures of the whole-network tests, and the demo's stand-ins for liars and cheats."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "demo"


def load(name: str) -> ModuleType:
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lie() -> Callable[..., tuple[bool, str]]:
    found: Callable[..., tuple[bool, str]] = load("lying_validator").lie
    return found


@pytest.fixture
def cheat() -> Callable[..., object]:
    found: Callable[..., object] = load("cheating_worker").cheat
    return found
