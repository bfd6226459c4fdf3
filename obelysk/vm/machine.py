"""The machine: runs a program and records what the proof needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bitsage.stark import P
from bitsage.stark.vectors import U32

from .disassembler import format_instruction
from .errors import Trap
from .isa import MAX_TAPE, MEMORY_WORDS, Instruction, Op, Program
from .micro import SINK, Function, Kind, MicroOp, lower

MAX_CYCLES = 1 << 20
#: Words from HALF up are negative to RELU: HALF = (p + 1) / 2.
HALF = (P + 1) // 2


@dataclass(frozen=True, slots=True)
class Execution:
    """A finished run: per cycle the program counter, the two operands and the result; and the outputs."""

    program: Program
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    inputs_read: int
    pc: U32
    a: U32
    b: U32
    c: U32

    @property
    def cycles(self) -> int:
        """Number of executed instructions, HALT included."""
        return len(self.pc)


def alu(function: int, a: int, b: int) -> int:
    """The functions of the kind ALU on canonical words.

    LT, MIN and MAX compare integers 0..p-1; AND, OR and XOR work on 31-bit words, and a result of 2^31 - 1,
    which is p, is the word 0; RELU gives 0 for words from (p + 1) / 2 up.
    """
    match function:
        case Function.LT:
            return int(a < b)
        case Function.MIN:
            return min(a, b)
        case Function.MAX:
            return max(a, b)
        case Function.RELU:
            return a if a < HALF else 0
        case Function.AND:
            return a & b
        case Function.OR:
            return (a | b) % P
    return (a ^ b) % P


class _Machine:
    def __init__(self, program: Program, inputs: Sequence[int]) -> None:
        self.ops: tuple[MicroOp, ...] = lower(program)
        self.inputs = inputs
        self.registers = [0] * (SINK + 1)
        self.memory: dict[int, int] = {}
        self.outputs: list[int] = []
        self.read = 0
        self.rows: tuple[list[int], list[int], list[int], list[int]] = ([], [], [], [])

    def run(self, max_cycles: int) -> None:
        """Until HALT.  Raises Trap."""
        registers, ops = self.registers, self.ops
        kinds = tuple(int(op.kind) for op in ops)
        put_pc, put_a, put_b, put_c = (row.append for row in self.rows)
        add, sub, mul, jeq, jne = int(Kind.ADD), int(Kind.SUB), int(Kind.MUL), int(Kind.JEQ), int(Kind.JNE)
        pc, end = 0, len(ops)
        for _ in range(max_cycles):
            if pc >= end:
                raise self._trap("bad_pc", pc)
            kind = kinds[pc]
            _, d, s1, s2, imm = ops[pc]
            a, b = registers[s1], registers[s2]
            following = pc + 1
            if kind == add:
                c = (a + b + imm) % P
            elif kind == jeq:
                c = int(a == b)
                following = imm if c else following
            elif kind == jne:
                c = int(a == b)
                following = following if c else imm
            elif kind == sub:
                c = (a - b) % P
            elif kind == mul:
                c = a * b % P
            else:
                c, following = self._rare(kind, pc, a, b, imm)
            put_pc(pc)
            put_a(a)
            put_b(b)
            put_c(c)
            registers[d] = c
            if following < 0:
                return
            pc = following
        raise self._trap("cycle_limit", pc)

    def _rare(self, kind: int, pc: int, a: int, b: int, imm: int) -> tuple[int, int]:
        """Result and next program counter of the other kinds; the latter is -1 after HALT."""
        following = pc + 1
        match kind:
            case Kind.ALU:
                return alu(imm, a, b), following
            case Kind.LOAD:
                return self.memory.get(self._address(a + imm, pc), 0), following
            case Kind.STORE:
                self.memory[self._address(a + imm, pc)] = b
                return b, following
            case Kind.DIV:
                if b == 0:
                    raise self._trap("division_by_zero", pc)
                return a * pow(b, -1, P) % P, following
            case Kind.CALL:
                return pc + 1, imm
            case Kind.RET:
                return 0, a
            case Kind.READ:
                if self.read == len(self.inputs):
                    raise self._trap("input_exhausted", pc)
                self.read += 1
                return self.inputs[self.read - 1], following
            case Kind.WRITE:
                if len(self.outputs) == MAX_TAPE:
                    raise self._trap("output_full", pc)
                self.outputs.append(a)
                return a, following
        return 0, -1

    def _address(self, value: int, pc: int) -> int:
        address = value % P
        if address >= MEMORY_WORDS:
            raise self._trap("address", pc)
        return address

    def _trap(self, kind: str, pc: int) -> Trap:
        return Trap(kind, len(self.rows[0]), pc)


def run(program: Program, inputs: Sequence[int] = (), max_cycles: int = MAX_CYCLES) -> Execution:
    """Run a program on its public input, words in 0..p-1.

    Raises Trap when it does not halt within `max_cycles`, divides by zero, leaves program or memory,
    reads more input than there is or writes more output than the tape holds.
    """
    machine = _Machine(program, inputs)
    machine.run(max_cycles)
    pc, a, b, c = (np.array(row, dtype=np.uint32) for row in machine.rows)
    return Execution(program, tuple(inputs), tuple(machine.outputs), machine.read, pc, a, b, c)


def trace_lines(execution: Execution, limit: int | None = None) -> Iterator[str]:
    """The run for people, one line a cycle: cycle, program counter, instruction, what it read and did."""
    program = execution.program.instructions
    count = execution.cycles if limit is None else min(limit, execution.cycles)
    columns = (column[:count].tolist() for column in (execution.pc, execution.a, execution.c))
    for cycle, (pc, a, c) in enumerate(zip(*columns, strict=True)):
        instruction = program[pc]
        text = format_instruction(instruction, labels=len(program))
        yield f"{cycle:>7} {pc:>5}  {text:<28} {_effect(instruction, a, c)}".rstrip()


def _effect(instruction: Instruction, a: int, c: int) -> str:
    op, rd = instruction.op, instruction.rd
    match op:
        case Op.JMP | Op.HALT:
            return ""
        case Op.JZ | Op.JNZ:
            return f"{a}: {'jump' if (op == Op.JZ) == bool(c) else 'no jump'}"
        case Op.STORE:
            return f"[{(a + instruction.imm) % P}] = {c}"
        case Op.LOAD:
            return f"r{rd} = {c} from [{(a + instruction.imm) % P}]"
        case Op.WRITE:
            return f"output {c}"
        case Op.READ:
            return f"r{rd} = {c} from the input"
        case Op.RET:
            return f"to {a}"
    return f"r{rd} = {c}"
