"""The assembler, the disassembler and the binary form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import SAMPLES, program

from bitsage.obelysk.vm import (
    Program,
    ProgramInvalid,
    assemble,
    disassemble,
)
from bitsage.obelysk.vm.isa import MAX_PROGRAM
from bitsage.stark import P

HALF = (P - 1) // 2


@pytest.mark.parametrize("name", SAMPLES)
def test_disassembly_assembles_to_the_same_program(name: str) -> None:
    first = program(name)
    assert assemble(disassemble(first)) == first
    assert Program.from_bytes(first.to_bytes()) == first


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("halt\nfly r1", 2, "no instruction"),
        ("add r1, r2", 1, "takes 3 operands"),
        ("add r1, r2, r32", 1, "no register"),
        ("loadi r1, nowhere", 1, "not defined"),
        ("loadi r1, 2147483647", 1, "not below p"),
        ("loadi r1, 0xFFFFFFFFFF", 1, "not below p"),
        ("loadi r1, 1 +", 1, "no value"),
        ("loadi r1, (1", 1, "no value"),
        ("loadi r1, 1 2", 1, "no value"),
        ("loadi r1, " + "(" * 50 + "1" + ")" * 50, 1, "no value"),
        ("a: halt\na: halt", 2, "twice"),
        ("r1: halt", 1, "register"),
        (".const N", 1, ".const NAME VALUE"),
        (".const N 1\n.const N 2", 2, "twice"),
        ("load r1, r2", 1, "no address"),
        ("load r1, [r2 r3]", 1, "no address"),
        ("", 0, "1 to"),
        ("nop\n" * (MAX_PROGRAM + 1), MAX_PROGRAM + 1, "more than"),
    ],
)
def test_the_assembler_says_what_is_wrong_and_where(source: str, line: int, words: str) -> None:
    with pytest.raises(ProgramInvalid, match=words) as error:
        assemble(source)
    assert error.value.line == line


def test_expressions_comments_and_characters() -> None:
    source = """
    .const N 3 * (2 + 2) - 1   ; eleven
    loadi r1, N + 0x10 # 27
    loadi r2, ';'
    loadi r3, ','
    loadi r4, '\\n'
    loadi r5, -N
    LOADI R6, end
    end: halt
    """
    assert [i.imm for i in assemble(source).instructions[:6]] == [27, 59, 44, 10, P - 11, 6]


def test_address_operands() -> None:
    found = [
        (i.rd, i.rs1, i.rs2, i.imm)
        for i in assemble("load r1, [r2]\nload r1, [r2+3]\nstore r1, [r2-3]\nload r1, [7]\nload r1, r2, 3").instructions
    ]
    assert found == [(1, 2, 0, 0), (1, 2, 0, 3), (0, 2, 1, P - 3), (1, 0, 0, 7), (1, 2, 0, 3)]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: b"",
        lambda d: d[:-1],
        lambda d: d + b"\0",
        lambda d: b"X" + d[1:],
        lambda d: d[:8] + b"\xff\xff\xff\xff" + d[12:],
        lambda d: d[:12] + b"\x19" + d[13:],
        lambda d: d[:12] + b"\0" + d[13:],
        lambda d: d[:13] + b"\x20" + d[14:],
        lambda d: d[:-4] + b"\1\0\0\0",
        lambda d: d[:-8] + b"\x06\0\0\0\xff\xff\xff\x7f",
    ],
)
def test_malformed_program_files_are_refused(change: object) -> None:
    data = program("fibonacci").to_bytes()
    with pytest.raises(ProgramInvalid):
        Program.from_bytes(change(data))  # type: ignore[operator]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_program_or_refused(data: bytes) -> None:
    header = b"OBVM\x01\0\0\0" + (len(data) // 8).to_bytes(4, "little")
    for bytes_ in (data, header + data[: len(data) // 8 * 8]):
        try:
            found = Program.from_bytes(bytes_)
        except ProgramInvalid:
            continue
        assert found.to_bytes() == bytes_


@given(st.text(max_size=80))
def test_arbitrary_text_is_a_program_or_refused(source: str) -> None:
    try:
        found = assemble(source)
    except ProgramInvalid:
        return
    assert assemble(disassemble(found)) == found
