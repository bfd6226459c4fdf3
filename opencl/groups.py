"""How streamed columns are cut into groups that fit into what is free on the device."""

from __future__ import annotations

from collections.abc import Sequence

from bitsage.stark.vectors import U32

#: Columns of a block of a leaf: a BLAKE2s block of 64 bytes.
BLOCK = 16
#: A buffer may take an eighth more than was asked for (`memory`).
ROUNDING = 9 / 8


def by_size(columns: Sequence[U32]) -> dict[int, list[int]]:
    """Indices of the columns of each log size."""
    result: dict[int, list[int]] = {}
    for index, column in enumerate(columns):
        result.setdefault(len(column).bit_length() - 1, []).append(index)
    return result


def extension_bytes(log_size: int, log_blowup: int) -> int:
    """Device memory of a column that is being extended: coefficients and values."""
    return (4 << log_size) + (4 << (log_size + log_blowup))


def leaf_groups(logs: Sequence[int], order: Sequence[int], log_blowup: int, free: int) -> list[Sequence[int]]:
    """The columns in leaf order, in groups of whole blocks that fit into the free bytes, at least one block each."""
    result: list[Sequence[int]] = []
    taken = 0.0
    for start in range(0, len(order), BLOCK):
        block = [logs[k] for k in order[start : start + BLOCK]]
        size = ROUNDING * sum(extension_bytes(log, log_blowup) for log in block)
        if block[0] != block[-1]:  # such a block is lifted to its longest column first
            size += ROUNDING * len(block) * (4 << (block[-1] + log_blowup))
        # What smaller columns left behind is one state a row.
        size_of_states = ROUNDING * (32 << (block[-1] + log_blowup))
        if result and taken + size + size_of_states <= free:
            result[-1] = [*result[-1], *order[start : start + BLOCK]]
            taken += size
        else:
            result.append(order[start : start + BLOCK])
            taken = size
    return result


def constraint_groups(needed: Sequence[set[tuple[int, int]]], most: int) -> list[tuple[int, ...]]:
    """Consecutive constraints that read at most so many columns together, at least one constraint each."""
    result: list[tuple[int, ...]] = []
    columns: set[tuple[int, int]] = set()
    for number, own in enumerate(needed):
        if result and len(columns | own) <= most:
            result[-1] = (*result[-1], number)
            columns |= own
        else:
            result.append((number,))
            columns = set(own)
    return result
