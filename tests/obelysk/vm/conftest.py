"""What the tests of this folder share; lets them import the modules beside them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from programs import EVERYTHING, EVERYTHING_INPUT
from vm_forgery import Claim

from bitsage.obelysk.vm import assemble


@pytest.fixture(scope="session")
def claim() -> Claim:
    """A run of every instruction."""
    return Claim.of(assemble(EVERYTHING), EVERYTHING_INPUT)
