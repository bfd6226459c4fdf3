"""What `bench/prover.py` proves: statements with their traces, by name, all at 96 bits."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bitsage.obelysk import MatmulJob, matmul
from bitsage.obelysk.inference import InferenceJob, default_model
from bitsage.obelysk.matrices import generate_inputs, product
from bitsage.obelysk.vm import assemble
from bitsage.obelysk.vm.isa import MAX_PROGRAM, MAX_TAPE, Program
from bitsage.obelysk.vm.machine import run as run_program
from bitsage.obelysk.vm.proof import VmProof
from bitsage.obelysk.vm.proving import statement_of, verify_run
from bitsage.obelysk.vm.trace import vm_trace
from bitsage.stark import Air, P, Params, ProofBundle, Trace, prove, verify
from bitsage.stark.examples import wide_fibonacci
from bitsage.stark.prover import InteractionMaker

BINDING = bytes(32)
NAMES = "wf-LOG-COLUMNS, matmul-SIZE, vm-LOG and inference-IMAGES"
_NAME = re.compile(r"wf-\d+-\d+|(matmul|vm|inference)-\d+")
#: Reads and writes all words of both tapes, uses every chip, then counts down.
_PROGRAM = """
        loadi r2, {words}
next:   read r1
        lt r5, r1, r2
        xor r6, r1, r2
        store r6, [r2]
        load r7, [r2]
        write r7
        sub r2, r2, r3
        jnz r2, next
        loadi r2, {turns}
turn:   and r6, r2, r3
        sub r2, r2, r3
        jnz r2, turn
        halt
"""


@dataclass(slots=True)
class Case:
    """A statement with its trace; `checker` is what its verifier does with a proof, `encoded` the network's bytes."""

    air: Air
    params: Params
    trace: Trace
    checker: Callable[[ProofBundle], Callable[[], object]]
    encoded: Callable[[ProofBundle], bytes]
    interaction: InteractionMaker | None = None
    cycles: int = 0
    witness_seconds: Callable[[], float] | None = None

    def prove(self, backend: Any, progress: Any = None) -> ProofBundle:
        """A proof by a backend."""
        return prove(
            self.air, self.params, self.trace, interaction=self.interaction, backend=backend, progress=progress
        )


def known(name: str) -> bool:
    """Whether a case has this name."""
    return _NAME.fullmatch(name) is not None


def make(name: str) -> Case:
    """The case of a name."""
    kind, *sizes = name.split("-")
    size = int(sizes[0])
    if kind == "wf":
        return _plain(*wide_fibonacci(matmul.CONFIG, [(size, int(sizes[1]))]))
    return {"matmul": _matmul, "vm": _vm, "inference": _inference}[kind](size)


def _plain(air: Air, params: Params, trace: Trace, interaction: InteractionMaker | None = None) -> Case:
    return Case(
        air,
        params,
        trace,
        lambda made: lambda: verify(air, params, made.proof, required_bits=96),
        lambda made: made.proof.to_bytes(),
        interaction,
    )


def _matmul(size: int) -> Case:
    a, b = generate_inputs(size, 1)
    c = product(a, b)
    params = MatmulJob().statement({"size": size, "seed": 1}, BINDING)[1]
    trace = matmul.matmul_trace(a, b, c)
    return _plain(matmul.matmul_air(), params, trace, lambda drawn: matmul.interaction_columns(a, b, c, drawn))


def _inference(images: int) -> Case:
    job, request = InferenceJob(), {"model": default_model().hash.hex(), "digits": f"0-{images - 1}"}
    output = job.run(request)
    air, params = job.statement(request, BINDING)
    return _plain(air, params, job.witness(request), lambda drawn: [job.interaction(request, output, drawn)])


def vm_program(log_size: int) -> Program:
    """The longest program on the longest tapes, of nearly 2^log_size cycles and no more."""
    fixed = 8 * MAX_TAPE + 4
    turns = max(1, ((1 << log_size) - fixed) // 3)
    text = ".const ONE 1\n        loadi r3, ONE\n" + _PROGRAM.format(words=MAX_TAPE, turns=turns)
    lines = len(assemble(text).instructions)
    return assemble(text + "        nop\n" * (MAX_PROGRAM - lines))


def _vm(log_size: int) -> Case:
    program = vm_program(log_size)
    chance = random.Random(1)
    inputs = [chance.randrange(P) for _ in range(MAX_TAPE)]
    execution = run_program(program, inputs)
    statement = statement_of(execution, BINDING)
    sizes, trace = vm_trace(execution)

    def witness_seconds() -> float:
        start = time.perf_counter()
        vm_trace(run_program(program, inputs))
        return time.perf_counter() - start

    def claimed(made: ProofBundle) -> VmProof:
        sums, proof = made.params.claimed_sums, made.proof.to_bytes()
        return VmProof(execution.cycles, execution.inputs_read, execution.outputs, sizes, sums, proof)

    def checker(made: ProofBundle) -> Callable[[], object]:
        proof = claimed(made)
        return lambda: verify_run(program, inputs, execution.cycles, proof, BINDING)

    return Case(
        statement.air(),
        statement.params(sizes),
        trace,
        checker,
        lambda made: claimed(made).to_bytes(),
        cycles=execution.cycles,
        witness_seconds=witness_seconds,
    )
