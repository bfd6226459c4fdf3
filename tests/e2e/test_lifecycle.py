"""The ten scenarios of the lifecycle script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(1200)
def test_ten_scenarios_as_commands_on_a_real_broker() -> None:
    script = Path(__file__).with_name("lifecycle.sh")
    environment = os.environ | {"SAGE_BIN": str(Path(sys.executable).parent)}
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, timeout=1150)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all ten scenarios passed" in done.stdout
