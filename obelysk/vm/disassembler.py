"""The disassembler: a text that assembles to the same program."""

from __future__ import annotations

from bitsage.stark import P

from .isa import JUMPS, LINK_REGISTER, OPERANDS, Instruction, Op, Program


def disassemble(program: Program) -> str:
    """Assembly text with a label L<index> before every instruction that a jump names."""
    targets = {i.imm for i in program.instructions if i.op in JUMPS}
    lines = []
    for index, instruction in enumerate(program.instructions):
        if index in targets:
            lines.append(f"L{index}:")
        lines.append("    " + format_instruction(instruction, labels=len(program.instructions)))
    return "\n".join(lines) + "\n"


def format_instruction(instruction: Instruction, *, labels: int = 0) -> str:
    """One instruction as text; jumps to an index below `labels` are written with a label."""
    op = Op(instruction.op)
    name = op.name.lower()
    if op in (Op.LOAD, Op.STORE):
        register = instruction.rd if op is Op.LOAD else instruction.rs2
        offset = _number(instruction.imm)
        sign = "" if offset.startswith("-") else "+"
        return f"{name} r{register}, [r{instruction.rs1}{sign + offset if instruction.imm else ''}]"
    if op is Op.RET and instruction.rs1 == LINK_REGISTER:
        return name
    words = []
    for kind in OPERANDS[op]:
        value = getattr(instruction, kind)
        if kind != "imm":
            words.append(f"r{value}")
        elif op in JUMPS:
            words.append(f"L{value}" if value < labels else str(value))
        else:
            words.append(_number(value))
    return f"{name} {', '.join(words)}".rstrip()


def _number(value: int) -> str:
    return str(value) if value < P - (1 << 20) else str(value - P)
