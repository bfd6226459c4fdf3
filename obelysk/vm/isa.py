"""The instruction set of the Obelysk machine and the binary form of programs.

The machine has 32 registers of M31 words (r0 reads 0 and ignores writes), a memory of MEMORY_WORDS words,
all zero at the start, a read-only program, a public input tape and a public output tape.  A program is at
most MAX_PROGRAM instructions, each tape MAX_TAPE words; the program counter counts instructions and starts at 0.

Binary form: b"OBVM", version u8 = 1, three zero bytes, the number of instructions as u32, then eight bytes
an instruction: opcode u8, rd u8, rs1 u8, rs2 u8, immediate u32; integers are little-endian.  Operands that
an instruction does not have are 0, so that a program has one form only.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from bitsage.stark import P

from .errors import ProgramInvalid

MAGIC = b"OBVM\x01\0\0\0"
_ENTRY = struct.Struct("<BBBBI")
MAX_PROGRAM = 2048
MAX_TAPE = 2048
REGISTERS = 32
LINK_REGISTER = 31
#: The address space of the proof has 2^16 cells, of which the first 64 hold the registers and the tape counters.
MEMORY_BASE = 64
MEMORY_WORDS = (1 << 16) - MEMORY_BASE


class Op(IntEnum):
    """Opcodes."""

    ADD = 1
    SUB = 2
    MUL = 3
    DIV = 4
    NEG = 5
    LOADI = 6
    LOAD = 7
    STORE = 8
    JMP = 9
    JZ = 10
    JNZ = 11
    CALL = 12
    RET = 13
    EQ = 14
    LT = 15
    AND = 16
    OR = 17
    XOR = 18
    RELU = 19
    MIN = 20
    MAX = 21
    READ = 22
    WRITE = 23
    HALT = 24


_DST = ("rd", "rs1", "rs2")

#: Operands of every instruction, in the order in which assembly writes them.
OPERANDS: dict[Op, tuple[str, ...]] = {
    Op.ADD: _DST,
    Op.SUB: _DST,
    Op.MUL: _DST,
    Op.DIV: _DST,
    Op.NEG: ("rd", "rs1"),
    Op.LOADI: ("rd", "imm"),
    Op.LOAD: ("rd", "rs1", "imm"),
    Op.STORE: ("rs2", "rs1", "imm"),
    Op.JMP: ("imm",),
    Op.JZ: ("rs1", "imm"),
    Op.JNZ: ("rs1", "imm"),
    Op.CALL: ("rd", "imm"),
    Op.RET: ("rs1",),
    Op.EQ: _DST,
    Op.LT: _DST,
    Op.AND: _DST,
    Op.OR: _DST,
    Op.XOR: _DST,
    Op.RELU: ("rd", "rs1"),
    Op.MIN: _DST,
    Op.MAX: _DST,
    Op.READ: ("rd",),
    Op.WRITE: ("rs1",),
    Op.HALT: (),
}
#: Instructions whose immediate is the index of an instruction.
JUMPS = frozenset({Op.JMP, Op.JZ, Op.JNZ, Op.CALL})


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; operands that the opcode does not have are 0.  `imm` is a field element."""

    op: int
    rd: int = 0
    rs1: int = 0
    rs2: int = 0
    imm: int = 0

    def check(self, index: int) -> None:
        """Raise ProgramInvalid unless opcode, operands and their ranges fit."""
        try:
            operands = OPERANDS[Op(self.op)]
        except ValueError:
            raise ProgramInvalid(f"instruction {index}: {self.op} is no opcode") from None
        for name in ("rd", "rs1", "rs2", "imm"):
            value = getattr(self, name)
            if value and name not in operands:
                raise ProgramInvalid(f"instruction {index}: {Op(self.op).name} has no operand {name}")
            if not 0 <= value < (P if name == "imm" else REGISTERS):
                raise ProgramInvalid(f"instruction {index}: the operand {name} is out of range")


@dataclass(frozen=True, slots=True)
class Program:
    """A checked program.  Raises ProgramInvalid when made of instructions that are none."""

    instructions: tuple[Instruction, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.instructions) <= MAX_PROGRAM:
            raise ProgramInvalid(f"a program has 1 to {MAX_PROGRAM} instructions, not {len(self.instructions)}")
        for index, instruction in enumerate(self.instructions):
            instruction.check(index)

    def to_bytes(self) -> bytes:
        """The binary form."""
        body = b"".join(_ENTRY.pack(i.op, i.rd, i.rs1, i.rs2, i.imm) for i in self.instructions)
        return MAGIC + len(self.instructions).to_bytes(4, "little") + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Program:
        """Read the binary form.  Raises ProgramInvalid."""
        start = len(MAGIC) + 4
        if data[: len(MAGIC)] != MAGIC or len(data) < start:
            raise ProgramInvalid("not a program file of this machine")
        count = int.from_bytes(data[len(MAGIC) : start], "little")
        if count > MAX_PROGRAM or len(data) != start + count * _ENTRY.size:
            raise ProgramInvalid("the program file is cut off, too long or has bytes after its end")
        return cls(tuple(Instruction(*entry) for entry in _ENTRY.iter_unpack(data[start:])))
