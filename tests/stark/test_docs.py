"""docs/proving.md lists every reason and command, and its Python lines run."""

from __future__ import annotations

import re
from pathlib import Path

from bitsage.cli.proof import proof_app
from bitsage.stark import REFUSAL_REASONS

TEXT = (Path(__file__).parents[2] / "docs" / "proving.md").read_text()


def test_every_reason_is_listed_with_its_meaning() -> None:
    for reason, meaning in REFUSAL_REASONS.items():
        assert f"| `{reason}` | {meaning} |" in TEXT


def test_every_command_is_shown() -> None:
    for command in proof_app.registered_commands:
        assert f"sage proof {command.name} " in TEXT


def test_the_python_lines_run() -> None:
    lines = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
    scope: dict[str, object] = {"binding": bytes(32)}
    exec("from bitsage.stark import AirBuilder, ComponentBuilder\n" + lines, scope)
    assert scope["air"] is not None
