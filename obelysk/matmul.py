"""The matrix product as an AIR: C = A * B over M31, checked by a random bilinear form.

With s and t drawn from QM31 after A, B and C are committed,

    sum_ij s^i t^j C_ij  =  sum_k (sum_i s^i A_ik) (sum_j t^j B_kj)

holds for every s, t if and only if C = A * B, and for a wrong C with probability at most 2n / |QM31|.
The n^3 products of the definition become n^2 rows.

Rows: r = (segment, position) = (r div n, r mod n).  Trace columns: A transposed (segment k, position i),
B (segment k, position j), C (segment i, position j), so that the trace tree commits to the job's input and
output and to nothing else.  A hash of the three matrices is absorbed before it.  The interaction columns, all in QM31, are

    p = s^position    q = t^position    u = s^segment
    a = sum over the segment so far of p * A        b = likewise of q * B
    d = sum over all rows so far of last * a * b - u * q * C

The sum d ends at 0, which the first row sees as its cyclic predecessor.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from bitsage.stark import (
    QM31,
    Air,
    AirBuilder,
    ComponentBuilder,
    Params,
    PublicList,
    PublicValue,
    Trace,
    vectors,
)
from bitsage.stark.fields import ZERO, qpowers
from bitsage.stark.vectors import U32

from .matrices import Matrix
from .statement import BINDING_VALUES, CONFIG, binding_limbs, limbs, stored

__all__ = [
    "CONFIG",
    "PREPROCESSED_ROOTS",
    "interaction_columns",
    "log_rows",
    "matmul_air",
    "matmul_params",
    "matmul_trace",
    "selectors",
    "trace_columns",
]

SELECTORS = ("segment_first", "segment_last", "first_row")

#: Roots of the preprocessed tree by matrix size under CONFIG's blowup.
PREPROCESSED_ROOTS: dict[int, str] = {
    16: "bb0154a4146fae32d5aef8be9b77dcb4128aa8ffaf4f23a8d991553dce759655",
    32: "92145b07c953a4801374690f614ca1a934aec4970fb5c4637151db6b6bb32a8a",
    64: "b37496e7fe8abe4a224d6cd5118e2e43df5b95189913d165813110be369a8374",
    128: "a9ff0f7ae9453793f680947d6b51a849cecdce5c47703ab351199200b77a4aec",
    256: "838f800045d3bc9768b54812c55447191b10b09622a9c0d6a0430fe69a146466",
    512: "405c014b92151a0112b192b2451cf78e83c14d4d27682a36061221e36f5696c6",
    1024: "acbcd181ecdb595d9663d2c09c755a41fb4a2b3527f49814977c1248d1a681af",
    2048: "eebedcb1edebf04c1e41d1b45198106ed4eeb074b8c6fde47f08842d0a75f67a",
}


@lru_cache(maxsize=1)
def matmul_air() -> Air:
    """The AIR, one for all sizes."""
    c = ComponentBuilder("matmul")
    first, last, first_row = (c.preprocessed(name) for name in SELECTORS)
    a_in, b_in, c_out = (c.column() for _ in range(3))
    (p_prev, p), (q_prev, q), (a_prev, a), (b_prev, b), (u_prev, u), (d_prev, d) = (
        c.secure_column((-1, 0)) for _ in range(6)
    )
    s, t = c.challenge("s"), c.challenge("t")
    inside = 1 - first
    c.constrain(p - first - inside * s * p_prev)
    c.constrain(q - first - inside * t * q_prev)
    c.constrain(a - inside * a_prev - p * a_in)
    c.constrain(b - inside * b_prev - q * b_in)
    later = 1 - first_row
    c.constrain(u - first_row - later * u_prev * (first * (s - 1) + 1))
    c.constrain(d - later * d_prev - last * a * b + u * q * c_out)
    c.constrain(first_row * d_prev)
    air = AirBuilder("matmul", preprocessed=SELECTORS).add(c)
    statement = [PublicValue("size"), *(PublicValue("shape", k) for k in range(3))]
    statement += [PublicValue("matrices", k) for k in range(16)]
    air.step("mix_config").step("mix_u32s", *statement, *BINDING_VALUES).commit(0).commit(1)
    return air.step("draw_felt", names=("s",)).step("draw_felt", names=("t",)).commit(2).build()


def log_rows(size: int) -> int:
    """Log2 of the number of rows, n^2."""
    return 2 * (size.bit_length() - 1)


def selectors(size: int) -> tuple[U32, ...]:
    """The three preprocessed columns in storage order."""
    position = np.arange(size * size) % size
    first = (position == 0).astype(np.uint32)
    last = (position == size - 1).astype(np.uint32)
    row = np.zeros(size * size, dtype=np.uint32)
    row[0] = 1
    return stored(first), stored(last), stored(row)


def trace_columns(a: Matrix, b: Matrix, c: Matrix) -> tuple[U32, U32, U32]:
    """The trace columns A transposed, B and C in storage order."""
    return stored(a.T.ravel()), stored(b.ravel()), stored(c.ravel())


def matmul_trace(a: Matrix, b: Matrix, c: Matrix) -> Trace:
    """The trace of the claim C = A * B, right or wrong."""
    return Trace(selectors(a.shape[0]), (trace_columns(a, b, c),))


def interaction_columns(a: Matrix, b: Matrix, c: Matrix, challenges: Mapping[str, QM31]) -> list[list[U32]]:
    """The six QM31 columns p, q, a, b, u, d as 24 base columns in storage order."""
    n = a.shape[0]
    s_powers, t_powers = (np.array(qpowers(challenges[name], n), dtype=np.uint32).T for name in "st")
    p, q = np.tile(s_powers, n), np.tile(t_powers, n)
    u = np.repeat(s_powers, n, axis=1)
    sums = []
    for weights, matrix in ((p, a.T), (q, b)):
        terms = vectors.mul(weights, matrix.ravel())
        sums.append(vectors.prefix_sum(terms.reshape(4, n, n)).reshape(4, n * n))
    steps = vectors.neg(vectors.mul(vectors.qmul(u, q), c.ravel()))
    ends = slice(n - 1, None, n)
    steps[:, ends] = vectors.add(steps[:, ends], vectors.qmul(sums[0][:, ends], sums[1][:, ends]))
    columns = (p, q, *sums, u, vectors.prefix_sum(steps))
    return [[row for column in columns for row in stored(column)]]


def matmul_params(size: int, binding: bytes, matrices: bytes, shape: tuple[int, int, int] | None = None) -> Params:
    """Parameters of a job's proof; the preprocessed root is pinned.  Raises JobInputInvalid for a bad binding.

    `matrices` is a hash (32 bytes) of A, B and C, by which every challenge is drawn for these and no others.
    `shape` are the rows of A, the columns of A and the columns of B before they were padded to `size`; without it
    nothing was padded.
    """
    n = log_rows(size)
    return Params(
        config=CONFIG,
        log_sizes=(n,),
        preprocessed_log_sizes=(n,) * len(SELECTORS),
        public={
            "size": size,
            "shape": PublicList(shape or (size,) * 3),
            "matrices": limbs(matrices),
            "binding": binding_limbs(binding),
        },
        claimed_sums=(ZERO,),
        preprocessed_root=bytes.fromhex(PREPROCESSED_ROOTS[size]),
    )
