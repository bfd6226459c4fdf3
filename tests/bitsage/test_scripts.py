"""The shell scripts run with the bash 3.2 that macOS comes with."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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


@pytest.mark.parametrize(("version", "taken"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_the_interpreter_is_one_that_every_locked_library_has_wheels_for(
    version: tuple[int, int], taken: bool, tmp_path: Path
) -> None:
    for name in ("bash", "cat", "cksum", "tr", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    # This interpreter, with another version on its lips; it stops before it would make an environment.
    (tmp_path / "python3").write_text(
        f'#!/bin/sh\n[ "$1" = -c ] || {{ echo stop; exit 9; }}\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = {version}; $2"\n'
    )
    (tmp_path / "python3").chmod(0o755)
    environment = {"PATH": str(tmp_path), "SAGE_VENV": str(tmp_path / "venv"), "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        ["bash", str(ROOT / "run"), "setup"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert ("making the environment" in done.stderr) == taken
    assert ("Python 3.11, 3.12 or 3.13" in done.stderr) != taken


def test_the_lock_holds_what_the_package_asks_for() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*map(Requirement, project["dependencies"]), *map(Requirement, project["optional-dependencies"]["opencl"])]
    for requirement in asked:
        assert locked[requirement.name] in requirement.specifier, requirement


def test_the_lower_bounds_are_not_below_what_the_code_imports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    # `fastecdsa.rust` came with 4.0.
    assert "3.0.1" not in asked["fastecdsa"]


def test_the_help_names_every_command_of_the_entry_script() -> None:
    text = (ROOT / "run").read_text(encoding="utf-8")
    usage, cases = text.split("<<'TEXT'\n")[1].split("\nTEXT\n")[0], text.split('case "$command" in\n')[1]
    offered = {word for names in re.findall(r"^  ([a-z|-]+)\)", cases, re.MULTILINE) for word in names.split("|")}
    told = set(re.findall(r"^  ([a-z][a-z-]*(?: \| [a-z-]+)*)(?= |$)", usage, re.MULTILINE))
    assert {word for names in told for word in names.split(" | ")} == offered - {"help", "-h", "--help"}
