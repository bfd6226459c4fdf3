"""How much device memory a proof takes, from its AIR and parameters alone.

`plan_of` lists the stages of the prover with what is kept on the device before each and what it works with, in both
ways of proving: `resident`, where all columns, evaluations and trees stay (`backend`), and `streaming`, where they
wait in the host's memory (`streaming`).  Sizes follow the buffers of `fft`, `merkle`, `compose` and `quotients`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bitsage.stark.circle import SecurePoint, secure_point
from bitsage.stark.deep import SampleGroup, group_samples, sample_points
from bitsage.stark.graph import Air
from bitsage.stark.layout import Layout, make_layout
from bitsage.stark.params import Params
from bitsage.stark.rows import needed_by_logup

from .groups import BLOCK, extension_bytes
from .templates import columns_of_constraint, columns_read

RESIDENT = "resident"
STREAMING = "streaming"
#: What allocations may take beyond the plan: blocks are rounded up by at most an eighth, small tables come on top.
MARGIN = 9 / 8
_TREE_NAMES = ("preprocessed", "trace", "interaction")
#: Any point outside the domains: how samples are grouped by point does not depend on it.
_POINT: SecurePoint = secure_point((2, 3, 5, 7))


@dataclass(frozen=True, slots=True)
class Stage:
    """Bytes on the device in one stage: those kept from before it, and its own at their most."""

    name: str
    kept: int
    work: int

    @property
    def peak(self) -> int:
        """Both together."""
        return self.kept + self.work


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes of a proof.

    `columns` are the coefficients of all columns, `evaluations` their extended values, `trees` the Merkle trees over
    them, `fri` the layers with their trees; `resident` and `streaming` are the stages of the two modes, the latter
    with the smallest groups.
    """

    columns: int
    evaluations: int
    trees: int
    fri: int
    resident: tuple[Stage, ...]
    streaming: tuple[Stage, ...]

    @property
    def resident_peak(self) -> int:
        """Most bytes at once with everything on the device."""
        return max(stage.peak for stage in self.resident)

    @property
    def streaming_peak(self) -> int:
        """Least memory with which streaming can do all of its work on the device."""
        return max(stage.peak for stage in self.streaming)

    def mode(self, memory: int) -> str:
        """How a device with so many bytes proves; less than the streaming peak is tried too, and may fail."""
        return RESIDENT if self.resident_peak * MARGIN <= memory else STREAMING

    def as_dict(self, memory: int | None) -> dict[str, Any]:
        """The plan for --json; `memory` is the device's, None where there is no device."""
        parts = {"columns": self.columns, "evaluations": self.evaluations, "trees": self.trees, "fri": self.fri}
        both = ((RESIDENT, self.resident, self.resident_peak), (STREAMING, self.streaming, self.streaming_peak))
        modes = {
            name: {"peak": peak, "stages": [{"stage": s.name, "kept": s.kept, "work": s.work} for s in stages]}
            for name, stages, peak in both
        }
        return {"memory": memory, "mode": None if memory is None else self.mode(memory), **parts, **modes}


def plan_of(air: Air, params: Params) -> MemoryPlan:
    """The plan of a proof.  Raises ProofRefused where AIR and parameters do not fit together."""
    layout = make_layout(air, params, strict=False)
    blowup = params.config.log_blowup_factor
    groups = _sample_groups(layout, blowup)
    coefficients = [sum(4 << c.log_size for c in tree) for tree in layout.trees]
    trees = [_tree_bytes(height) if tree else 0 for tree, height in zip(layout.trees, layout.heights, strict=True)]
    return MemoryPlan(
        columns=sum(coefficients),
        evaluations=sum(coefficients) << blowup,
        trees=sum(trees),
        fri=sum(_fri_bytes(layout)),
        resident=tuple(_resident(air, params, layout, groups, coefficients, trees)),
        streaming=tuple(_streaming(air, params, layout, groups)),
    )


def _sample_groups(layout: Layout, log_blowup: int) -> list[SampleGroup]:
    points = sample_points(layout, _POINT)
    zeros = [[(0, 0, 0, 0)] * len(own) for own in points]
    return group_samples(layout, points, zeros, (1, 0, 0, 0), log_blowup)


def _tree_bytes(height: int) -> int:
    return 64 << height


def _towers(log_size: int) -> int:
    """The twiddles of a domain and their inverses: half a domain each (`twiddles`)."""
    return 2 * (2 << log_size)


def _fri_bytes(layout: Layout) -> list[int]:
    """Values and tree of every committed FRI layer; packed leaves make a tree of a quarter of the height."""
    result, log_size = [], layout.lifting_log
    for step in layout.fri_steps:
        height = log_size - 2 if step > 1 and log_size > 2 else log_size
        result.append((16 << log_size) + _tree_bytes(height))
        log_size -= step
    return result


