"""Loads the published proofs and their graphs."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "data" / "stwo"
INDEX: list[dict[str, Any]] = json.loads((DATA / "index.json").read_text())
FILES = [entry["file"] for entry in INDEX]
GRAPHS = sorted(path.name.removesuffix(".air.json") for path in (DATA / "graphs").glob("*.air.json"))


@lru_cache(maxsize=64)
def text(name: str) -> str:
    return (DATA / name).read_text()


def bundle(name: str) -> Any:
    return json.loads(text(name))


def verdict(name: str) -> str:
    return str(next(entry["rust_verify"] for entry in INDEX if entry["file"] == name))
