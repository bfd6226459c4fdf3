"""Times of the proof system: primitives, and matrix products from input to verdict.

    ./run bench prover
    ./run python bench/prover.py [--sizes 16,64,256] [--runs 3] [--json]

Every figure is the best of the runs, after one warm-up that fills the caches (twiddles, domains).
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import zstandard

from bitsage.obelysk import MatmulJob
from bitsage.obelysk.matmul import commitment, trace_columns
from bitsage.stark import P, Proof, blake2s, fft, verify
from bitsage.stark.grind import grind

BINDING = bytes(32)


def best(action: Callable[[], Any], runs: int) -> float:
    """Seconds of the fastest of `runs` calls, after one call that is not counted."""
    action()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def primitives(runs: int) -> list[dict[str, Any]]:
    chance = np.random.default_rng(1)
    columns = chance.integers(0, P, (4, 1 << 18), dtype=np.uint32)
    words = chance.integers(0, 2**32, (16, 1 << 18), dtype=np.uint32)
    digests = [bytes([k]) * 32 for k in range(8)]
    ffts = len(columns)
    rows = [
        ("interpolate 2^18, one column", best(lambda: fft.interpolate(columns), runs) / ffts),
        ("extend 2^16 to 2^18, one column", best(lambda: fft.evaluate(columns[:, : 1 << 16], 18), runs) / ffts),
        ("2^18 BLAKE2s compressions", best(lambda: blake2s.hash_words(words), runs)),
        ("proof of work, 20 bits (mean of 8)", best(lambda: [grind(d, 20) for d in digests], 1) / len(digests)),
    ]
    return [{"primitive": name, "milliseconds": round(seconds * 1e3, 2)} for name, seconds in rows]


def matmul(size: int, runs: int) -> dict[str, Any]:
    job, request = MatmulJob(), {"size": size, "seed": 1}
    output = job.run(request)
    hashed = job.output_hash(output)
    proof = job.prove(request, output, BINDING)
    parsed = Proof.from_bytes(proof)
    air, params = job.statement(request, BINDING)
    a, b = job.inputs(request)
    return {
        "n": size,
        "run s": round(best(lambda: job.run(request), runs), 4),
        "prove s": round(best(lambda: job.prove(request, output, BINDING), max(1, runs // 2)), 2),
        "verify ms": round(best(lambda: verify(air, params, parsed, required_bits=96), runs) * 1e3, 1),
        "recommit ms": round(best(lambda: commitment(trace_columns(a, b, output)), runs) * 1e3, 1),
        "job verify ms": round(best(lambda: job.verify(request, hashed, proof, BINDING), runs) * 1e3, 1),
        "binary B": len(proof),
        "zstd B": len(zstandard.compress(proof)),
        "JSON B": len(parsed.to_json_bytes()),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of rows with equal keys."""
    lines = [list(rows[0]), *([str(v) for v in row.values()] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (w + 1) + ":" for w in widths) + "|")
    return "\n".join(text)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description="Time the proof system.")
    parser.add_argument("--sizes", default="16,64,256", help="matrix sizes, comma-separated")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    basics = primitives(options.runs)
    products = [matmul(int(size), options.runs) for size in options.sizes.split(",")]
    if options.json:
        print(json.dumps({"primitives": basics, "matmul": products}))
        return 0
    print(f"# Proof system, NumPy {np.__version__} on {platform.machine()}, best of {options.runs}\n")
    print(table(basics), table(products), sep="\n\n")
    return 0


def run() -> None:
    """The table of `./run bench prover`."""
    main([])


if __name__ == "__main__":
    sys.exit(main())
