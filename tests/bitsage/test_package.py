"""pyproject.toml packs what there is: every room, every data file; the linter's tree and the table of rooms name them all."""

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]
ROOMS = {folder for folder in FOLDERS.values() if "/" not in folder}


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [p.relative_to(ROOT).as_posix() for room in ROOMS for p in (ROOT / room).rglob("*") if p.is_file()]


def test_every_package_is_packed() -> None:
    there = {Path(name).parent.as_posix() for name in _tracked() if name.endswith("/__init__.py")}
    there = {folder for folder in there if folder.split("/")[0] in ROOMS}
    assert there == set(FOLDERS.values())
    assert sorted(SETUPTOOLS["packages"]) == sorted(FOLDERS)


def test_every_data_file_is_packed_and_every_pattern_finds_one() -> None:
    patterns = {(package, p) for package, found in SETUPTOOLS["package-data"].items() for p in found}
    used = set()
    for name in _tracked():
        if name.split("/")[0] not in ROOMS or name.endswith(".py") or "__pycache__" in name:
            continue
        matching = {(package, p) for package, p in patterns if fnmatch(name, f"{FOLDERS[package]}/{p}")}
        assert matching, f"{name} is not in package-data"
        used |= matching
    # The schemas of releases: there is none yet.
    assert patterns - used <= {("bitsage.schemas", "history/*.avsc")}


def test_every_room_is_linted_and_described() -> None:
    rooms = ROOMS - {"bitsage"}
    linted = re.search(r"for room in (.+); do", (ROOT / "run").read_text(encoding="utf-8"))
    assert linted is not None
    assert set(linted[1].split()) == rooms
    described = re.findall(
        r"^\| `(\w+)/` \|", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(described) == ROOMS


def test_every_dependency_is_imported_by_the_package() -> None:
    text = "\n".join(
        (ROOT / name).read_text(encoding="utf-8")
        for name in _tracked()
        if name.endswith(".py") and name.split("/")[0] in ROOMS
    )
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    for requirement in PROJECT["project"]["dependencies"]:
        name = re.match(r"[\w-]+", requirement)
        assert name is not None
        assert name[0].replace("-", "_") in imported, f"nothing imports {name[0]}"
