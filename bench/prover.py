"""Times of the proof system: proofs stage by stage on every backend, beside the Rust prover, and primitives.

    ./run bench prover
    ./run python bench/prover.py [--cases wf-20-32,matmul-1024] [--backends opencl,numpy] [--runs 5]
                                 [--profile FILE] [--harness FILE] [--no-rust] [--no-primitives] [--json]

A case is wf-LOG-COLUMNS (wide Fibonacci of 2^LOG rows) or matmul-SIZE, proven at 96 bits: blowup 4, 38
queries, 20 bits of proof of work, fold step 3.  All runs of a case are interleaved, backend by backend and with
the Rust SIMD prover where `interop/target/release/harness` is built with its prover (interop/README.md).
Every backend proves in a process of its own after one warm-up, and its memory is that process's peak.
`--profile` writes one more run of every case as a Chrome trace (chrome://tracing, ui.perfetto.dev).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import zstandard

from bitsage.obelysk import MatmulJob, matmul
from bitsage.obelysk.matrices import generate_inputs, product
from bitsage.opencl.backend import OpenCLBackend
from bitsage.opencl.device import choose, open_device
from bitsage.opencl.errors import DeviceUnknown
from bitsage.stark import Air, Backend, NumpyBackend, P, Params, Proof, Trace, blake2s, fft, prove, verify
from bitsage.stark.examples import wide_fibonacci
from bitsage.stark.grind import grind
from bitsage.stark.prover import STAGES, InteractionMaker

HARNESS = Path(__file__).parent.parent / "interop" / "target" / "release" / "harness"
CASES = "matmul-16,matmul-64,matmul-256,matmul-1024,wf-16-32,wf-18-32,wf-20-32,wf-20-100"
BINDING = bytes(32)
_CASE = re.compile(r"wf-\d+-\d+|matmul-\d+")
_RUST_SECONDS = re.compile(r"prove_s min ([\d.]+) .*cpu_s min ([\d.]+)")


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
    return [{"NumPy primitive": name, "milliseconds": round(seconds * 1e3, 2)} for name, seconds in rows]


def product_job(size: int, runs: int) -> dict[str, Any]:
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
        "verify ms": round(best(lambda: verify(air, params, parsed, required_bits=96), runs) * 1e3, 1),
        "recommit ms": round(best(lambda: matmul.commitment(matmul.trace_columns(a, b, output)), runs) * 1e3, 1),
        "job verify ms": round(best(lambda: job.verify(request, hashed, proof, BINDING), runs) * 1e3, 1),
        "binary B": len(proof),
        "zstd B": len(zstandard.compress(proof)),
        "JSON B": len(parsed.to_json_bytes()),
    }


def instance(case: str) -> tuple[Air, Params, Trace, InteractionMaker | None]:
    """The statement and the trace of a case."""
    kind, *sizes = case.split("-")
    if kind == "wf":
        return *wide_fibonacci(matmul.CONFIG, [(int(sizes[0]), int(sizes[1]))]), None
    a, b = generate_inputs(int(sizes[0]), 1)
    c = product(a, b)
    params = matmul.matmul_params(len(a), BINDING)
    columns = matmul.matmul_trace(a, b, c)
    return matmul.matmul_air(), params, columns, lambda drawn: matmul.interaction_columns(a, b, c, drawn)


def make_backend(name: str) -> tuple[Backend, str]:
    """A backend by its name, or by the name of an OpenCL device, and what it calls itself."""
    if name == "numpy":
        return NumpyBackend(), f"NumPy {np.__version__}"
    info = choose(None if name == "opencl" else name)
    if info is None:
        raise DeviceUnknown("there is no OpenCL device")
    return OpenCLBackend(open_device(info)), info.label


class Traced:
    """A backend whose operations are written down as Chrome trace events; each waits for the device."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.events: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        if not callable(value):
            return value

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            result = value(*arguments)
            device = getattr(self._backend, "device", None)
            if device is not None:
                device.finish()
            self.events.append(event(name, start, time.perf_counter(), 2))
            return result

        return timed


def event(name: str, start: float, end: float, row: int) -> dict[str, Any]:
    """A complete event of the Chrome trace format, times in microseconds."""
    return {"name": name, "ph": "X", "ts": start * 1e6, "dur": (end - start) * 1e6, "pid": 1, "tid": row}


def prove_once(backend: Any, given: tuple[Air, Params, Trace, InteractionMaker | None]) -> tuple[Any, dict[str, float]]:
    """The bundle and the start of every stage, with the end under the key 'done'."""
    air, params, columns, interaction = given
    starts: dict[str, float] = {}

    def progress(stage: str, done: int, stages: int) -> None:
        starts[stage] = time.perf_counter()

    return prove(air, params, columns, interaction=interaction, backend=backend, progress=progress), starts


def stage_seconds(starts: dict[str, float]) -> dict[str, float]:
    """Seconds of every stage and their sum."""
    names = [*starts]
    seconds = {a: starts[b] - starts[a] for a, b in pairwise(names)}
    return {**{stage: seconds.get(stage, 0.0) for stage in STAGES}, "total": starts["done"] - starts[names[0]]}


