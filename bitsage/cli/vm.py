"""`sage vm`: write, run, prove and verify programs of the Obelysk machine (docs/vm.md)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitsage.errors import InputError

from . import output
from .context import config

if TYPE_CHECKING:
    from bitsage.obelysk.vm import Execution, Program
    from bitsage.opencl.plan import MemoryPlan

vm_app = typer.Typer(
    help="The Obelysk machine: assemble, run, prove and verify programs (docs/vm.md).", no_args_is_help=True
)

_MAX_FILE = 1 << 20
_BINDING_BYTES = 32

ProgramFile = Annotated[
    Path, typer.Argument(metavar="PROGRAM", help="Assembly text, or a program file as `sage vm asm` writes it.")
]
Inputs = Annotated[str, typer.Option("--input", help="The input tape: integers separated by commas; -1 is p - 1.")]
Binding = Annotated[str, typer.Option("--binding", help="32 bytes as hex digits that the proof carries along.")]
Cycles = Annotated[int, typer.Option("--max-cycles", min=1, help="Cycles after which the run fails, up to 2^20.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
_DEFAULT_CYCLES = 1 << 18


@vm_app.command("asm", epilog="Example: sage vm asm examples/vm/sort.asm --out sort.bin")
def assemble_command(
    program: ProgramFile,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the program file goes.")],
    as_json: AsJson = False,
) -> None:
    """Assemble a text into a program file."""
    found = _program(program)
    out.write_bytes(found.to_bytes())
    _tell({"instructions": len(found.instructions), "bytes": len(found.to_bytes()), "file": str(out)}, as_json)


@vm_app.command("disasm", epilog="Example: sage vm disasm sort.bin")
def disassemble_command(program: ProgramFile, as_json: AsJson = False) -> None:
    """Show a program as assembly text."""
    from bitsage.obelysk.vm import disassemble

    found = _program(program)
    lines = disassemble(found).splitlines()
    if as_json:
        output.emit_json({"instructions": len(found.instructions), "assembly": lines})
        return
    for line in lines:
        output.say(line)


@vm_app.command("run", epilog="Example: sage vm run examples/vm/collatz.asm --input 27 --trace")
def run_command(
    program: ProgramFile,
    inputs: Inputs = "",
    max_cycles: Cycles = _DEFAULT_CYCLES,
    trace: Annotated[bool, typer.Option("--trace", help="Show every cycle: number, pc, instruction, effect.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a program and show what it writes."""
    from bitsage.obelysk.vm import trace_lines

    done = _run(program, inputs, max_cycles)
    if trace:
        show = output.remark if as_json else output.say
        for line in trace_lines(done):
            show(line)
    _tell(_facts(done), as_json)


