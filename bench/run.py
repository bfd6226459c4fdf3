"""`./run bench [NAME ...]`: print the measured tables; every bench module here has a `run()`.

`./run bench NAME OPTION...` hands the options to the one bench, where it has a `main()` (`--help` lists them).
"""

import importlib
import platform
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(p.stem for p in HERE.glob("*.py") if p.stem not in ("run", "cases", "bars"))


def load(name: str):
    # By its name, from this folder: processes that a bench starts have to find it, too.
    return importlib.import_module(name)


def main() -> int:
    words = sys.argv[1:]
    first = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    names, options = words[:first], words[first:]
    unknown = [name for name in names if name not in NAMES]
    if unknown or (options and len(names) != 1):
        why = f"no bench named {unknown[0]}" if unknown else "options are for one bench, named before them"
        print(f"error: {why}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    if options:
        return with_options(names[0], options)
    print(
        f"machine: {platform.platform()}, {platform.processor() or platform.machine()}, Python {platform.python_version()}"
    )
    for name in names or NAMES:
        load(name).run()
    return 0


def with_options(name: str, options: list[str]) -> int:
    module = load(name)
    if not hasattr(module, "main"):
        print(f"error: the bench {name} has no options", file=sys.stderr)
        return 2
    sys.argv = [f"bench/{name}.py", *options]
    return module.main() or 0


if __name__ == "__main__":
    sys.exit(main())
