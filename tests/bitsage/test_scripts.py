"""The shell scripts run with the bash 3.2 that macOS comes with."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ("run", ".ci/run", "examples/up.sh", "tests/e2e/lifecycle.sh")
#: There, `set -u` takes an empty array for an unset variable; `${name[@]+"${name[@]}"}` is right in every version.
BARE = re.compile(r'(?<!\+)"\$\{(\w+)\[@\]\}"')


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_array_that_may_be_empty_is_expanded_so_that_bash_3_takes_it(name: str) -> None:
    assert BARE.findall((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_newer_than_bash_3_2_is_used(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert not re.search(r"\bwait -n\b|\bmapfile\b|\breadarray\b|\bdeclare -A\b|\$\{\w+(,,|\^\^)\}", code)