def _sums_bytes(layout: Layout, groups: Sequence[SampleGroup]) -> list[tuple[int, int]]:
    """(log size, number of sample points) of the columns of each size, largest first."""
    columns = layout.columns
    seen: dict[int, set[int]] = {}
    for number, group in enumerate(groups):
        for index, _ in group.columns:
            seen.setdefault(columns[index].log_size, set()).add(number)
    return [(log, len(numbers)) for log, numbers in sorted(seen.items(), reverse=True)]


def _composition_bytes(params: Params) -> int:
    """Sums of the constraints, one of four rows for each size of a component."""
    return sum(16 << (log_size + 1) for log_size in set(params.log_sizes))


def _logup_bytes(air: Air, params: Params) -> list[tuple[int, int]]:
    """For each component (bytes of its LogUp columns, bytes of the columns that they are made from)."""
    result = []
    for component, log_size in zip(air.components, params.log_sizes, strict=True):
        needed = columns_read(component, needed_by_logup(component))
        result.append((component.batch_count * (16 << log_size), len(needed) * (4 << log_size)))
    return result


def _resident(
    air: Air,
    params: Params,
    layout: Layout,
    groups: Sequence[SampleGroup],
    coefficients: Sequence[int],
    trees: Sequence[int],
) -> list[Stage]:
    blowup, n = params.config.log_blowup_factor, layout.lifting_log
    stages, kept = [], _towers(n)
    committed = [size + (size << blowup) + tree for size, tree in zip(coefficients, trees, strict=True)]
    for k, size in enumerate(committed[:-1]):
        if k == 2:
            own = _logup_bytes(air, params)
            made = 0
            work = 0
            for columns, needed in own:
                work = max(work, made + columns + needed)
                made += columns
            stages.append(Stage("lookups", kept, work))
            kept += made  # the columns stay for naming a row that violates a constraint
        stages.append(Stage(_TREE_NAMES[k], kept, size))
        kept += size
    sums = _composition_bytes(params)
    stages.append(Stage("composition", kept, max(sums, (16 << layout.composition_log) + coefficients[-1])))
    stages.append(Stage("composition tree", kept, committed[-1]))
    kept += committed[-1]
    sizes = _sums_bytes(layout, groups)
    sums = sum(4 * count * (4 << log) for log, count in sizes)
    first = 4 * sizes[0][1] * (4 << (sizes[0][0] + blowup))
    lifted = 0 if len(sizes) == 1 and first == len(groups) * (16 << n) else len(groups) * (16 << n)
    further = max((4 * count * (4 << (log + blowup)) for log, count in sizes[1:]), default=0)
    work = max(sums + first + lifted + further, (lifted or first) + (16 << n))
    stages.append(Stage("quotients", kept, work))
    stages.append(Stage("fri", kept, sum(_fri_bytes(layout))))
    return stages


def _streaming(air: Air, params: Params, layout: Layout, groups: Sequence[SampleGroup]) -> list[Stage]:
    """The stages with the smallest groups: a block of leaves, the columns of one constraint, one sample point."""
    blowup, n = params.config.log_blowup_factor, layout.lifting_log
    kept = _towers(n)
    names = [*_TREE_NAMES[: len(layout.trees) - 1], "composition tree"]
    stages = [
        Stage(name, kept, _tree_bytes(height) + _block_bytes([c.log_size for c in tree], blowup))
        for name, tree, height in zip(names, layout.trees, layout.heights, strict=True)
        if tree
    ]
    lookups = max((columns + needed for columns, needed in _logup_bytes(air, params)), default=0)
    widest = max(_widest_constraint(air, params), default=0)
    sums = _composition_bytes(params)
    stages.append(Stage("lookups", kept, lookups))
    stages.append(Stage("composition", kept, sums + max(widest, 16 << layout.composition_log)))
    sizes = _sums_bytes(layout, groups)
    points = sum(count * (16 << log) for log, count in sizes)
    stages.append(Stage("quotients", kept, points + (4 if len(sizes) > 1 else 3) * (16 << n)))
    layers = 2 * (16 << n)  # the values of all FRI layers, each at most half of the one before
    stages.append(Stage("fri", kept, layers + max(_fri_bytes(layout)) - (16 << n)))
    return stages


def _block_bytes(logs: Sequence[int], log_blowup: int) -> int:
    """The most that one block of leaves takes while its columns are extended, and lifted where sizes differ."""
    order, most = sorted(logs), 0
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        size = sum(extension_bytes(log, log_blowup) for log in block)
        if block[0] != block[-1]:
            size += len(block) * (4 << (block[-1] + log_blowup))
        most = max(most, size)
    return most


def _widest_constraint(air: Air, params: Params) -> list[int]:
    """Bytes of the columns that the widest constraint of each component reads, on twice its rows."""
    return [
        max(len(columns_of_constraint(component, j)) for j in range(component.constraint_count))
        * extension_bytes(log_size, 1)
        for component, log_size in zip(air.components, params.log_sizes, strict=True)
        if component.constraint_count
    ]
