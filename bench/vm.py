"""Cycles of the Obelysk machine proven a second, from the program to the proof's bytes.

./run bench vm
"""

import random
import statistics
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import zstandard
from prover import table

from bitsage.obelysk.vm import assemble
from bitsage.obelysk.vm.machine import run as run_program
from bitsage.obelysk.vm.proving import prove_run, verify_run
from bitsage.stark import NumpyBackend

EXAMPLES = Path(__file__).parents[1] / "examples" / "vm"
BINDING = bytes(32)
RUNS = 5


def programs() -> dict[str, list[int]]:
    """Programs with inputs: registers only, every kind of chip, memory and comparison."""
    chance = random.Random(1)
    return {
        "fibonacci": [43_600],
        "crc16": [2040, *(chance.randrange(256) for _ in range(2040))],
        "sort": [300, *(chance.randrange(2**31 - 1) for _ in range(300))],
    }


def prove_once(execution: Any) -> tuple[str, Any]:
    """The device and the proof; the best OpenCL device where there is one."""
    fallback = getattr(import_module("bitsage.opencl"), "prove_with_fallback", None)
    if fallback is None:
        return "numpy", prove_run(execution, BINDING, backend=NumpyBackend())
    made = fallback(lambda backend: prove_run(execution, BINDING, backend=backend))
    return made.device, made.result


def measured(name: str, inputs: list[int]) -> dict[str, Any]:
    """One program: medians of RUNS, after one run that compiles kernels."""
    program = assemble((EXAMPLES / f"{name}.asm").read_text(encoding="utf-8"))
    runs, proofs, checks = [], [], []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        execution = run_program(program, inputs)
        ran = time.perf_counter()
        device, proof = prove_once(execution)
        proven = time.perf_counter()
        verify_run(program, inputs, execution.cycles, proof, BINDING)
        runs.append(ran - started)
        proofs.append(proven - ran)
        checks.append(time.perf_counter() - proven)
    run_s, prove_s, verify_s = (statistics.median(times[1:]) for times in (runs, proofs, checks))
    data = proof.to_bytes()
    return {
        "program": name,
        "device": device,
        "cycles": execution.cycles,
        "rows": f"2^{proof.sizes[0]}",
        "run s": round(run_s, 2),
        "prove s": round(prove_s, 2),
        "k cycles/s": round(execution.cycles / (run_s + prove_s) / 1e3, 1),
        "verify ms": round(verify_s * 1e3, 1),
        "proof B": len(data),
        "zstd B": len(zstandard.compress(data)),
    }


def run() -> None:
    """The table of `./run bench vm`."""
    print(f"# The Obelysk machine, medians of {RUNS}\n")
    print(table([measured(name, inputs) for name, inputs in programs().items()]))


if __name__ == "__main__":
    run()
