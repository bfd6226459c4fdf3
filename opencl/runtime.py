"""Finding an OpenCL runtime before pyopencl is imported.

The OpenCL loader reads its list of drivers once, when pyopencl is first imported.  Intel's CPU runtime from
PyPI ships a driver list that names a path of the build machine, so `prepare` writes a list of its own that
holds that runtime and the system's drivers, and points OCL_ICD_VENDORS to it.  A list that the user has
chosen already is left alone.  `cl` is pyopencl, or None where it cannot be imported.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

_SYSTEM_DRIVERS = Path("/etc/OpenCL/vendors")
_PACKAGE = "intel-opencl-rt"
_DRIVER = "libintelocl.so"
#: What the driver needs, in loading order; the dynamic linker finds them itself unless the packages lie apart.
_NEEDED = ("libtbb.so.12", "libintlc.so.5", "libimf.so", "libirng.so", "libsvml.so")


def cache_folder() -> Path:
    """`$SAGE_CACHE`, else `$XDG_CACHE_HOME/bitsage`, else `~/.cache/bitsage`; then `opencl`."""
    chosen = os.environ.get("SAGE_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bitsage"
    return base / "opencl"


def packaged_driver() -> Path | None:
    """Intel's CPU driver as installed from PyPI; None where it is not."""
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files(_PACKAGE) or ():
            if file.name == _DRIVER:
                path = Path(str(file.locate())).resolve()
                return path if path.is_file() else None
    return None


def _preload(driver: Path) -> bool:
    """Load the driver; where the linker does not find what it needs, from the driver's own folder."""
    with suppress(OSError):
        ctypes.CDLL(str(driver))
        return True
    folders = [driver.parent, Path(sys.prefix) / "lib"]
    for name in _NEEDED:
        for folder in folders:
            with suppress(OSError):
                ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
                break
    with suppress(OSError):
        ctypes.CDLL(str(driver))
        return True
    return False


def _write_list(driver: Path) -> Path | None:
    """A folder of driver names for the loader: the packaged driver and the system's."""
    entries = {"bitsage-intel-cpu.icd": f"{driver}\n"}
    with suppress(OSError):
        for file in sorted(_SYSTEM_DRIVERS.glob("*.icd")):
            entries[file.name] = file.read_text(encoding="utf-8", errors="replace")
    wanted = cache_folder() / "vendors"
    for folder in (wanted, None):
        with suppress(OSError):
            place = folder or Path(tempfile.mkdtemp(prefix="bitsage-opencl-"))
            place.mkdir(parents=True, exist_ok=True)
            for stale in place.glob("*.icd"):
                if stale.name not in entries:
                    stale.unlink()
            for name, text in entries.items():
                _write(place / name, text)
            return place
    return None


def _write(path: Path, text: str) -> None:
    # Written aside and renamed, as another process may be reading the list at this moment.
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def prepare() -> None:
    """Make the packaged CPU driver visible to the OpenCL loader; does nothing where it is not installed."""
    if os.environ.get("OCL_ICD_VENDORS"):
        return
    driver = packaged_driver()
    if driver is None or not _preload(driver):
        return
    folder = _write_list(driver)
    if folder is not None:
        os.environ["OCL_ICD_VENDORS"] = str(folder)


def _load() -> ModuleType | None:
    with suppress(Exception):  # a broken installation of pyopencl must not take the command down
        prepare()
        import pyopencl

        return pyopencl
    return None


cl: Any = _load()
