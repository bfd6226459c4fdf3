"""The component cpu: one row a cycle (docs/vm.md, "cpu")."""

from __future__ import annotations

from bitsage.stark import ComponentBuilder
from bitsage.stark.build import Expr

from .micro import Kind

#: Time of the accesses of a cycle to s1, s2 and d; storage and tape access at SLOT_B.
SLOTS = 3
SLOT_A, SLOT_B, SLOT_C = 1, 2, 3
_HIGH = 1 << 16

#: Trace columns after the selectors, in order.
CPU_COLUMNS = (
    *(f"is_{kind.name.lower()}" for kind in Kind),
    *("enabler", "pc", "d", "s1", "s2", "imm", "a", "b", "c", "old", "inverse"),
    *("time_a", "time_b", "time_c", "high_a", "high_b", "high_c"),
)


def access(
    component: ComponentBuilder,
    enabled: Expr,
    cell: Expr,
    before: tuple[Expr, Expr],
    after: tuple[Expr, Expr],
    high: Expr,
) -> None:
    """One memory access: (value, time) before it, (value, time) after it, and the proof that time grows.

    time - previous time - 1 = low + 2^16 high with low in 16 and high in 8 bits.
    """
    component.lookup("Memory", enabled, (cell, *before))
    component.lookup("Memory", -enabled, (cell, *after))
    component.lookup("Range16", enabled, (after[1] - before[1] - 1 - high * _HIGH,))
    component.lookup("Range8", enabled, (high,))


def total(terms: list[Expr]) -> Expr:
    """The sum of expressions."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


def cpu() -> ComponentBuilder:
    """The component."""
    c = ComponentBuilder("cpu")
    last, clock = c.preprocessed("cpu_last"), c.preprocessed("cpu_clock")
    s = {kind: c.column() for kind in Kind}
    enabler, enabler_next = c.columns((0, 1))
    pc, pc_next = c.columns((0, 1))
    d, s1, s2, imm, a, b, result, old, inverse = (c.column() for _ in range(9))
    times = [c.column() for _ in range(3)]
    highs = [c.column() for _ in range(3)]
    _control(c, s, enabler, enabler_next, last, clock)
    _results(c, s, pc, imm, a, b, result, inverse)
    _next_pc(c, s, pc, pc_next, imm, a, result)
    for column in (d, s1, s2, imm, a, b, result, old, *times, *highs):
        c.constrain((1 - enabler) * column)
    code = total([s[kind] * int(kind) for kind in Kind])
    c.lookup("Program", enabler, (pc, code, d, s1, s2, imm))
    on_bus = total([s[kind] for kind in (Kind.ALU, Kind.LOAD, Kind.STORE, Kind.READ, Kind.WRITE)])
    c.lookup("Bus", on_bus, (code, clock, imm, a, b, result))
    accesses = ((s1, a, a, SLOT_A), (s2, b, b, SLOT_B), (d, old, result, SLOT_C))
    for (cell, value, new, slot), time, high in zip(accesses, times, highs, strict=True):
        access(c, enabler, cell, (value, time), (new, clock * SLOTS + slot), high)
    return c


def _control(c: ComponentBuilder, s: dict[Kind, Expr], enabler: Expr, following: Expr, last: Expr, clock: Expr) -> None:
    """One-hot selectors; enabled from row 0 to the HALT, and nowhere else."""
    for selector in s.values():
        c.constrain(selector * selector - selector)
    c.constrain(total(list(s.values())) - enabler)
    c.constrain(following - last - (enabler - s[Kind.HALT]))
    c.constrain(last * (enabler - s[Kind.HALT]))
    c.constrain(s[Kind.HALT] * (clock + 1 - c.public("cycles")))


def _results(
    c: ComponentBuilder, s: dict[Kind, Expr], pc: Expr, imm: Expr, a: Expr, b: Expr, result: Expr, inverse: Expr
) -> None:
    """The result of every kind that is computed here; LOAD, READ and ALU get theirs over the bus."""
    c.constrain(
        s[Kind.ADD] * (result - a - b - imm)
        + s[Kind.SUB] * (result - a + b)
        + s[Kind.MUL] * (result - a * b)
        + s[Kind.DIV] * (result * b - a)
        + s[Kind.CALL] * (result - pc - 1)
        + s[Kind.STORE] * (result - b)
        + s[Kind.WRITE] * (result - a)
        + (s[Kind.RET] + s[Kind.HALT]) * result
    )
    # result = 1 where a = b and 0 elsewhere; the inverse is unique: 0 where nothing is inverted.
    test = s[Kind.JEQ] + s[Kind.JNE]
    difference = a - b
    c.constrain(test * (result - 1 + difference * inverse) + s[Kind.DIV] * (b * inverse - 1))
    c.constrain(test * result * difference)
    c.constrain(test * result * inverse)
    c.constrain((1 - test - s[Kind.DIV]) * inverse)


def _next_pc(
    c: ComponentBuilder, s: dict[Kind, Expr], pc: Expr, following: Expr, imm: Expr, a: Expr, result: Expr
) -> None:
    """The next program counter; 0 after HALT and in the padding, hence 0 in row 0, which comes after the last."""
    onward = (Kind.ADD, Kind.SUB, Kind.MUL, Kind.DIV, Kind.ALU, Kind.LOAD, Kind.STORE, Kind.READ, Kind.WRITE)
    step = pc + 1
    jump = imm - step
    c.constrain(
        following
        - total([s[kind] for kind in onward]) * step
        - s[Kind.JEQ] * (step + result * jump)
        - s[Kind.JNE] * (imm - result * jump)
        - s[Kind.CALL] * imm
        - s[Kind.RET] * a
    )
