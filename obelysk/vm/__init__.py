"""The Obelysk machine: a small register machine over M31 whose runs are proven (docs/vm.md)."""

from .assembler import assemble
from .disassembler import disassemble
from .errors import TRAPS, ProgramInvalid, Trap
from .isa import Instruction, Op, Program
from .job import VmJob
from .machine import Execution, run, trace_lines

__all__ = [
    "TRAPS",
    "Execution",
    "Instruction",
    "Op",
    "Program",
    "ProgramInvalid",
    "Trap",
    "VmJob",
    "assemble",
    "disassemble",
    "run",
    "trace_lines",
]
