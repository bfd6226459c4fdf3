"""Times of the proof system: proofs stage by stage on every backend, beside the Rust prover, and primitives.

    ./run bench prover
    ./run python bench/prover.py [--cases wf-20-32,matmul-1024] [--backends opencl,numpy] [--runs 5]
                                 [--profile FILE] [--harness FILE] [--no-rust] [--no-primitives] [--json]

A case is wf-LOG-COLUMNS (wide Fibonacci of 2^LOG rows), matmul-SIZE, vm-LOG (2^LOG cycles on the longest tapes) or
inference-IMAGES, proven at 96 bits: blowup 4, 38 queries, 20 bits of proof of work, fold step 3.  All runs of a
case are interleaved, backend by backend and with the Rust SIMD prover on all threads where it is built
(interop/README.md).  Every backend proves in a process of its own after one warm-up, and
its memory is that process's peak.  `--once` names cases that are only warmed up: for their size and verification.
`--profile` writes one more run of every case as a Chrome trace (chrome://tracing, ui.perfetto.dev).
The last table sets what was found beside the bars of `bars.py`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
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

import bars
import cases
import numpy as np
import zstandard

from bitsage.obelysk import MatmulJob, matmul
from bitsage.obelysk.matmul_job import TRACE_TREE, matrices_hash
from bitsage.obelysk.statement import has_values_at
from bitsage.opencl.backend import OpenCLBackend
from bitsage.opencl.device import choose, open_device
from bitsage.opencl.errors import DeviceUnknown
from bitsage.stark import Backend, NumpyBackend, P, Proof, blake2s, fft, verify
from bitsage.stark.circle import SecurePoint
from bitsage.stark.grind import grind
from bitsage.stark.prover import STAGES

INTEROP = Path(__file__).parent.parent / "interop"
HARNESS = INTEROP / "target" / "parallel" / "release" / "harness"
CASES = "matmul-16,matmul-64,matmul-256,matmul-1024,wf-16-32,wf-18-32,wf-20-32,wf-20-100,inference-256,vm-18"
ONCE = "vm-20"
BINDING = cases.BINDING
VERIFY_RUNS = 9
_RUST = re.compile(r"prove_s min ([\d.]+) .*cpu_s min ([\d.]+) .*verify_s min ([\d.]+)")


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


def same_matrices(matrices: tuple[Any, Any, Any], point: SecurePoint, samples: Any) -> bool:
    """What a validator does to know that the columns of a proof are the job's: hash the matrices, compare values at z."""
    matrices_hash(*matrices)
    return has_values_at(matmul.trace_columns(*matrices), point, samples)


def product_job(size: int, runs: int) -> dict[str, Any]:
    job, request = MatmulJob(), {"size": size, "seed": 1}
    output = job.run(request)
    hashed = job.output_hash(output)
    proof = job.prove(request, output, BINDING)
    parsed = Proof.from_bytes(proof)
    air, params = job.statement(request, BINDING)
    a, b = job.inputs(request)
    point, samples = verify(air, params, parsed).point, parsed.sampled_values[TRACE_TREE]
    return {
        "n": size,
        "run s": round(best(lambda: job.run(request), runs), 4),
        "verify ms": round(best(lambda: verify(air, params, parsed, required_bits=96), runs) * 1e3, 1),
        "statement ms": round(best(lambda: same_matrices((a, b, output), point, samples), runs) * 1e3, 1),
        "job verify ms": round(best(lambda: job.verify(request, hashed, proof, BINDING), runs) * 1e3, 1),
        "binary B": len(proof),
        "zstd B": len(zstandard.compress(proof)),
        "JSON B": len(parsed.to_json_bytes()),
    }


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


def prove_once(backend: Any, case: cases.Case) -> tuple[Any, dict[str, float]]:
    """The bundle and the start of every stage, with the end under the key 'done'."""
    starts: dict[str, float] = {}

    def progress(stage: str, done: int, stages: int) -> None:
        starts[stage] = time.perf_counter()

    return case.prove(backend, progress), starts


def stage_seconds(starts: dict[str, float]) -> dict[str, float]:
    """Seconds of every stage and their sum."""
    names = [*starts]
    seconds = {a: starts[b] - starts[a] for a, b in pairwise(names)}
    return {**{stage: seconds.get(stage, 0.0) for stage in STAGES}, "total": starts["done"] - starts[names[0]]}


def checked(case: cases.Case, bundle: Any) -> dict[str, Any]:
    """Milliseconds of the verifier, and the proof's size on the network."""
    check = case.checker(bundle)
    check()
    times = []
    for _ in range(VERIFY_RUNS):
        # The verifier has one thread: its own time is what it takes on an idle core.
        start = time.thread_time()
        check()
        times.append(time.thread_time() - start)
    packed = len(zstandard.compress(case.encoded(bundle))) / 1024
    return {"verify ms": round(median(times) * 1e3, 1), "KiB": round(packed, 1), "cycles": case.cycles}


