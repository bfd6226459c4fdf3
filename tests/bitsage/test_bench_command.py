"""`./run bench`: names, options of one bench, and words that fit neither."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "bench" / "run.py"


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, RUN, *words], capture_output=True, text=True, check=False, timeout=120)


def test_options_reach_the_bench_that_is_named() -> None:
    shown = bench("prover", "--help")
    assert shown.returncode == 0
    assert "--profile" in shown.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("speed",), "no bench named speed"),
        (("--json",), "options are for one bench"),
        (("loop", "replay", "--json"), "options are for one bench"),
        (("replay", "--json"), "the bench replay has no options"),
    ],
)
def test_words_that_fit_nothing_are_one_sentence(words: tuple[str, ...], said: str) -> None:
    refused = bench(*words)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not refused.stdout


@pytest.mark.parametrize("log_size", [15, 16])
def test_the_vm_cases_have_nearly_as_many_cycles_as_they_say(log_size: int) -> None:
    words = "import cases; print(cases.run_program(cases.vm_program({}), [1] * cases.MAX_TAPE).cycles)"
    told = subprocess.run(
        [sys.executable, "-c", words.format(log_size)], cwd=RUN.parent, capture_output=True, text=True, check=True
    )
    assert (1 << log_size) - 3 < int(told.stdout) <= 1 << log_size


@pytest.mark.slow
def test_the_prover_is_measured_in_processes_of_its_own(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    few = ("--cases", "matmul-16", "--once", "", "--runs", "1", "--no-rust", "--no-primitives")
    measured = bench("prover", *few, "--backends", "numpy", "--profile", str(trace))
    assert measured.returncode == 0, measured.stderr
    assert "matmul-16" in measured.stdout
    assert json.loads(trace.read_text())["traceEvents"]
