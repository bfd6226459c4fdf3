"""`./run bench [NAME ...]`: print the measured tables; every bench module here has a `run()`."""

import importlib.util
import platform
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(p.stem for p in HERE.glob("*.py") if p.stem not in ("run", "cases", "bars"))


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"bench_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    wanted = sys.argv[1:] or NAMES
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"error: no bench named {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    print(
        f"machine: {platform.platform()}, {platform.processor() or platform.machine()}, Python {platform.python_version()}"
    )
    for name in wanted:
        load(name).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