def serve(connection: Any, name: str, backend_name: str) -> None:
    """The process of one backend: proves once for every word it is sent, and tells its peak memory at the end."""
    backend, label = make_backend(backend_name)
    case = cases.make(name)
    bundle, _ = prove_once(backend, case)
    facts = checked(case, bundle)
    connection.send(label)
    while (word := connection.recv()) != "end":
        if word == "trace":
            traced = Traced(backend)
            _, starts = prove_once(traced, case)
            names = [*starts]
            stages = [event(a, starts[a], starts[b], 1) for a, b in pairwise(names)]
            connection.send([*stages, *traced.events])
        else:
            before = time.process_time()
            seconds = stage_seconds(prove_once(backend, case)[1])
            spent = time.process_time() - before
            witness = case.witness_seconds() if case.witness_seconds else 0.0
            connection.send({**seconds, "CPU s": spent, "witness": witness})
    connection.send({"MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), **facts})


def rust_seconds(case: str, harness: Path) -> dict[str, float] | None:
    """Wall and CPU seconds of one run of the Rust prover and verifier on the same statement; None where it has none."""
    kind, *sizes = case.split("-")
    if kind != "wf" or not harness.is_file():
        return None
    words = [harness, "bench", "wf", sizes[1], sizes[0], "s96", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = _RUST.search(done.stdout)
    if done.returncode or not found:
        return None
    return {"total": float(found[1]), "CPU s": float(found[2]), "verify ms": float(found[3]) * 1e3}


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
        facts = connection.recv()
        process.join()
        found = medians(own) or dict.fromkeys((*STAGES, "total", "CPU s", "witness"), "-")
        ratios = {f"{key} x Rust": round(found[key] / rust[key], 2) if rust else "-" for key in ("total", "CPU s")}
        rows.append({"case": case, "prover": label, **found, **ratios, **facts})
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


def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a case, said at once: the whole table comes many minutes later, or never."""
    for row in rows:
        print("bench:", *(f"{key} {row[key]}" for key in ("case", "prover", "total", "CPU s", "MiB")), file=sys.stderr)
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description="Time the proof system.")
    default = "numpy" if choose() is None else "opencl"
    parser.add_argument("--cases", default=CASES, help=f"{cases.NAMES}, comma-separated")
    parser.add_argument("--once", default=ONCE, help="cases that are proven once; an empty word for none")
    parser.add_argument("--backends", default=default, help="opencl, numpy or names of OpenCL devices")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", type=Path, help="write a Chrome trace to this file")
    parser.add_argument("--harness", type=Path, default=HARNESS, help="the Rust prover's harness")
    parser.add_argument("--no-rust", action="store_true", help="leave the Rust prover out")
    parser.add_argument("--no-primitives", action="store_true", help="leave out the primitives and the job table")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--sizes", default="16,64,256", help="matrix sizes of the job table")
    options = parser.parse_args(arguments)
    timed, once = ([c for c in words.split(",") if c] for words in (options.cases, options.once))
    unknown = [case for case in (*timed, *once) if not cases.known(case)]
    if unknown:
        parser.error(f"no case {unknown[0]!r}; cases are {cases.NAMES}")
    events: list[Any] | None = [] if options.profile else None
    names = options.backends.split(",")
    try:
        for name in names:
            make_backend(name)
    except DeviceUnknown as error:
        parser.error(str(error))
    harness = None if options.no_rust else options.harness
    if harness is not None and not harness.is_file():
        print("bench: no Rust prover, so no ratios; interop/README.md says how to build it", file=sys.stderr)
    rows = []
    for case in timed:
        rows += shown(measure(case, names, options.runs, harness, events))
    for case in once:
        rows += shown(measure(case, names[:1], 0, None, None))
    transforms = [] if options.no_primitives else bars.transforms(names[0], options.runs, harness)
    basics = [] if options.no_primitives else primitives(min(3, options.runs))
    jobs = [] if options.no_primitives else [product_job(int(n), options.runs) for n in options.sizes.split(",")]
    if options.profile:
        options.profile.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
    found = bars.table(rows, transforms)
    if options.json:
        print(
            json.dumps({"proofs": rows, "primitives": basics, "transforms": transforms, "matmul": jobs, "bars": found})
        )
        return 0
    devices = ", ".join(dict.fromkeys(make_backend(name)[1] for name in names))
    print(f"# Proofs at 96 bits on {devices}, seconds, medians of {options.runs} interleaved runs\n")
    print(*(table(part) for part in (rows, jobs, basics, transforms, found) if part), sep="\n\n")
    return 0


def run() -> None:
    """The table of `./run bench prover`."""
    main([])


if __name__ == "__main__":
    sys.exit(main())
