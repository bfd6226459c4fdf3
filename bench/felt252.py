"""STARK field elements, points and small logarithms on the device, against Python and the point library in one run.

    ./run bench felt252
    ./run python bench/felt252.py [--device NAME] [--runs 7] [--json]

Both sides take turns; medians. "Resident" counts the kernel alone, data lying in device memory; "with transfer" counts both
ways of words between host and device, but not the making of Python's integers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from bitsage.opencl import choose
from bitsage.opencl.baby_giant import GiantSteps, baby_table
from bitsage.opencl.curve252 import PointBatch
from bitsage.opencl.device import Device, open_device
from bitsage.opencl.felt252 import FIELD_PRIME, FeltBatch
from bitsage.privacy.curve import ORDER, G
from bitsage.privacy.dlog import shared_table

LOG_PRODUCTS = 16
LOG_SUMS = 18
rng = random.Random(252)


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def versus(name: str, host: Callable[[], Any], device: Callable[[], Any], scale: tuple[int, int], runs: int) -> dict:
    """One row: operations a second of both, measured in turns; `scale` is what one call of each does."""
    device()
    pairs = [(seconds(host), seconds(device)) for _ in range(runs)]
    a, b = scale[0] / median(p[0] for p in pairs), scale[1] / median(p[1] for p in pairs)
    return {"what": name, "host /s": round(a), "device /s": round(b), "ratio": round(b / a, 1)}


def products(device: Device, runs: int) -> list[dict]:
    n = 1 << LOG_PRODUCTS
    left, right = ([rng.randrange(FIELD_PRIME) for _ in range(n)] for _ in range(2))
    a, b = FeltBatch.of(device, left), FeltBatch.of(device, right)
    plain = lambda: [x * y % FIELD_PRIME for x, y in zip(left, right, strict=True)]  # noqa: E731

    def resident() -> None:
        for _ in range(16):
            a.times(b)
        device.finish()

    words = device.download(a.buffer, (8, a.size)), device.download(b.buffer, (8, b.size))

    def transferred() -> None:
        x, y = (FeltBatch(device, device.upload(w), n, a.size, a.rows) for w in words)
        product = x.times(y)
        device.download(product.buffer, (8, product.size))

    return [
        versus("2^16 products, resident, against `a * b % p`", plain, resident, (n, 16 * n), runs),
        versus("2^16 products, with transfer", plain, transferred, (n, n), runs),
        versus(
            "inverses, against pow(a, -1, p)",
            lambda: [pow(x, -1, FIELD_PRIME) for x in left[:2000]],
            lambda: (a.inverses(), device.finish()),
            (2000, n),
            runs,
        ),
    ]


def points(device: Device, runs: int) -> list[dict]:
    some = [rng.randrange(1, ORDER) * G for _ in range(512)]
    plain = [(p.x, p.y) for p in some]
    n = 1 << LOG_SUMS
    batch = PointBatch.of(device, plain)
    left, right = np.random.default_rng(1).integers(0, 512, (2, n), dtype=np.uint32)

    def library() -> None:
        for p, q in zip(some, reversed(some), strict=True):
            p + q

    rows = [
        versus("sums of points", library, lambda: (batch.sums(left, right), device.finish()), (512, n), runs),
    ]
    for count in (512, 16_384):
        scalars = [rng.randrange(ORDER) for _ in range(count)]
        many = PointBatch.of(device, [plain[i % 512] for i in range(count)])
        rows.append(
            versus(
                f"multi-scalar multiplication of {count} points, against single multiplications",
                lambda s=scalars: [k * p for k, p in zip(s[:64], some, strict=False)],
                lambda m=many, s=scalars: m.multi_scalar(s),
                (64, count),
                runs,
            )
        )
    return rows


def logarithms(device: Device, runs: int) -> list[dict]:
    table = shared_table()
    base = (G.x, G.y)
    giant = GiantSteps.of(device, base, table.keys, table.steps)
    targets = [rng.randrange(1 << 40) * G for _ in range(8)]
    at = iter(targets * (runs + 1))

    def on_device() -> None:
        target = next(at)
        next(iter(giant.candidates((target.x, target.y), 1 << 40)))

    here = iter(targets * (runs + 1))
    return [
        versus("40-bit amounts decrypted", lambda: table.find(next(here)), on_device, (1, 1), runs),
        versus(
            "baby steps made (2^16)",
            lambda: type(table).build(12),
            lambda: baby_table(device, base, 16),
            (1 << 12, 1 << 16),
            max(1, runs // 2),
        ),
    ]


def run(device_name: str | None = None, runs: int = 7, as_json: bool = False) -> None:
    """Print the table."""
    info = choose(device_name or os.environ.get("SAGE_DEVICE"))
    if info is None:
        print("felt252: no OpenCL device, nothing to compare")
        return
    device = open_device(info)
    rows = [*products(device, runs), *points(device, runs), *logarithms(device, runs)]
    if as_json:
        print(json.dumps({"device": info.label, "rows": rows}))
        return
    print(f"\nfelt252 on {info.label}")
    print(f"| {' | '.join(rows[0])} |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['host /s']:,} | {row['device /s']:,} | {row['ratio']} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="number or part of the name")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    run(options.device, options.runs, options.json)


if __name__ == "__main__":
    main()
