"""Times of the device's kernels on their own: transforms, trees and the proof of work.

    ./run bench opencl_kernels
    ./run python bench/opencl_kernels.py [--device NAME] [--runs 9] [--json]

Minimum and median of the runs after one that compiles and fills caches; data lies in device memory.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from bitsage.opencl import choose, fft, merkle
from bitsage.opencl.buffers import ColumnSet, Matrix
from bitsage.opencl.device import Device, open_device
from bitsage.opencl.grind import grind
from bitsage.stark import P

DIGESTS = [bytes([k]) * 32 for k in range(15)]


def measured(device: Device, name: str, work: Callable[[], Any], runs: int, per: int = 1) -> dict[str, Any]:
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        work()
        device.finish()
        times.append((time.perf_counter() - start) / per * 1e3)
    return {"kernel": name, "min ms": round(min(times[1:]), 2), "median ms": round(median(times[1:]), 2)}


def rows(device: Device, runs: int) -> Iterator[dict[str, Any]]:
    columns = np.random.default_rng(1).integers(0, P, (32, 1 << 20), dtype=np.uint32)
    many, one = Matrix.of(device, columns), Matrix.of(device, columns[:1])
    sixteen = ColumnSet.of_matrix(Matrix.of(device, columns[:16]))
    secure = Matrix.of(device, columns[:4])
    for count, matrix in ((1, one), (32, many)):
        inputs = list(ColumnSet.of_matrix(matrix))
        yield measured(device, f"interpolate 2^20, {count} columns", lambda c=inputs: fft.interpolate(device, c), runs)
        for blowup in (1, 2):
            name = f"extend 2^20 to 2^{20 + blowup}, {count} columns"
            yield measured(device, name, lambda m=matrix, b=blowup: fft.evaluate(device, m, 20 + b), runs)
    yield measured(device, "BLAKE2s tree 2^20 x 16", lambda: merkle.commit(device, sixteen, 20), runs)
    yield measured(device, "FRI layer 2^20, packed", lambda: merkle.commit_layer(device, secure, True), runs)
    work = lambda: [grind(device, digest, 20) for digest in DIGESTS]  # noqa: E731
    yield measured(device, "proof of work, 20 bits (mean of 15)", work, runs, len(DIGESTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="number or part of the name")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report(options.device, options.runs, options.json)


def report(wanted: str | None, runs: int, as_json: bool) -> None:
    info = choose(wanted)
    if info is None:
        print("opencl_kernels: no OpenCL device is present")
        return
    found = list(rows(open_device(info), runs))
    if as_json:
        print(json.dumps({"device": info.label, "load": os.getloadavg()[0], "rows": found}))
        return
    print(f"device: {info.label}, {info.driver}; load {os.getloadavg()[0]:.1f}")
    width = max(len(row["kernel"]) for row in found)
    print(f"| {'kernel':<{width}} | min ms | median ms |\n|{'-' * (width + 2)}|-------:|----------:|")
    for row in found:
        print(f"| {row['kernel']:<{width}} | {row['min ms']:>6} | {row['median ms']:>9} |")


def run() -> None:
    report(None, 9, False)


if __name__ == "__main__":
    main()
