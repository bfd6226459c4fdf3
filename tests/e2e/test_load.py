"""The load run of `./run load`, scaled down, with its kills: its exit code is the verdict, and its counting can fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(home: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    command = [
        sys.executable,
        str(ROOT / "load" / "run.py"),
        "--home",
        str(home),
        "--report",
        str(home / "report"),
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=540)
    report = home / "report.json"
    return done.returncode, json.loads(report.read_text()) if report.exists() else {}, done.stdout + done.stderr


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_jobs_with_kills_lose_double_and_mint_nothing(tmp_path: Path) -> None:
    """A coordinator, a validator and ten workers die in the middle, and a coordinator stalls."""
    code, report, said = run(
        tmp_path / "home",
        *("--workers", "20", "--jobs", "100", "--crews", "2", "--coordinators", "2"),
        *("--kill-coordinator", "20%", "--kill-worker", "50%", "--kill-validator", "65%"),
        *("--pause", "coordinator@80%:8"),
    )
    assert code == 0, said
    assert report["holds"]
    assert (report["events_lost"], report["double_answers"], report["double_payments"]) == (0, 0, 0)
    assert report["supply_conserved"]
    assert sum(report["jobs"].values()) == 100
    assert len(report["chaos"]) == 4
    page = (tmp_path / "home" / "report.html").read_text()
    assert page.count("<svg") == 4
    assert "nothing lost, doubled or minted" in page


def test_bad_words_are_bad_input_and_touch_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert run(tmp_path)[0] == 2
    assert (tmp_path / "mine.txt").exists()
    assert run(tmp_path / "new", "--kill-worker", "soon")[0] == 2
    assert run(tmp_path / "new", "--pause", "everybody@1s:2")[0] == 2
    assert not (tmp_path / "new").exists()
