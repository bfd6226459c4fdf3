"""`sage devices`: what proofs can be made on, whether it computes right, and how fast.

Exit codes: 0 every device agrees with NumPy, 1 one does not, 2 there is no such device.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import output
from .context import config
from .failures import REFUSED
from .options import AsJson

if TYPE_CHECKING:
    from bitsage.opencl.device import DeviceInfo

_GIB = 1 << 30


def devices(
    device: Annotated[
        str | None,
        typer.Option("--device", help="Only this one: number, part of the name, or cpu, gpu; default: all of them."),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test/--no-test", help="Compare each device with NumPy, value by value, and take times.")
    ] = True,
    tune: Annotated[
        bool, typer.Option("--tune", help="Measure the best block sizes and keep them for later proofs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the devices that proofs can be made on, test them against NumPy, and show which one is chosen."""
    from bitsage.opencl import choose, discover

    chosen = choose(config().device)
    infos = discover() if device is None else [info for info in [choose(device)] if info is not None]
    found = [_examined(info, info == chosen, test, tune) for info in infos]
    if as_json:
        output.emit_json({"chosen": "numpy" if chosen is None else chosen.label, "devices": found})
    else:
        _show(found, chosen)
    if any(not entry["ok"] for entry in found):
        raise typer.Exit(REFUSED)


def _examined(info: DeviceInfo, chosen: bool, test: bool, tune: bool) -> dict[str, Any]:
    """What there is to say of a device; a device that fails is a finding, not an end."""
    from bitsage.opencl.errors import DeviceError

    entry: dict[str, Any] = {**asdict(info), "chosen": chosen, "ok": True, "error": None}
    try:
        if tune:
            entry["tuned"] = _tuned(info)
        if test:
            entry["checks"] = _tested(info)
            entry["ok"] = all(check["equal"] for check in entry["checks"])
    except DeviceError as error:
        entry.update(ok=False, error={"code": error.code, "message": str(error)})
    return entry


def _tested(info: DeviceInfo) -> list[dict[str, Any]]:
    from bitsage.opencl.device import open_device
    from bitsage.opencl.selftest import self_test

    return [check.as_dict() for check in self_test(open_device(info))]


def _tuned(info: DeviceInfo) -> dict[str, Any]:
    from bitsage.opencl import tuning
    from bitsage.opencl.device import open_device
    from bitsage.opencl.tune import tune

    opened = open_device(info)
    sizes = tune(opened, lambda words, milliseconds: output.remark(f"{info.name}: {words}: {milliseconds:.2f} ms"))
    return {"file": str(tuning.keep(opened, sizes)), **asdict(sizes)}


def _show(found: list[dict[str, Any]], chosen: DeviceInfo | None) -> None:
    names = ("", "number", "kind", "name", "driver", "memory", "units", "agrees with NumPy")
    if found:
        output.rows(names, [_line(entry) for entry in found])
    for entry in found:
        if checks := entry.get("checks"):
            rows = [(c["check"], "yes" if c["equal"] else "NO", c["device_ms"], c["numpy_ms"]) for c in checks]
            output.rows(("check", "equal", "device ms", "NumPy ms"), rows, title=f"{entry['index']}: {entry['name']}")
        if sizes := entry.get("tuned"):
            output.remark(f"sizes kept in {sizes['file']}")
        if entry["error"]:
            output.remark(f"{entry['name']}: {entry['error']['message']} [{entry['error']['code']}]")
    if chosen is None:
        output.say("Proofs are made with NumPy" + ("." if found else ": no OpenCL device is present."))
    else:
        output.say(
            f"Proofs are made on device {chosen.index}, {chosen.name} (--device and SAGE_DEVICE choose another)."
        )


def _line(entry: dict[str, Any]) -> tuple[Any, ...]:
    state = ("yes" if entry["ok"] else "NO") if "checks" in entry or entry["error"] else "not tested"
    return (
        "*" if entry["chosen"] else "",
        entry["index"],
        entry["kind"],
        entry["name"],
        f"{entry['platform']} {entry['driver']}",
        f"{entry['memory'] / _GIB:.1f} GiB",
        entry["compute_units"],
        state,
    )