def serve(connection: Any, case: str, name: str) -> None:
    """The process of one backend: proves once for every word it is sent, and tells its peak memory at the end."""
    backend, label = make_backend(name)
    given = instance(case)
    bundle, _ = prove_once(backend, given)
    verify(given[0], bundle.params, bundle.proof)
    connection.send(label)
    while (word := connection.recv()) != "end":
        if word == "trace":
            traced = Traced(backend)
            _, starts = prove_once(traced, given)
            names = [*starts]
            stages = [event(a, starts[a], starts[b], 1) for a, b in pairwise(names)]
            connection.send([*stages, *traced.events])
        else:
            before = time.process_time()
            seconds = stage_seconds(prove_once(backend, given)[1])
            connection.send({**seconds, "CPU s": time.process_time() - before})
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def rust_seconds(case: str, harness: Path) -> dict[str, float] | None:
    """Wall and CPU seconds of one run of the Rust prover on the same statement; None where it has none."""
    kind, *sizes = case.split("-")
    if kind != "wf" or not harness.is_file():
        return None
    words = [harness, "bench", "wf", sizes[1], sizes[0], "s96", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = _RUST_SECONDS.search(done.stdout)
    return {"total": float(found[1]), "CPU s": float(found[2])} if done.returncode == 0 and found else None


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of every key."""
    return {key: round(median(run[key] for run in runs), 3) for key in runs[0]} if runs else {}


def measure(
    case: str, names: list[str], runs: int, harness: Path | None, events: list[Any] | None
) -> list[dict[str, Any]]:
    """Rows of one case: the backends and the Rust prover, with medians of interleaved runs."""
    spawn = multiprocessing.get_context("spawn")
    served = []
    for name in names:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=serve, args=(theirs, case, name))
        process.start()
        theirs.close()
        served.append((ours, process, ours.recv()))
    times: list[list[dict[str, float]]] = [[] for _ in names]
    rusts: list[dict[str, float]] = []
    for _ in range(runs):
        for own, (connection, _, _) in zip(times, served, strict=True):
            connection.send("run")
            own.append(connection.recv())
        if harness is not None and (seconds := rust_seconds(case, harness)) is not None:
            rusts.append(seconds)
    rust, rows = medians(rusts), []
    for own, (connection, process, label) in zip(times, served, strict=True):
        if events is not None:
            connection.send("trace")
            events += [{**e, "pid": f"{case} {label}"} for e in connection.recv()]
        connection.send("end")
        peak = connection.recv()
        process.join()
        found = medians(own)
        ratios = {f"{key} x Rust": round(found[key] / rust[key], 2) if rust else "-" for key in ("total", "CPU s")}
        rows.append({"case": case, "prover": label, **found, **ratios, "MiB": round(peak)})
    if rust:
        rows.append({**dict.fromkeys(rows[0], "-"), "case": case, "prover": "Rust SIMD", **rust})
    return rows


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
    default = "numpy" if choose() is None else "opencl"
    parser.add_argument("--cases", default=CASES, help="wf-LOG-COLUMNS and matmul-SIZE, comma-separated")
    parser.add_argument("--backends", default=default, help="opencl, numpy or names of OpenCL devices")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", type=Path, help="write a Chrome trace to this file")
    parser.add_argument("--harness", type=Path, default=HARNESS, help="the Rust prover's harness")
    parser.add_argument("--no-rust", action="store_true", help="leave the Rust prover out")
    parser.add_argument("--no-primitives", action="store_true", help="leave out the primitives and the job table")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--sizes", default="16,64,256", help="matrix sizes of the job table")
    options = parser.parse_args(arguments)
    unknown = [case for case in options.cases.split(",") if not _CASE.fullmatch(case)]
    if unknown:
        parser.error(f"no case {unknown[0]!r}; cases are wf-LOG-COLUMNS and matmul-SIZE")
    events: list[Any] | None = [] if options.profile else None
    names = options.backends.split(",")
    try:
        for name in names:
            make_backend(name)
    except DeviceUnknown as error:
        parser.error(str(error))
    rows = []
    for case in options.cases.split(","):
        rows += measure(case, names, options.runs, None if options.no_rust else options.harness, events)
    basics = [] if options.no_primitives else primitives(min(3, options.runs))
    jobs = [] if options.no_primitives else [product_job(int(n), options.runs) for n in options.sizes.split(",")]
    if options.profile:
        options.profile.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
    if options.json:
        print(json.dumps({"proofs": rows, "primitives": basics, "matmul": jobs}))
        return 0
    print(f"# Proofs at 96 bits, seconds, medians of {options.runs} interleaved runs, {platform.machine()}\n")
    print(*(table(part) for part in (rows, jobs, basics) if part), sep="\n\n")
    return 0


def run() -> None:
    """The table of `./run bench prover`."""
    main([])


if __name__ == "__main__":
    sys.exit(main())
