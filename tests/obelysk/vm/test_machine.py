"""The machine."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import EVERYTHING, EVERYTHING_INPUT
from samples import SAMPLES, program

from bitsage.obelysk import JobInputInvalid
from bitsage.obelysk.vm import (
    TRAPS,
    Instruction,
    Op,
    Program,
    Trap,
    assemble,
    disassemble,
    run,
    trace_lines,
)
from bitsage.obelysk.vm.isa import MAX_TAPE, MEMORY_WORDS, OPERANDS
from bitsage.stark import P

HALF = (P - 1) // 2


def outputs(source: str, inputs: list[int] | None = None, max_cycles: int = 1000) -> list[int]:
    return list(run(assemble(source), inputs or [], max_cycles).outputs)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_write_what_other_means_compute(name: str) -> None:
    inputs, expected = SAMPLES[name]
    assert list(run(program(name), inputs).outputs) == expected()


@pytest.mark.parametrize(
    ("operation", "a", "b", "expected"),
    [
        ("add", P - 1, 1, 0),
        ("sub", 0, 1, P - 1),
        ("mul", P - 1, P - 1, 1),
        ("div", 7, 7, 1),
        ("div", 1, 2, (P + 1) // 2),
        ("div", 0, 5, 0),
        ("eq", 3, 3, 1),
        ("eq", 3, 4, 0),
        ("lt", 0, P - 1, 1),
        ("lt", P - 1, 0, 0),
        ("lt", 65536, 65535, 0),
        ("lt", 65535, 65536, 1),
        ("lt", 5, 5, 0),
        ("min", P - 1, 3, 3),
        ("max", P - 1, 3, P - 1),
        ("and", P - 1, 3, 2),
        ("or", P - 1, 1, 0),
        ("xor", P - 1, 1, 0),
        ("xor", 5, 6, 3),
    ],
)
def test_arithmetic_at_its_edges(operation: str, a: int, b: int, expected: int) -> None:
    source = f"read r1\nread r2\n{operation} r3, r1, r2\nwrite r3\nhalt"
    assert outputs(source, [a, b]) == [expected]


@pytest.mark.parametrize(("word", "expected"), [(0, 0), (1, 1), (HALF, HALF), (HALF + 1, 0), (P - 1, 0)])
def test_relu_takes_the_upper_half_for_negative(word: int, expected: int) -> None:
    assert outputs("read r1\nrelu r2, r1\nneg r3, r1\nwrite r2\nwrite r3\nhalt", [word]) == [expected, -word % P]


def test_register_zero_stays_zero_whatever_is_written() -> None:
    source = (
        "loadi r0, 5\nwrite r0\nread r0\nwrite r0\ncall r0, l\nl: write r0\nstore r0, [3]\nload r0, [3]\nwrite r0\nhalt"
    )
    assert outputs(source, [9]) == [0, 0, 0, 0]


def test_calls_return_and_memory_starts_at_zero() -> None:
    assert outputs("call f\nwrite r2\nhalt\nf: load r2, [100]\nadd r2, r2, ra\nret") == [1]
    assert outputs("call r7, f\nhalt\nf: write r7\nret r7") == [1]


@pytest.mark.parametrize(
    ("source", "kind", "cycle", "pc"),
    [
        ("loadi r1, 3\ndiv r2, r1, r0\nhalt", "division_by_zero", 1, 1),
        ("l: jmp l", "cycle_limit", 1000, 0),
        ("nop", "bad_pc", 1, 1),
        ("jmp 7\nhalt", "bad_pc", 1, 7),
        ("loadi r1, -1\nret r1", "bad_pc", 2, P - 1),
        ("loadi r1, -1\nload r2, [r1]\nhalt", "address", 1, 1),
        (f"loadi r1, {MEMORY_WORDS - 1}\nstore r1, [r1]\nstore r1, [r1+1]\nhalt", "address", 2, 2),
        ("read r1\nread r1\nhalt", "input_exhausted", 1, 1),
        ("l: write r0\njmp l", "output_full", 2 * MAX_TAPE, 0),
    ],
)
def test_traps_name_kind_cycle_and_place(source: str, kind: str, cycle: int, pc: int) -> None:
    limit = 1 << 14 if kind == "output_full" else 1000
    with pytest.raises(Trap) as error:
        run(assemble(source), [1], limit)
    assert (error.value.kind, error.value.cycle, error.value.pc) == (kind, cycle, pc)
    assert isinstance(error.value, JobInputInvalid)
    assert TRAPS[kind] in str(error.value)


def test_the_trace_names_every_effect() -> None:
    lines = list(trace_lines(run(assemble(EVERYTHING), EVERYTHING_INPUT)))
    assert len(lines) == 24
    joined = "\n".join(lines)
    for words in ("r1 = 5 from the input", "r3 = 1", "[9] = 5", "r12 = 5 from [9]", "output 5", "jump", "to 16"):
        assert words in joined
    assert lines == list(trace_lines(run(assemble(EVERYTHING), EVERYTHING_INPUT), 100))
    assert len(list(trace_lines(run(assemble(EVERYTHING), EVERYTHING_INPUT), 3))) == 3


def reference(program: Program, inputs: list[int], limit: int) -> tuple[str, list[int]]:
    """The instruction set once more, straight from its description: how the run ends, and the outputs."""
    r, memory, out, tape, pc = [0] * 32, [0] * MEMORY_WORDS, [], list(inputs), 0
    for _ in range(limit):
        if pc >= len(program.instructions):
            return "bad_pc", out
        i = program.instructions[pc]
        x, y, pc = r[i.rs1], r[i.rs2], pc + 1
        value: int | None = None
        match Op(i.op).name:
            case "ADD":
                value = x + y
            case "SUB":
                value = x - y
            case "MUL":
                value = x * y
            case "DIV":
                if y == 0:
                    return "division_by_zero", out
                value = x * pow(y, P - 2, P)
            case "NEG":
                value = -x
            case "LOADI":
                value = i.imm
            case "LOAD" | "STORE":
                address = (x + i.imm) % P
                if address >= len(memory):
                    return "address", out
                if i.op == Op.LOAD:
                    value = memory[address]
                else:
                    memory[address] = y
            case "JMP":
                pc = i.imm
            case "JZ":
                pc = i.imm if x == 0 else pc
            case "JNZ":
                pc = i.imm if x != 0 else pc
            case "CALL":
                value, pc = pc, i.imm
            case "RET":
                pc = x
            case "EQ":
                value = x == y
            case "LT":
                value = x < y
            case "AND":
                value = x & y
            case "OR":
                value = x | y
            case "XOR":
                value = x ^ y
            case "RELU":
                value = x if x <= HALF else 0
            case "MIN":
                value = min(x, y)
            case "MAX":
                value = max(x, y)
            case "READ":
                if not tape:
                    return "input_exhausted", out
                value = tape.pop(0)
            case "WRITE":
                out.append(x)
            case "HALT":
                return "halt", out
        if value is not None and i.rd:
            r[i.rd] = int(value) % P
    return "cycle_limit", out


words = st.one_of(st.integers(0, 40), st.integers(P - 5, P - 1), st.integers(0, P - 1))


@st.composite
def instructions(draw: st.DrawFn, length: int) -> Instruction:
    op = draw(st.sampled_from(Op))
    values = {}
    for name in OPERANDS[op]:
        if name != "imm":
            values[name] = draw(st.integers(0, 5))
        elif op in (Op.JMP, Op.JZ, Op.JNZ, Op.CALL):
            values[name] = draw(st.integers(0, length))
        else:
            values[name] = draw(words)
    return Instruction(op, **values)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    length = draw(st.integers(1, 25))
    return Program(tuple(draw(instructions(length)) for _ in range(length)))


@settings(max_examples=400, deadline=None)
@given(programs(), st.lists(words, max_size=6))
def test_random_programs_run_as_the_description_says(tried: Program, inputs: list[int]) -> None:
    ending, expected = reference(tried, inputs, 200)
    if ending == "halt":
        assert list(run(tried, inputs, 200).outputs) == expected
    else:
        with pytest.raises(Trap) as error:
            run(tried, inputs, 200)
        assert error.value.kind == ending
    assert assemble(disassemble(tried)) == tried
