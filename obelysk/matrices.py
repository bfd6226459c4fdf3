"""Matrices over M31: seeded inputs, the .npy form, the canonical bytes and the exact product."""

from __future__ import annotations

import re

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from bitsage.stark import P
from bitsage.stark.linear import matmul

from .errors import JobInputInvalid

Matrix = NDArray[np.uint32]
SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048)
SEED_CONTEXT = b"bitsage matmul inputs v1"
SEED_MAX = 2**64 - 1
_NPY_MAGIC = b"\x93NUMPY"
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|][iu][1248])', 'fortran_order': (True|False), 'shape': \((\d{1,6}), (\d{1,6})\), \} *\n"
)


def generate_inputs(size: int, seed: int) -> tuple[Matrix, Matrix]:
    """A and B of a size for a seed, the same on every machine.

    The stream is the extendable output of BLAKE3 over the ASCII bytes "bitsage matmul inputs v1", the size
    as u32 little-endian and the seed as u64 little-endian.  It is read as u32 little-endian words; of each
    the lowest 31 bits are taken, and dropped when they are p = 2^31 - 1.  The first size^2 values are A, the
    next size^2 are B, row by row.

    Raises JobInputInvalid for a size or seed out of range.
    """
    check_size(size)
    if type(seed) is not int or not 0 <= seed <= SEED_MAX:
        raise JobInputInvalid("seed")
    stream = blake3(SEED_CONTEXT + size.to_bytes(4, "little") + seed.to_bytes(8, "little"))
    need = 2 * size * size
    values = np.empty(0, dtype=np.uint32)
    offset = 0
    while len(values) < need:
        count = need - len(values)
        words = np.frombuffer(stream.digest(length=4 * count, seek=offset), dtype="<u4") & np.uint32(P)
        values = np.concatenate([values, words[words != P].astype(np.uint32)])
        offset += 4 * count
    a, b = values.reshape(2, size, size)
    return a, b


def check_size(size: object) -> int:
    """The size, when it is supported.  Raises JobInputInvalid."""
    if type(size) is not int or size not in SIZES:
        raise JobInputInvalid("size", f"the size must be one of {', '.join(map(str, SIZES))}")
    return size


def padded_size(*lengths: int) -> int:
    """The smallest supported size that holds all lengths.  Raises JobInputInvalid when none does."""
    for size in SIZES:
        if min(lengths) > 0 and max(lengths) <= size:
            return size
    raise JobInputInvalid("matrix_shape", f"each side of a matrix must be 1 to {SIZES[-1]} long")


def padded(matrix: Matrix, size: int) -> Matrix:
    """The matrix in the upper left corner of a square one that is 0 elsewhere."""
    result = np.zeros((size, size), dtype=np.uint32)
    result[: matrix.shape[0], : matrix.shape[1]] = matrix
    return result


def read_npy(data: bytes) -> Matrix:
    """A matrix over M31, of sides 1 to 2048, from the bytes of a .npy file (version 1 or 2, as numpy.save writes).

    Raises JobInputInvalid.  Only the plain header is understood; nothing is evaluated or unpickled.
    """
    header, body = split_npy(data)
    match = _NPY_HEADER.fullmatch(header)
    if match is None:
        raise JobInputInvalid("matrix_format")
    dtype = np.dtype(match[1].decode())
    rows, columns = int(match[3]), int(match[4])
    padded_size(rows, columns)
    if len(body) != rows * columns * dtype.itemsize:
        raise JobInputInvalid("matrix_format", "the data does not fill the shape")
    values = np.frombuffer(body, dtype=dtype).reshape((rows, columns), order="F" if match[2] == b"True" else "C")
    if int(values.min()) < 0 or int(values.max()) >= P:
        raise JobInputInvalid("matrix_range")
    return np.ascontiguousarray(values).astype(np.uint32)


def split_npy(data: bytes) -> tuple[bytes, bytes]:
    """Header and data of the bytes of a .npy file of version 1 or 2.  Raises JobInputInvalid."""
    width = {b"\x01\x00": 2, b"\x02\x00": 4}.get(data[6:8])
    if data[:6] != _NPY_MAGIC or width is None:
        raise JobInputInvalid("matrix_format")
    start = 8 + width
    end = start + int.from_bytes(data[8:start], "little")
    return data[start:end], data[end:]


def encode_matrix(matrix: object) -> bytes:
    """Canonical bytes: the shape, then the entries row by row as u32 little-endian.

    A square of a supported size is announced by that size; any other shape by 0, the rows and the columns (each
    u32 little-endian).  So every matrix has exactly one form.

    Raises JobInputInvalid unless the matrix is a uint32 array of sides 1 to 2048 with canonical entries.
    """
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype != np.uint32:
        raise JobInputInvalid("output_format")
    rows, columns = matrix.shape
    if not (0 < rows <= SIZES[-1] and 0 < columns <= SIZES[-1]) or int(matrix.max()) >= P:
        raise JobInputInvalid("output_format")
    announced = (rows,) if _is_plain(rows, columns) else (0, rows, columns)
    entries: bytes = np.ascontiguousarray(matrix).astype("<u4").tobytes()
    return b"".join(n.to_bytes(4, "little") for n in announced) + entries


def decode_matrix(data: bytes) -> Matrix:
    """The matrix of canonical bytes.  Raises JobInputInvalid."""
    first, rows, columns = (int.from_bytes(data[k : k + 4], "little") for k in (0, 4, 8))
    start = 4 if first else 12
    if first:
        rows = columns = first
    too_large = rows > SIZES[-1] or columns > SIZES[-1]
    if too_large or _is_plain(rows, columns) != bool(first) or len(data) != start + 4 * rows * columns:
        raise JobInputInvalid("output_format")
    matrix = np.frombuffer(data, dtype="<u4", offset=start).reshape(rows, columns).astype(np.uint32)
    if not matrix.size or int(matrix.max()) >= P:
        raise JobInputInvalid("output_format")
    return matrix


def _is_plain(rows: int, columns: int) -> bool:
    return rows == columns and rows in SIZES


def product(a: Matrix, b: Matrix) -> Matrix:
    """A * B mod p, exact."""
    return matmul(a, b)
