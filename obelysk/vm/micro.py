"""Micro-operations: what the machine and the proof execute.

Every instruction is one micro-operation; several instructions share one, with operands that the lowering
fixes.  Lowering is a public, deterministic function of the program, so the verifier does it too.

    instruction       kind   d    s1   s2   imm         instruction    kind   d    s1   s2   imm
    ADD               ADD    rd   rs1  rs2  0           CALL           CALL   rd   0    0    imm
    LOADI             ADD    rd   0    0    imm         RET            RET    sink rs1  0    0
    SUB               SUB    rd   rs1  rs2  0           LT AND OR ...  ALU    rd   rs1  rs2  function
    NEG               SUB    rd   0    rs1  0           RELU           ALU    rd   rs1  0    function
    MUL, DIV          same   rd   rs1  rs2  0           LOAD           LOAD   rd   rs1  0    imm
    EQ                JEQ    rd   rs1  rs2  pc + 1      STORE          STORE  sink rs1  rs2  imm
    JMP               JEQ    sink 0    0    imm         READ           READ   rd   0    0    0
    JZ                JEQ    sink rs1  0    imm         WRITE          WRITE  sink rs1  0    0
    JNZ               JNE    sink rs1  0    imm         HALT           HALT   sink 0    0    0

A destination r0 becomes the sink, cell 32, which no instruction reads: that is why r0 stays 0.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from .isa import Instruction, Op, Program

SINK = 32


class Kind(IntEnum):
    """Kinds of micro-operations; the numbers are those of the program table."""

    ADD = 1
    SUB = 2
    MUL = 3
    DIV = 4
    JEQ = 5
    JNE = 6
    CALL = 7
    RET = 8
    ALU = 9
    LOAD = 10
    STORE = 11
    READ = 12
    WRITE = 13
    HALT = 14


class Function(IntEnum):
    """Functions of the kind ALU; the number is the micro-operation's immediate."""

    LT = 1
    MIN = 2
    MAX = 3
    RELU = 4
    AND = 5
    OR = 6
    XOR = 7


class MicroOp(NamedTuple):
    """One row of the program table, without its index."""

    kind: int
    d: int
    s1: int
    s2: int
    imm: int


_SAME: dict[int, Kind] = {
    Op.ADD: Kind.ADD,
    Op.SUB: Kind.SUB,
    Op.MUL: Kind.MUL,
    Op.DIV: Kind.DIV,
    Op.LOADI: Kind.ADD,
    Op.CALL: Kind.CALL,
    Op.LOAD: Kind.LOAD,
    Op.STORE: Kind.STORE,
    Op.READ: Kind.READ,
    Op.RET: Kind.RET,
    Op.WRITE: Kind.WRITE,
    Op.HALT: Kind.HALT,
    Op.JMP: Kind.JEQ,
    Op.JZ: Kind.JEQ,
    Op.JNZ: Kind.JNE,
}


def lower(program: Program) -> tuple[MicroOp, ...]:
    """The program's micro-operations, by program counter."""
    return tuple(_lower(i, pc) for pc, i in enumerate(program.instructions))


def _lower(i: Instruction, pc: int) -> MicroOp:
    d = i.rd or SINK
    kind = _SAME.get(i.op)
    if kind is not None:
        return MicroOp(kind, d, i.rs1, i.rs2, i.imm)
    if i.op == Op.NEG:
        return MicroOp(Kind.SUB, d, 0, i.rs1, 0)
    if i.op == Op.EQ:
        return MicroOp(Kind.JEQ, d, i.rs1, i.rs2, pc + 1)
    return MicroOp(Kind.ALU, d, i.rs1, i.rs2, Function[Op(i.op).name])
