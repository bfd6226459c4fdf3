"""What `--explain` prints: how much device memory a proof takes, stage by stage, and how it is made therefore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import output

if TYPE_CHECKING:
    from bitsage.opencl.plan import MemoryPlan
    from bitsage.stark import Air, Params

_MIB = 1 << 20


def explain(air: Air, params: Params, wanted: str | None, *, show: bool = True) -> tuple[MemoryPlan, dict[str, Any]]:
    """The plan on the device that `wanted` chooses, and what --json says of it; `show` prints it for people.

    Raises DeviceUnknown, and ProofRefused where AIR and parameters do not fit together.
    """
    from bitsage.opencl import choose
    from bitsage.opencl.device import NUMPY
    from bitsage.opencl.plan import plan_of

    info = choose(wanted)
    plan = plan_of(air, params)
    facts = {
        "device": NUMPY if info is None else info.label,
        **plan.as_dict(None if info is None else info.memory),
    }
    if show:
        _show(plan, facts)
    return plan, facts


def _show(plan: MemoryPlan, facts: dict[str, Any]) -> None:
    memory, mode = facts["memory"], facts["mode"]
    output.facts(
        {
            "device": facts["device"],
            "memory": "the host's" if memory is None else _mib(memory),
            "columns": _mib(plan.columns),
            "extended": _mib(plan.evaluations),
            "trees": _mib(plan.trees),
            "FRI": _mib(plan.fri),
            "needed to keep everything": _mib(plan.resident_peak),
            "needed to stream columns": _mib(plan.streaming_peak),
            "mode": mode or "in the host's memory, without a device",
        }
    )
    stages = plan.streaming if mode == "streaming" else plan.resident
    output.rows(
        ["stage", "kept", "work", "together"], [[s.name, _mib(s.kept), _mib(s.work), _mib(s.peak)] for s in stages]
    )


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"
