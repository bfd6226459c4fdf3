"""Points of circle domains in device memory, and sizes of kernels that invert (spec stark.md section 2)."""

from __future__ import annotations

import numpy as np

from bitsage.stark.circle import bit_reversal, coset_points, generator_index
from bitsage.stark.vectors import U32

from .buffers import Buffer
from .device import Device

#: Rows of one work-item that share an inversion.
INVERSION_ROWS = 16
_GROUP = 256


def inversion_sizes(size: int, most: int) -> tuple[int, tuple[int], tuple[int]]:
    """Rows of a work-item, work-items and group size of a kernel over 2^k rows that inverts `most` at once."""
    rows = most if size >= most else 1
    items = size // rows
    return rows, (items,), (min(_GROUP, items),)


def split_bits(bits: int) -> tuple[int, int]:
    """(log_high, log_low) of the two tables for 2^bits points."""
    return bits - bits // 2, bits // 2


def coset_tables(initial: int, step: int, bits: int) -> U32:
    """Tables of points.cl whose sums are the points initial + j * step, j < 2^bits, in bit-reversed order of j.

    The high bits of a stored position are the low bits of j, so the high table steps finely.
    """
    high, low = split_bits(bits)
    fine = coset_points(initial, step, high)
    coarse = coset_points(0, step << high, low)
    parts = [*(c[bit_reversal(high)] for c in fine), *(c[bit_reversal(low)] for c in coarse)]
    return np.concatenate(parts)


def half_coset_tables(device: Device, log_size: int) -> Buffer:
    """The tables of the half coset of the circle domain of the log size."""
    known: tuple[int, Buffer] | None = device.kept.get("half coset")
    if known is None or known[0] != log_size:
        tables = coset_tables(generator_index(log_size + 1), generator_index(log_size - 1), log_size - 1)
        known = device.kept["half coset"] = log_size, device.upload(tables)
    return known[1]