@vm_app.command("prove", epilog="Example: sage vm prove examples/vm/collatz.asm --input 27 --out collatz.proof")
def prove_command(
    program: ProgramFile,
    out: Annotated[Path, typer.Option("--out", metavar="PROOF", help="Where the proof goes.")],
    inputs: Inputs = "",
    max_cycles: Cycles = _DEFAULT_CYCLES,
    binding: Binding = "",
    device: Annotated[
        str | None, typer.Option("--device", help="What it is made on, as `sage devices` lists it; default: the best.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show first how much device memory the proof takes, stage by stage.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a program and prove the run."""
    from bitsage.obelysk.vm.proving import prove_run
    from bitsage.opencl import prove_with_fallback

    bound = _binding(binding)
    done = _run(program, inputs, max_cycles)
    wanted = device or config().device
    plan, planned = _explained(done, bound, wanted, as_json) if explain else (None, {})
    started = time.monotonic()
    with output.bars() as bars:
        proved = prove_with_fallback(
            lambda backend: prove_run(
                done,
                bound,
                progress=lambda stage, number, total: bars.update("prove", stage, number, total),
                backend=backend,
            ),
            wanted=wanted,
            plan=plan,
        )
    proof = proved.result.to_bytes()
    spent = time.monotonic() - started
    out.write_bytes(proof)
    made = {
        "device": proved.device,
        "mode": proved.mode,
        "proof_bytes": len(proof),
        "prove_seconds": round(spent, 3),
        "file": str(out),
    }
    _tell({**planned, **_facts(done), **made}, as_json)


@vm_app.command("verify", epilog="Example: sage vm verify examples/vm/collatz.asm collatz.proof --input 27")
def verify_command(
    program: ProgramFile,
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="A proof that `sage vm prove` made.")],
    inputs: Inputs = "",
    max_cycles: Cycles = _DEFAULT_CYCLES,
    binding: Binding = "",
    as_json: AsJson = False,
) -> None:
    """Verify a proof for a program and its input, without running it; shows what the program writes."""
    from bitsage.obelysk.vm.proof import VmProof
    from bitsage.obelysk.vm.proving import verify_run

    found, tape, bound = _program(program), _tape(inputs), _binding(binding)
    started = time.monotonic()
    claimed = VmProof.from_bytes(_read(proof))
    verified = verify_run(found, tape, max_cycles, claimed, bound)
    facts = {
        "accepted": True,
        "output": list(claimed.outputs),
        "cycles": claimed.cycles,
        "inputs_read": claimed.inputs_read,
        "security_bits": verified.security_bits,
        "verify_seconds": round(time.monotonic() - started, 3),
    }
    _tell(facts, as_json)


@vm_app.command("job", epilog="Example: sage vm job examples/vm/collatz.asm --input 27 --out job.json")
def job_command(
    program: ProgramFile,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.json", help="Where the job's input goes.")],
    inputs: Inputs = "",
    max_cycles: Cycles = _DEFAULT_CYCLES,
    as_json: AsJson = False,
) -> None:
    """Write the input of a job of the type vm, for `sage-coordinator submit-job --type vm --input FILE.json`."""
    from bitsage.obelysk import write_input
    from bitsage.obelysk.vm import VmJob
    from bitsage.obelysk.vm.job import encode_words

    found, tape = _program(program), _tape(inputs)
    request = {"program": found.to_bytes(), "inputs": encode_words(tape), "max_cycles": max_cycles}
    VmJob().validate(request)
    text = write_input(request)
    out.write_text(text, encoding="utf-8")
    _tell({"instructions": len(found.instructions), "inputs": len(tape), "bytes": len(text), "file": str(out)}, as_json)


def _run(program: Path, inputs: str, max_cycles: int) -> Execution:
    from bitsage.obelysk.vm import run
    from bitsage.obelysk.vm.machine import MAX_CYCLES

    if max_cycles > MAX_CYCLES:
        raise InputError("bad_argument", f"--max-cycles is at most {MAX_CYCLES}")
    return run(_program(program), _tape(inputs), max_cycles)


def _explained(
    done: Execution, binding: bytes, wanted: str | None, as_json: bool
) -> tuple[MemoryPlan, dict[str, object]]:
    """The memory plan of the run's proof, and what --json says of it; without --json it is printed."""
    from bitsage.obelysk.vm.proving import statement_of
    from bitsage.obelysk.vm.trace import vm_trace

    from .memory_plan import explain

    statement = statement_of(done, binding)
    plan, said = explain(statement.air(), statement.params(vm_trace(done)[0]), wanted, show=not as_json)
    return plan, {"plan": said} if as_json else {}


def _facts(done: Execution) -> dict[str, object]:
    return {"output": list(done.outputs), "cycles": done.cycles, "inputs_read": done.inputs_read}


def _program(path: Path) -> Program:
    from bitsage.obelysk.vm import Program, ProgramInvalid, assemble
    from bitsage.obelysk.vm.isa import MAGIC

    data = _read(path)
    if data.startswith(MAGIC[:4]):
        return Program.from_bytes(data)
    try:
        return assemble(data.decode())
    except UnicodeDecodeError:
        raise ProgramInvalid(f"{path} is neither a program file nor text") from None


def _tape(text: str) -> tuple[int, ...]:
    from bitsage.obelysk.vm.job import decode_words, encode_words
    from bitsage.stark import P

    try:
        words = [int(word, 0) for word in text.split(",")] if text.strip() else []
    except ValueError:
        raise InputError("bad_argument", "--input takes integers separated by commas") from None
    if any(not -P < word < P for word in words):
        raise InputError("bad_argument", "the words of --input must be between -p and p = 2^31 - 1")
    return decode_words(encode_words([word % P for word in words]))


def _binding(text: str) -> bytes:
    try:
        data = bytes.fromhex(text) if text else bytes(_BINDING_BYTES)
    except ValueError:
        data = b""
    if len(data) != _BINDING_BYTES:
        raise InputError("bad_argument", "--binding takes 64 hexadecimal digits")
    return data


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MAX_FILE + 1)
    if len(data) > _MAX_FILE:
        raise InputError("file_error", f"{path} is larger than {_MAX_FILE} bytes")
    return data


def _tell(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        output.emit_json(facts)
        return
    shown = {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in facts.items()}
    output.facts(shown)
