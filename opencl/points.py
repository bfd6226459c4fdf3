"""Points of circle domains and inverse coordinates in device memory (spec stark.md sections 2 and 11)."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from bitsage.stark.circle import bit_reversal, coset_points, generator_index
from bitsage.stark.vectors import U32

from .buffers import Buffer
from .device import Device

_KEPT = 4  # tables of a kind kept on one device
#: Rows of one work-item that share an inversion.
INVERSION_ROWS = 16
_GROUP = 256

#: Tables by what they hold, of each device.
_tables: WeakKeyDictionary[Device, dict[tuple[str, int], Buffer]] = WeakKeyDictionary()


def _kept(device: Device, kind: str, key: int) -> Buffer | None:
    return _tables.setdefault(device, {}).get((kind, key))


def _keep(device: Device, kind: str, key: int, buffer: Buffer) -> Buffer:
    own = _tables.setdefault(device, {})
    same = [known for known in own if known[0] == kind]
    for known in same[: len(same) + 1 - _KEPT]:
        del own[known]
    own[kind, key] = buffer
    return buffer


def inversion_sizes(size: int, most: int) -> tuple[int, tuple[int], tuple[int]]:
    """Rows of a work-item, work-items and group size of a kernel over 2^k rows that inverts up to `most` at once."""
    rows = min(most, size)
    items = size // rows
    return rows, (items,), (min(_GROUP, items),)


def split_bits(bits: int) -> tuple[int, int]:
    """(log_high, log_low) of the two tables for 2^bits points."""
    return bits - bits // 2, bits // 2


def coset_tables(initial: int, step: int, bits: int) -> U32:
    """Tables whose sums are the points initial + j * step, j < 2^bits, in bit-reversed order of j.

    The high bits of a stored position are the low bits of j, so the high table steps finely.
    """
    high, low = split_bits(bits)
    fine = coset_points(initial, step, high)
    coarse = coset_points(0, step << high, low)
    parts = [*(c[bit_reversal(high)] for c in fine), *(c[bit_reversal(low)] for c in coarse)]
    return np.concatenate(parts)


def half_coset_tables(device: Device, log_size: int) -> Buffer:
    """The tables of the half coset of the circle domain of the log size."""
    known = _kept(device, "half coset", log_size)
    if known is not None:
        return known
    tables = coset_tables(generator_index(log_size + 1), generator_index(log_size - 1), log_size - 1)
    return _keep(device, "half coset", log_size, device.upload(tables))


def fold_twiddles(device: Device, log_size: int, step: int, circle: bool) -> tuple[Buffer, list[int]]:
    """Inverse twiddles of `step` folds from a domain of 2^log_size on, and the start of each fold's level.

    All levels of a circle domain lie one behind the other: 2^(n-1) inverses of y, then 2^(n-2) of x, ...; a line
    domain of log size n has its levels in the tables of the circle domain of log size n + 1.
    """
    owner = log_size if circle else log_size + 1
    known = _kept(device, "fold", owner)
    table = known if known is not None else _keep(device, "fold", owner, _inverse_levels(device, owner))
    levels = range(0, step) if circle else range(1, step + 1)
    return table, [(1 << owner) - (1 << (owner - level)) for level in levels]


def _inverse_levels(device: Device, log_size: int) -> Buffer:
    table = device.alloc(1 << log_size)
    kernel = device.kernel("points", "inverse_coordinates")
    for level in range(log_size):
        bits = log_size - 1 - level
        # Level k >= 1 holds x of the half coset of the circle domain of log size n - k + 1, its first half.
        domain = log_size if level == 0 else log_size - level + 1
        coset = coset_tables(generator_index(domain + 1), generator_index(domain - 1), bits)
        rows, *sizes = inversion_sizes(1 << bits, INVERSION_ROWS)
        start = (1 << log_size) - (1 << (log_size - level))
        arguments = (device.upload(coset), table, start, *split_bits(bits), int(level == 0), rows)
        device.launch(kernel, *sizes, *arguments)
    return table
