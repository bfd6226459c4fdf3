"""The other components: memory and tape accesses, comparison, bitwise functions, and the tables (docs/vm.md).

Every chip has an enabler that is 0 or 1; a row that is not enabled holds zeros and takes part in no lookup.
"""

from __future__ import annotations

from collections.abc import Sequence

from bitsage.stark import ComponentBuilder
from bitsage.stark.build import Expr

from .cpu import SLOT_B, SLOTS, access, total
from .isa import MEMORY_BASE
from .machine import HALF
from .micro import Function, Kind

#: Cells of the address space that hold the number of words read and written so far.
INPUT_CELL, OUTPUT_CELL = 33, 34
_HIGH = 1 << 16

#: Trace columns of the chips, in order.
STORAGE_COLUMNS = ("enabler", "is_store", "clock", "imm", "a", "b", "c", "old", "time", "high")
TAPE_COLUMNS = ("enabler", "is_write", "clock", "a", "c", "index", "time", "high")
COMPARE_FUNCTIONS = (Function.LT, Function.MIN, Function.MAX, Function.RELU)
COMPARE_COLUMNS = (
    *("is_lt", "is_min", "is_max", "is_relu", "clock", "x_low", "x_high", "y_low", "y_high"),
    *("x_inverse", "y_inverse", "less", "differ", "high_inverse", "gap", "c"),
)
BITWISE_FUNCTIONS = (Function.AND, Function.OR, Function.XOR)
BITWISE_COLUMNS = (
    *("is_and", "is_or", "is_xor", "clock"),
    *(f"{name}{k}" for name in ("a", "b", "n") for k in range(4)),
    *("a_inverse", "b_inverse", "c"),
)
PROGRAM_COLUMNS = ("pc", "kind", "d", "s1", "s2", "imm", "uses")
MEMORY_COLUMNS = ("value", "time")
WORDS_COLUMNS = ("uses16", "uses_and")
BYTES_COLUMNS = ("uses",)


def _boolean(c: ComponentBuilder, value: Expr) -> None:
    c.constrain(value * value - value)


def _zero_unless(c: ComponentBuilder, enabled: Expr, columns: Sequence[Expr]) -> None:
    for column in columns:
        c.constrain((1 - enabled) * column)


def storage() -> ComponentBuilder:
    """LOAD and STORE: one access to cell 64 + a + imm, where a + imm is below 2^16."""
    c = ComponentBuilder("storage")
    enabler, store, clock, imm, a, b, result, old, time, high = (c.column() for _ in STORAGE_COLUMNS)
    _boolean(c, enabler)
    _boolean(c, store)
    _zero_unless(c, enabler, (store, clock, imm, a, b, result, old, time, high))
    c.constrain((1 - store) * (result - old))
    code = enabler * int(Kind.LOAD) + store * int(Kind.STORE - Kind.LOAD)
    c.lookup("Bus", -enabler, (code, clock, imm, a, b, result))
    c.lookup("Range16", enabler, (a + imm,))
    now = clock * SLOTS + SLOT_B
    access(c, enabler, a + imm + MEMORY_BASE, (old, time), (result, now), high)
    return c


def tape() -> ComponentBuilder:
    """READ and WRITE: the counter in cell 33 or 34 goes from index to index + 1, and c is the tape's word there."""
    c = ComponentBuilder("tape")
    enabler, write, clock, a, result, index, time, high = (c.column() for _ in TAPE_COLUMNS)
    _boolean(c, enabler)
    _boolean(c, write)
    _zero_unless(c, enabler, (write, clock, a, result, index, time, high))
    code = enabler * int(Kind.READ) + write * int(Kind.WRITE - Kind.READ)
    c.lookup("Bus", -enabler, (code, clock, 0, a, 0, result))
    c.lookup("Tape", enabler, (write, index, result))
    now = clock * SLOTS + SLOT_B
    cell = write * (OUTPUT_CELL - INPUT_CELL) + INPUT_CELL
    access(c, enabler, cell, (index, time), (index + 1, now), high)
    return c


