"""Builds the Rust verifier once, or says why these tests are skipped."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "interop"))


@pytest.fixture(scope="session")
def harness() -> Path:
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed: the Rust verifier cannot be built")
    from check import Unbuilt, build

    try:
        return build()
    except Unbuilt as error:
        if "could not compile" in str(error):
            raise
        pytest.skip(f"the crates could not be fetched: {error}")
