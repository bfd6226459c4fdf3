"""The AIR of the machine; docs/vm.md has its tables of columns and constraints and the soundness argument.

Components, in order: cpu (a row a cycle), storage (LOAD and STORE), tape (READ and WRITE), compare
(LT, MIN, MAX, RELU), bitwise (AND, OR, XOR), program (the instructions), memory (first and last value of
every cell), words (16-bit range and 8 x 8-bit AND), bytes (8-bit range).  They meet in these relations:

    Program     pc, kind, d, s1, s2, imm            cpu uses, program yields
    Listing     the same values                     program uses, the statement yields
    Memory      cell, value, time                   an access uses the last write and yields its own
    Bus         kind, clk, imm, a, b, c             cpu uses, storage, tape, compare and bitwise yield
    Tape        1 for output, index, word           tape uses, the statement yields
    Range16, Range8, And                            tables
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from bitsage.stark import Air, AirBuilder, ComponentBuilder, LogSizeOf, LookupSum, PublicValue, Relation, Terms
from bitsage.stark.graph import Argument, Component

from .chips import bitwise, bytes_table, compare, memory, program_table, storage, tape, words_table
from .cpu import cpu
from .isa import MAX_TAPE
from .micro import MicroOp

PREPROCESSED = ("cpu_last", "cpu_clock", "high_byte", "low_byte", "and_byte", "byte")
COMPONENTS = ("cpu", "storage", "tape", "compare", "bitwise", "program", "memory", "words", "bytes")
RELATIONS = (
    Relation("Program", 6),
    Relation("Listing", 6),
    Relation("Memory", 3),
    Relation("Bus", 6),
    Relation("Tape", 3),
    Relation("Range16", 1),
    Relation("Range8", 1),
    Relation("And", 3),
)
LIMBS = 16  # a 32-byte value enters the transcript as 16-bit limbs


@lru_cache(maxsize=1)
def components() -> tuple[Component, ...]:
    """The nine components; they are the same for every program."""
    builders: tuple[ComponentBuilder, ...] = (
        cpu(),
        storage(),
        tape(),
        compare(),
        bitwise(),
        program_table(),
        memory(),
        words_table(),
        bytes_table(),
    )
    return tuple(builder.build() for builder in builders)


def vm_air(listing: Sequence[MicroOp], rows: int, inputs: int, inputs_read: int, outputs: int) -> Air:
    """The AIR of one program: the components, and the public terms of its listing and of its tapes.

    `rows` is the size of the component program, which repeats instruction 0 in its padding; `inputs` and
    `outputs` are the lengths of the tapes, of whose input the first `inputs_read` words are read.
    """
    air = AirBuilder("obelysk_vm", preprocessed=PREPROCESSED, relations=RELATIONS)
    for component in components():
        air.add(component)
    statement: list[Argument] = [
        PublicValue("cycles"),
        PublicValue("inputs_read"),
        *_words("binding", LIMBS),
        *_words("program", LIMBS),
        inputs,
        *_words("inputs", inputs),
        outputs,
        *_words("outputs", outputs),
        *(LogSizeOf(k) for k in range(len(COMPONENTS))),
    ]
    air.step("mix_config").step("mix_u32s", *statement).commit(0).commit(1)
    for relation in RELATIONS:
        air.step("draw_relation", names=(relation.name,))
    air.step("mix_claimed_sums").commit(2)
    listed = Terms("Listing", tuple((pc, *op) for pc, op in enumerate(listing)), first=1 + rows - len(listing))
    read = Terms("Tape", tuple((0, k) for k in range(inputs_read)), "inputs")
    written = Terms("Tape", tuple((1, k) for k in range(outputs)), "outputs")
    return air.check(LookupSum("lookups", len(COMPONENTS), (listed, read, written))).build()


@lru_cache(maxsize=4)
def _tape(name: str) -> tuple[PublicValue, ...]:
    return tuple(PublicValue(name, k) for k in range(MAX_TAPE))


def _words(name: str, count: int) -> tuple[PublicValue, ...]:
    """Transcript arguments: the first words of a public list."""
    return _tape(name)[:count]
