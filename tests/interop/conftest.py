"""Builds the Rust verifier once, or says why these tests are skipped.

With SAGE_REQUIRE_RUST=1, as in CI, a verifier that cannot be built where cargo is installed fails them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "interop"))


def built(*, prover: bool) -> Path:
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed: the Rust verifier cannot be built")
    from check import Unbuilt, build

    try:
        return build(prover=prover)
    except Unbuilt as error:
        if "could not compile" in str(error) or os.environ.get("SAGE_REQUIRE_RUST", "") not in ("", "0"):
            raise
        pytest.skip(f"the crates could not be fetched: {error}")


@pytest.fixture(scope="session")
def harness() -> Path:
    """The program with the Rust verifier."""
    return built(prover=False)


@pytest.fixture(scope="session")
def rust_prover() -> Path:
    """The program with the Rust prover."""
    return built(prover=True)
