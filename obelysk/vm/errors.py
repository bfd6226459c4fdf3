"""Errors of the Obelysk machine; both are invalid job input, for neither can be proven.

JobInputInvalid
├── ProgramInvalid   the text or the bytes are no program; `line` counts from 1, 0 where there is none
└── Trap             the program ran into something that stops it; nothing is proven
"""

from __future__ import annotations

from bitsage.obelysk.errors import JobInputInvalid


class ProgramInvalid(JobInputInvalid):
    """The program cannot be read."""

    def __init__(self, detail: str, line: int = 0) -> None:
        self.line = line
        super().__init__("program", f"line {line}: {detail}" if line else detail)


class Trap(JobInputInvalid):
    """The machine stopped; `kind` is a key of TRAPS, `cycle` counts from 0 and `pc` is the instruction's index."""

    def __init__(self, kind: str, cycle: int, pc: int) -> None:
        self.kind = kind
        self.cycle = cycle
        self.pc = pc
        super().__init__("trap", f"{TRAPS[kind]} (trap {kind}, cycle {cycle}, pc {pc})")


#: What stops a program, with a sentence for people.
TRAPS: dict[str, str] = {
    "bad_pc": "the program counter left the program",
    "division_by_zero": "a division by zero",
    "cycle_limit": "the program did not halt within its cycles",
    "address": "a memory address is out of range",
    "input_exhausted": "the program reads more input than there is",
    "output_full": "the program writes more words than the output tape holds",
}
