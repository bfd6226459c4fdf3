"""What the backend's handles are: matrices of columns in device memory.

Every value is a canonical M31 as uint32.  A matrix has one OpenCL buffer of its own, row after row without
gaps; a list of columns of different lengths names rows of several matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bitsage.stark.vectors import U32

if TYPE_CHECKING:
    from .device import Device

#: A pyopencl.Buffer.
Buffer = Any


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """`rows` columns of 2^log_size values each, row-major in one buffer.

    With four rows it is a QM31 function on one domain: a `SecureEvaluation`.
    """

    device: Device
    buffer: Buffer
    rows: int
    log_size: int

    @property
    def words(self) -> int:
        """Size in 32-bit words."""
        return self.rows << self.log_size

    def host(self) -> U32:
        """All rows as a host array (rows, 2^log_size)."""
        return self.device.download(self.buffer, (self.rows, 1 << self.log_size))

    def row(self, index: int) -> U32:
        """One row as a host array."""
        size = 1 << self.log_size
        return self.device.download(self.buffer, (size,), offset=index * size)

    @classmethod
    def empty(cls, device: Device, rows: int, log_size: int) -> Matrix:
        """A matrix with undefined content."""
        return cls(device, device.alloc(rows << log_size), rows, log_size)

    @classmethod
    def of(cls, device: Device, array: U32) -> Matrix:
        """A host array (rows, 2^log_size) in device memory."""
        rows, size = array.shape
        return cls(device, device.upload(array), rows, size.bit_length() - 1)


@dataclass(frozen=True, slots=True, eq=False)
class ColumnRef:
    """One row of a matrix: the backend's `Column`."""

    matrix: Matrix
    row: int

    @property
    def log_size(self) -> int:
        """Log2 of the number of values."""
        return self.matrix.log_size

    def __len__(self) -> int:
        return 1 << self.matrix.log_size

    def host(self) -> U32:
        """The values as a host array."""
        return self.matrix.row(self.row)


class ColumnSet(Sequence[ColumnRef]):
    """Columns in commit order: the backend's `Polynomials` and `Evaluations`."""

    def __init__(self, columns: Sequence[ColumnRef] = ()) -> None:
        self.columns = tuple(columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[ColumnRef]:
        return iter(self.columns)

    def __getitem__(self, index: Any) -> Any:
        return self.columns[index]

    @property
    def log_sizes(self) -> tuple[int, ...]:
        """Log size of every column."""
        return tuple(column.log_size for column in self.columns)

    def by_matrix(self) -> list[tuple[Matrix, list[int]]]:
        """Matrices in order of their first column, each with the indices of its columns in this list."""
        groups: dict[int, tuple[Matrix, list[int]]] = {}
        for index, column in enumerate(self.columns):
            groups.setdefault(id(column.matrix), (column.matrix, []))[1].append(index)
        return list(groups.values())

    @classmethod
    def of_matrix(cls, matrix: Matrix) -> ColumnSet:
        """All rows of one matrix."""
        return cls([ColumnRef(matrix, row) for row in range(matrix.rows)])

    @classmethod
    def gathered(cls, matrices: Sequence[tuple[Matrix, Sequence[int]]]) -> ColumnSet:
        """Rows 0, 1, ... of every matrix put at the given indices of the list."""
        placed = {index: ColumnRef(m, row) for m, indices in matrices for row, index in enumerate(indices)}
        return cls([placed[k] for k in range(len(placed))])


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A Merkle tree with all its layers in one buffer, or the tree without columns (`buffer` is None).

    The layer of height h (2^h digests, the root at h = 0) is word-major, (8, 2^h), and starts at word
    `start(h)`; the leaves come first.
    """

    device: Device
    buffer: Buffer | None
    height: int
    root: bytes

    def start(self, h: int) -> int:
        """First word of the layer of 2^h digests."""
        return tree_start(self.height, h)

    def layer(self, h: int) -> U32:
        """One layer as a host array (8, 2^h)."""
        if self.buffer is None:
            raise ValueError("the tree without columns has no layers")
        return self.device.download(self.buffer, (8, 1 << h), offset=self.start(h))


def tree_start(height: int, h: int) -> int:
    """First word of the layer of 2^h digests in a tree with 2^height leaves."""
    return 8 * ((2 << height) - (2 << h))


def as_words(values: Sequence[int]) -> U32:
    """Integers as an array of words."""
    return np.array(values, dtype=np.uint32)
