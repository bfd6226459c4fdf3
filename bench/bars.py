"""What is asked of the prover, beside what `bench/prover.py` found: ratios, and absolute figures of this machine."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bitsage.opencl import choose, fft
from bitsage.opencl.buffers import ColumnSet, Matrix
from bitsage.opencl.device import open_device
from bitsage.stark import P

LOG = 20
LARGEST = {"matmul": "matmul-1024", "vm": "vm-20", "inference": "inference-256"}
_RUST = re.compile(r"med ([\d.]+)")
Rows = Sequence[Mapping[str, Any]]
#: What is found, for a row of the table; None where it was not measured.
Finder = Callable[[Rows, Rows], float | None]


def transforms(backend: str, runs: int, harness: Path | None) -> list[dict[str, Any]]:
    """Interpolation of one and of 32 columns of 2^20 in device memory, in turns with the Rust prover's."""
    info = None if backend == "numpy" else choose(None if backend == "opencl" else backend)
    if info is None:
        return []
    device = open_device(info)
    made = []
    for count in (1, 32):
        values = np.random.default_rng(1).integers(0, P, (count, 1 << LOG), dtype=np.uint32)
        columns = list(ColumnSet.of_matrix(Matrix.of(device, values)))
        ours, theirs = [], []
        for turn in range(runs + 1):
            for _ in range(5):
                start = time.perf_counter()
                fft.interpolate(device, columns)
                device.finish()
                if turn:
                    ours.append(time.perf_counter() - start)
            if harness is not None and harness.is_file():
                words = [harness, "bench", "ifft", str(count), "5"]
                found = _RUST.search(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
                theirs += [float(found[1])] if found else []
        row = {"transform": f"iFFT 2^{LOG}, columns: {count}", "device": info.label, "ms": round(median(ours) * 1e3, 2)}
        rust = {"Rust ms": "-", "x Rust": "-"}
        if theirs:
            rust = {"Rust ms": round(median(theirs) * 1e3, 2), "x Rust": round(median(ours) / median(theirs), 2)}
        made.append(row | rust)
    return made


def _of(case: str, key: str) -> Finder:
    def find(proofs: Rows, _: Rows) -> float | None:
        own = [row[key] for row in proofs if row["case"] == case and row["prover"] != "Rust SIMD"]
        return float(own[0]) if own and own[0] != "-" else None

    return find


def _scaled(finder: Finder, factor: float) -> Finder:
    def find(proofs: Rows, transforms: Rows) -> float | None:
        value = finder(proofs, transforms)
        return None if value is None else value * factor

    return find


def _ifft(index: int) -> Finder:
    def find(_: Rows, transforms: Rows) -> float | None:
        return float(transforms[index]["x Rust"]) if transforms and transforms[index]["x Rust"] != "-" else None

    return find


def _cycles(proofs: Rows, _: Rows) -> float | None:
    for row in proofs:
        if row["case"] == "vm-18" and row["total"] != "-":
            # From the program to the proof: running it and making the trace count.
            return float(row["cycles"] / (row["total"] + row["witness"]) / 1e3)
    return None


def _on_gpu(case: str) -> Finder:
    def find(proofs: Rows, transforms: Rows) -> float | None:
        on_gpu = [row for row in proofs if "gpu" in str(row["prover"])]
        return _scaled(_of(case, "total"), 1e3)(on_gpu, transforms)

    return find


#: what, unit, bar, goal, whether more is better, where the value comes from
_BARS: list[tuple[str, str, float, float, bool, Finder]] = [
    ("prove wide-fibonacci 2^20 x 32", "x Rust", 2.5, 1.0, False, _of("wf-20-32", "total x Rust")),
    ("prove wide-fibonacci 2^20 x 100", "x Rust", 2.5, 1.0, False, _of("wf-20-100", "total x Rust")),
    ("iFFT 2^20, one column", "x Rust", 2, 1.0, False, _ifft(0)),
    ("iFFT 2^20, 32 columns", "x Rust", 2, 1.0, False, _ifft(1)),
    ("prove matmul 1024", "s", 20, 6, False, _of("matmul-1024", "total")),
    *(
        (f"verify {kind} at its largest", "ms", 100, 20, False, _of(case, "verify ms"))
        for kind, case in (*LARGEST.items(), ("wide-fibonacci", "wf-20-100"))
    ),
    ("peak memory of matmul 1024", "GiB", 6, 3, False, _scaled(_of("matmul-1024", "MiB"), 1 / 1024)),
    ("vm: cycles proven, 2^18", "k/s", 50, 300, True, _cycles),
    *(
        (f"proof of {kind} at its largest, zstd", "KiB", 256, 128, False, _of(case, "KiB"))
        for kind, case in LARGEST.items()
    ),
    ("GPU: prove matmul 1024", "ms", 300, 100, False, _on_gpu("matmul-1024")),
    ("GPU: prove 2^20 rows x 32", "ms", 300, 100, False, _on_gpu("wf-20-32")),
]


def table(proofs: Rows, transforms: Rows) -> list[dict[str, Any]]:
    """A row for every bar: what was found, and whether the bar and the goal are met."""
    made = []
    for what, unit, bar, goal, more, finder in _BARS:
        value = finder(proofs, transforms)
        verdict = "not measured"
        if value is not None:
            below_bar, below_goal = (value >= limit if more else value <= limit for limit in (bar, goal))
            verdict = "goal met" if below_goal else "bar met" if below_bar else "missed"
        sign = ">=" if more else "<="
        found = "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"
        made.append(
            {
                "what": what,
                "found": found,
                "unit": unit,
                "bar": f"{sign} {bar:g}",
                "goal": f"{sign} {goal:g}",
                "": verdict,
            }
        )
    return made
