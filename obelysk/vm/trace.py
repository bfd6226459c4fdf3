"""From a finished run to the columns of the AIR (docs/vm.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bitsage.stark import P, Trace, vectors
from bitsage.stark.circle import coset_positions
from bitsage.stark.vectors import U32

from .chips import BITWISE_FUNCTIONS, COMPARE_FUNCTIONS, INPUT_CELL, OUTPUT_CELL
from .cpu import SLOT_A, SLOT_B, SLOT_C, SLOTS
from .isa import MEMORY_BASE
from .machine import HALF, Execution
from .micro import Function, Kind, MicroOp, lower

I64 = NDArray[np.int64]
CELLS = 1 << 16
MIN_LOG = 4
TABLE_LOG, BYTES_LOG = 16, 8


@dataclass(frozen=True, slots=True)
class _Accesses:
    """All memory accesses: what stood in the cell, since when, and the high part of the time difference."""

    old: I64
    time: I64
    high: I64
    low: I64
    last_value: I64
    last_time: I64


@dataclass(frozen=True, slots=True)
class Run:
    """A run as integer arrays, one entry a cycle."""

    listing: tuple[MicroOp, ...]
    clock: I64
    pc: I64
    kind: I64
    d: I64
    s1: I64
    s2: I64
    imm: I64
    a: I64
    b: I64
    c: I64

    @classmethod
    def of(cls, execution: Execution) -> Run:
        """The operands of every cycle, looked up in the program."""
        listing = lower(execution.program)
        pc, a, b, c = (x.astype(np.int64) for x in (execution.pc, execution.a, execution.b, execution.c))
        table = np.array(listing, dtype=np.int64)
        kind, d, s1, s2, imm = (table[:, k][pc] for k in range(5))
        return cls(listing, np.arange(len(pc), dtype=np.int64), pc, kind, d, s1, s2, imm, a, b, c)

    def where(self, *kinds: Kind) -> I64:
        """The cycles of the given kinds."""
        return np.flatnonzero(np.isin(self.kind, kinds))


class Counters:
    """How often each entry of the tables is used."""

    def __init__(self) -> None:
        self._counts = {name: np.zeros(1 << log, dtype=np.int64) for name, log in _TABLES.items()}

    def use(self, name: str, *values: I64) -> None:
        """Count the uses of the table entries at these indices."""
        for indices in values:
            self._counts[name] += np.bincount(indices, minlength=len(self._counts[name]))

    def column(self, name: str) -> I64:
        """The multiplicities."""
        return self._counts[name]


_TABLES = {"Range16": TABLE_LOG, "Range8": BYTES_LOG, "And": TABLE_LOG}


def vm_trace(execution: Execution) -> tuple[tuple[int, ...], Trace]:
    """The log sizes of the components and the trace, preprocessed columns included."""
    run, counters = Run.of(execution), Counters()
    storage, tape = run.where(Kind.LOAD, Kind.STORE), run.where(Kind.READ, Kind.WRITE)
    is_write = (run.kind[tape] == Kind.WRITE).astype(np.int64)
    index = np.where(is_write == 1, np.cumsum(is_write) - 1, np.cumsum(1 - is_write) - 1)
    address = (run.a[storage] + run.imm[storage]) % P
    counters.use("Range16", address)
    accesses = _accesses(run, storage, address, tape, is_write, index, counters)
    cycles = len(run.clock)
    parts = {
        "cpu": _cpu(run, accesses),
        "storage": _storage(run, storage, accesses, slice(3 * cycles, 3 * cycles + len(storage))),
        "tape": _tape(run, tape, is_write, index, accesses, slice(3 * cycles + len(storage), None)),
        "compare": _compare(run, counters),
        "bitwise": _bitwise(run, counters),
        "program": _program(run),
        "memory": [accesses.last_value, accesses.last_time],
        "words": [counters.column("Range16"), counters.column("And")],
        "bytes": [counters.column("Range8")],
    }
    sizes = tuple(log_size(len(columns[0])) for columns in parts.values())
    trace = tuple(
        tuple(_stored(column, n, in_rows=name == "cpu") for column in columns)
        for (name, columns), n in zip(parts.items(), sizes, strict=True)
    )
    return sizes, Trace(preprocessed_columns(sizes[0]), trace)


def log_size(rows: int) -> int:
    """Log2 of the number of rows that hold this many."""
    return max(MIN_LOG, (rows - 1).bit_length() if rows else 0)


def preprocessed_columns(cpu_log: int) -> tuple[U32, ...]:
    """The preprocessed columns in stored order."""
    rows = 1 << cpu_log
    cell = np.arange(CELLS, dtype=np.uint32)
    high, low = cell >> np.uint32(8), cell & np.uint32(255)
    last, clock = np.zeros(rows, dtype=np.int64), np.arange(rows, dtype=np.int64)
    last[-1] = 1
    order = [_stored(column, cpu_log, in_rows=True) for column in (last, clock)]
    return (*order, high, low, high & low, np.arange(1 << BYTES_LOG, dtype=np.uint32))


@lru_cache(maxsize=4)
def _rows_at(n: int) -> I64:
    """The row at every stored position (read-only)."""
    rows = np.argsort(coset_positions(n))
    rows.flags.writeable = False
    return rows


def _stored(values: I64, n: int, *, in_rows: bool) -> U32:
    """Values padded with zeros; in storage order where neighbouring rows are compared."""
    result = np.zeros(1 << n, dtype=np.uint32)
    result[: len(values)] = values
    # Gathering is three times as fast as scattering; every index is in range, "clip" only skips the check.
    return result.take(_rows_at(n), mode="clip") if in_rows else result


def _accesses(
    run: Run, storage: I64, address: I64, tape: I64, is_write: I64, index: I64, counters: Counters
) -> _Accesses:
    """Link every access to the one before it in the same cell.

    Order: three a cycle for the registers, then storage, then tape; within a cell this is the order of time.
    """
    clock = run.clock[:, None] * SLOTS
    at = (clock + np.array([SLOT_A, SLOT_B, SLOT_C])).ravel()
    cells = np.concatenate(
        [
            np.stack([run.s1, run.s2, run.d], axis=1).ravel(),
            address + MEMORY_BASE,
            np.where(is_write == 1, OUTPUT_CELL, INPUT_CELL),
        ]
    )
    times = np.concatenate([at, run.clock[storage] * SLOTS + SLOT_B, run.clock[tape] * SLOTS + SLOT_B])
    values = np.concatenate([np.stack([run.a, run.b, run.c], axis=1).ravel(), run.c[storage], index + 1])
    order = np.argsort(cells.astype(np.uint16), kind="stable")
    same = cells[order[1:]] == cells[order[:-1]]
    old, before = np.zeros_like(values), np.zeros_like(times)
    old[order[1:]] = np.where(same, values[order[:-1]], 0)
    before[order[1:]] = np.where(same, times[order[:-1]], 0)
    last = order[np.append(~same, True)]
    last_value, last_time = np.zeros(CELLS, dtype=np.int64), np.zeros(CELLS, dtype=np.int64)
    last_value[cells[last]], last_time[cells[last]] = values[last], times[last]
    difference = times - before - 1
    high, low = difference >> 16, difference & 0xFFFF
    counters.use("Range16", low)
    counters.use("Range8", high)
    return _Accesses(old, before, high, low, last_value, last_time)


def _cpu(run: Run, accesses: _Accesses) -> list[I64]:
    count = 3 * len(run.clock)
    times, highs = (x[:count].reshape(-1, 3).T for x in (accesses.time, accesses.high))
    inverse = np.zeros_like(run.clock)
    test = np.isin(run.kind, (Kind.JEQ, Kind.JNE)) & (run.a != run.b)
    _invert(inverse, test, run.a - run.b)
    _invert(inverse, run.kind == Kind.DIV, run.b)
    return [
        *((run.kind == kind).astype(np.int64) for kind in Kind),
        np.ones_like(run.clock),
        run.pc,
        *(run.d, run.s1, run.s2, run.imm, run.a, run.b, run.c),
        accesses.old[2:count:3],
        inverse,
        *times,
        *highs,
    ]


def _invert(target: I64, where: NDArray[np.bool_], values: I64) -> None:
    """Write the inverses mod p of the chosen values."""
    if where.any():
        target[where] = vectors.inverse((values[where] % P).astype(np.uint32))


def _inverse(values: I64) -> I64:
    return vectors.inverse((values % P).astype(np.uint32)).astype(np.int64)


def _storage(run: Run, cycles: I64, accesses: _Accesses, own: slice) -> list[I64]:
    is_store = (run.kind[cycles] == Kind.STORE).astype(np.int64)
    operands = (run.imm[cycles], run.a[cycles], run.b[cycles], run.c[cycles])
    return [
        np.ones_like(cycles),
        is_store,
        cycles,
        *operands,
        accesses.old[own],
        accesses.time[own],
        accesses.high[own],
    ]


def _tape(run: Run, cycles: I64, is_write: I64, index: I64, accesses: _Accesses, own: slice) -> list[I64]:
    words = (run.a[cycles], run.c[cycles])
    return [np.ones_like(cycles), is_write, cycles, *words, index, accesses.time[own], accesses.high[own]]


def _alu(run: Run, functions: Sequence[Function]) -> tuple[I64, Mapping[Function, I64]]:
    """Cycles of these functions, and a column of flags for each function."""
    cycles = np.flatnonzero((run.kind == Kind.ALU) & np.isin(run.imm, functions))
    return cycles, {f: (run.imm[cycles] == f).astype(np.int64) for f in functions}


def _compare(run: Run, counters: Counters) -> list[I64]:
    cycles, flags = _alu(run, COMPARE_FUNCTIONS)
    x, y = run.a[cycles], run.b[cycles] + flags[Function.RELU] * HALF
    less = (x < y).astype(np.int64)
    (x_low, x_high), (y_low, y_high) = ((v & 0xFFFF, v >> 16) for v in (x, y))
    differ = (x_high != y_high).astype(np.int64)
    high_inverse = np.zeros_like(x)
    _invert(high_inverse, differ == 1, x_high - y_high)
    deciding = np.where(differ == 1, x_high - y_high, x_low - y_low)
    gap = deciding - less * (2 * deciding + 1)
    counters.use("Range16", x_low, x_high, 2 * x_high, y_low, y_high, 2 * y_high, gap)
    ones = 0xFFFF + 0x7FFF
    inverses = (_inverse(ones - x_low - x_high), _inverse(ones - y_low - y_high))
    halves = (x_low, x_high, y_low, y_high)
    return [*flags.values(), cycles, *halves, *inverses, less, differ, high_inverse, gap, run.c[cycles]]


def _bitwise(run: Run, counters: Counters) -> list[I64]:
    cycles, flags = _alu(run, BITWISE_FUNCTIONS)
    a, b = run.a[cycles], run.b[cycles]
    words = [[word >> 8 * k & 255 for k in range(4)] for word in (a, b, a & b)]
    for x, y, _ in zip(*words, strict=True):
        counters.use("And", x << 8 | y)
    counters.use("Range8", 2 * words[0][3], 2 * words[1][3])
    ones = 3 * 255 + 127
    inverses = [_inverse(ones - np.sum(word, axis=0)) for word in words[:2]]
    return [*flags.values(), cycles, *words[0], *words[1], *words[2], *inverses, run.c[cycles]]


def _program(run: Run) -> list[I64]:
    """The listing, padded by copies of its first entry, which nothing uses."""
    rows = 1 << log_size(len(run.listing))
    padded = np.array([(pc, *op) for pc, op in enumerate(run.listing)], dtype=np.int64)
    padded = np.concatenate([padded, np.repeat(padded[:1], rows - len(padded), axis=0)])
    return [*padded.T, np.bincount(run.pc, minlength=rows)]
