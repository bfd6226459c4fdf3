"""docs/domain.md says what the code does: every command with its signer, every event, every reason code."""

import re
from pathlib import Path

from bitsage.schemas.commands import COMMANDS
from bitsage.schemas.events import EVENTS
from bitsage.schemas.parameters import Parameters
from bitsage.schemas.reasons import REASONS

TEXT = (Path(__file__).parents[2] / "docs" / "domain.md").read_text(encoding="utf-8")
ROWS = {row[0]: row for line in TEXT.splitlines() if (row := [c.strip() for c in line.strip("|").split("|")])}
SIGNERS = {"owner": "own", "anyone": "any", "authority": "net"}


def test_every_command_stands_in_the_table_with_its_signer() -> None:
    for name, rule in COMMANDS.items():
        assert ROWS[name][1] == SIGNERS[rule.signer], name


def test_every_event_is_named() -> None:
    words = set(re.findall(r"\w+", TEXT))
    assert set(EVENTS) <= words, set(EVENTS) - words


def test_every_reason_code_is_explained() -> None:
    for code, sentence in REASONS.items():
        assert ROWS[f"`{code}`"][1] == sentence, code


def test_the_slashing_table_has_every_row_with_its_share() -> None:
    table = TEXT.split("\n## Slashing\n")[1].split("\n## ")[0]
    said = dict(re.findall(r"^\| `(\w+)` \| (\d+) % \|", table, re.MULTILINE))
    assert {reason: int(share) for reason, share in said.items()} == Parameters().slash_percent