def _canonical_halves(c: ComponentBuilder, enabled: Expr, low: Expr, high: Expr, inverse: Expr) -> Expr:
    """The word low + 2^16 high: low has 16 bits, high 15, and both are not all ones, which would be p."""
    c.lookup("Range16", enabled, (low,))
    c.lookup("Range16", enabled, (high,))
    c.lookup("Range16", enabled, (high * 2,))
    c.constrain(((_HIGH - 1 + _HIGH // 2 - 1) - low - high) * inverse - enabled)
    return low + high * _HIGH


def compare() -> ComponentBuilder:
    """LT, MIN, MAX and RELU: less = (x < y) as integers, from the first half in which the words differ."""
    c = ComponentBuilder("compare")
    flags = [c.column() for _ in COMPARE_FUNCTIONS]
    clock, x_low, x_high, y_low, y_high, x_inverse, y_inverse, less, differ, inverse, gap, result = (
        c.column() for _ in COMPARE_COLUMNS[4:]
    )
    is_lt, is_min, is_max, is_relu = flags
    enabled = total(flags)
    for flag in flags:
        _boolean(c, flag)
    _boolean(c, enabled)
    _zero_unless(c, enabled, (clock, x_low, x_high, y_low, y_high))
    code = total([flag * int(f) for flag, f in zip(flags, COMPARE_FUNCTIONS, strict=True)])
    x = x_low + x_high * _HIGH
    y = y_low + y_high * _HIGH
    # RELU compares its operand with HALF; its second operand on the bus is r0.
    c.lookup("Bus", -enabled, (int(Kind.ALU), clock, code, x, y - is_relu * HALF, result))
    _canonical_halves(c, enabled, x_low, x_high, x_inverse)
    _canonical_halves(c, enabled, y_low, y_high, y_inverse)
    high_difference = x_high - y_high
    c.constrain(less * less - less)
    c.constrain((1 - enabled) * less)
    c.constrain(differ * differ - differ)
    c.constrain(high_difference * inverse - differ)
    c.constrain((1 - differ) * high_difference)
    c.constrain((1 - differ) * inverse)
    # The half that decides: where x < y, y - x - 1 is in 0..2^16 - 1, else x - y is.
    deciding = x_low - y_low + differ * (high_difference - x_low + y_low)
    c.constrain(gap - deciding + less * (deciding * 2 + 1))
    c.lookup("Range16", enabled, (gap,))
    c.constrain(
        result - is_lt * less - is_min * (y + less * (x - y)) - is_max * (x + less * (y - x)) - is_relu * less * x
    )
    return c


def bitwise() -> ComponentBuilder:
    """AND, OR and XOR of 31-bit words, byte by byte."""
    c = ComponentBuilder("bitwise")
    flags = [c.column() for _ in BITWISE_FUNCTIONS]
    clock = c.column()
    a, b, n = ([c.column() for _ in range(4)] for _ in range(3))
    inverses = [c.column(), c.column()]
    result = c.column()
    is_and, is_or, is_xor = flags
    enabled = total(flags)
    for flag in flags:
        _boolean(c, flag)
    _boolean(c, enabled)
    _zero_unless(c, enabled, (clock, *a, *b, *n))
    code = total([flag * int(f) for flag, f in zip(flags, BITWISE_FUNCTIONS, strict=True)])
    word_a, word_b, word_n = (total([v * (1 << 8 * k) for k, v in enumerate(word)]) for word in (a, b, n))
    c.lookup("Bus", -enabled, (int(Kind.ALU), clock, code, word_a, word_b, result))
    for triple in zip(a, b, n, strict=True):
        c.lookup("And", enabled, triple)
    for word, inverse in zip((a, b), inverses, strict=True):
        # The top byte has 7 bits, and not all 31 bits are ones, which would be p.
        c.lookup("Range8", enabled, (word[3] * 2,))
        c.constrain(((3 * 255 + 127) - total(word)) * inverse - enabled)
    both = word_a + word_b
    c.constrain(result - is_and * word_n - is_or * (both - word_n) - is_xor * (both - word_n * 2))
    return c


def program_table() -> ComponentBuilder:
    """The program; the statement says what stands in it, the column `uses` how often each row is executed."""
    c = ComponentBuilder("program")
    *entry, uses = (c.column() for _ in PROGRAM_COLUMNS)
    c.lookup("Listing", 1, entry)
    c.lookup("Program", -uses, entry)
    return c


def _cell(c: ComponentBuilder) -> Expr:
    """0..2^16 - 1."""
    return c.preprocessed("high_byte") * 256 + c.preprocessed("low_byte")


def memory() -> ComponentBuilder:
    """Every cell of the address space begins with 0 at time 0 and ends with `value` written at `time`."""
    c = ComponentBuilder("memory")
    cell = _cell(c)
    value, time = (c.column() for _ in MEMORY_COLUMNS)
    c.lookup("Memory", -1, (cell, 0, 0))
    c.lookup("Memory", 1, (cell, value, time))
    return c


def words_table() -> ComponentBuilder:
    """The table of 16-bit words and the table (x, y, x AND y) of bytes."""
    c = ComponentBuilder("words")
    cell = _cell(c)
    uses16, uses_and = (c.column() for _ in WORDS_COLUMNS)
    c.lookup("Range16", -uses16, (cell,))
    triple = (c.preprocessed("high_byte"), c.preprocessed("low_byte"), c.preprocessed("and_byte"))
    c.lookup("And", -uses_and, triple)
    return c


def bytes_table() -> ComponentBuilder:
    """The table of bytes."""
    c = ComponentBuilder("bytes")
    value = c.preprocessed("byte")
    (uses,) = (c.column() for _ in BYTES_COLUMNS)
    c.lookup("Range8", -uses, (value,))
    return c
