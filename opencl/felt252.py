"""Batches of STARK field elements on a device: products and inverses (privacy specification, section 5).

A batch lies on the device in columns, word-major (8, n), in Montgomery form with R = 2^252. The kernels hold nine limbs of
28 bits and not eight of 32: products then add up in 64-bit lanes without carries, which is why R is 2^252 here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bitsage.stark.vectors import U32

from .buffers import Buffer
from .device import Device

FIELD_PRIME = 2**251 + 17 * 2**192 + 1
R = 2**252 % FIELD_PRIME
_FILE = "felt252"
#: Values of one lane that share an inversion (290 multiplications), at most.
_ROWS = 64


def lanes_of(device: Device) -> int:
    """64-bit lanes of one work-item: eight fill a CPU's vector register."""
    return 8 if device.lanes > 1 else 1


def rows_for(device: Device, count: int) -> tuple[int, int]:
    """(padded count, rows of a lane that share an inversion) for a batch of `count` values.

    The rows double while every compute unit still has work for all its lanes.
    """
    lanes = lanes_of(device)
    groups = max(1, -(-count // lanes))
    busy = device.info.compute_units * (2 if device.lanes > 1 else 128)
    rows = 1
    while rows < _ROWS and groups >= 2 * rows * busy:
        rows *= 2
    step = lanes * rows
    return -(-count // step) * step, rows


def to_columns(values: Sequence[int], size: int = 0) -> U32:
    """Integers below 2^256 as columns (8, max(size, len)); what is missing is 0."""
    data = b"".join(value.to_bytes(32, "little") for value in values)
    data += bytes(32 * max(0, size - len(values)))
    return np.ascontiguousarray(np.frombuffer(data, dtype="<u4").reshape(-1, 8).T)


def to_words(values: Sequence[int]) -> U32:
    """Integers below 2^256 as rows (n, 8) of words, least significant first."""
    return np.frombuffer(b"".join(value.to_bytes(32, "little") for value in values), dtype="<u4").reshape(-1, 8)


def from_columns(columns: U32) -> list[int]:
    """The integers that columns (8, n) stand for."""
    data = np.ascontiguousarray(columns.T).astype("<u4").tobytes()
    return [int.from_bytes(data[i : i + 32], "little") for i in range(0, len(data), 32)]


@dataclass(frozen=True, slots=True, eq=False)
class FeltBatch:
    """`count` field elements on a device in Montgomery form; `size` counts the zeros behind them too."""

    device: Device
    buffer: Buffer
    count: int
    size: int
    rows: int

    @classmethod
    def of(cls, device: Device, values: Sequence[int]) -> FeltBatch:
        """Upload field elements.

        Raises:
            ValueError: a value is not in [0, p).
        """
        if not all(0 <= value < FIELD_PRIME for value in values):
            raise ValueError("a field element lies in [0, p)")
        size, rows = rows_for(device, len(values))
        batch = cls(device, device.upload(to_columns(values, size)), len(values), size, rows)
        return batch._scaled(R * R % FIELD_PRIME)

    def values(self) -> list[int]:
        """The elements as integers in [0, p)."""
        plain = self._scaled(1)
        return from_columns(self.device.download(plain.buffer, (8, self.size))[:, : self.count])

    def times(self, other: FeltBatch) -> FeltBatch:
        """The products, element by element.

        Raises:
            ValueError: the batches have different lengths.
        """
        if other.count != self.count:
            raise ValueError("batches of different lengths have no products")
        result = self._empty()
        self._launch("felt_mul", self.buffer, other.buffer, result.buffer, self.size)
        return result

    def inverses(self) -> FeltBatch:
        """1 / a for every element; 0 for 0."""
        result, lanes = self._empty(), lanes_of(self.device)
        kernel = self.device.kernel(_FILE, "felt_invert", lanes=lanes)
        items = self.size // lanes // self.rows
        self.device.launch(kernel, (items,), None, self.buffer, result.buffer, self.size, self.rows)
        return result

    def _scaled(self, constant: int) -> FeltBatch:
        result, words = self._empty(), self.device.upload(to_words([constant]))
        self._launch("felt_scale", self.buffer, words, result.buffer, self.size)
        return result

    def _empty(self) -> FeltBatch:
        return FeltBatch(self.device, self.device.alloc(8 * self.size), self.count, self.size, self.rows)

    def _launch(self, name: str, *arguments: object) -> None:
        lanes = lanes_of(self.device)
        kernel = self.device.kernel(_FILE, name, lanes=lanes)
        self.device.launch(kernel, (self.size // lanes,), None, *arguments)
