"""Where this machine keeps what can be fetched or computed again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$SAGE_CACHE`, else `$XDG_CACHE_HOME/bitsage`, else `~/.cache/bitsage`; it need not exist yet."""
    if chosen := os.environ.get("SAGE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bitsage"
