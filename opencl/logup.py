"""LogUp interaction columns on the device (spec stark.md section 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bitsage.stark import vectors
from bitsage.stark.errors import TraceInvalid
from bitsage.stark.fields import QM31, m31_inverse, qscale
from bitsage.stark.rows import needed_by_logup
from bitsage.stark.transcript import Environment
from bitsage.stark.vectors import U32

from .buffers import ColumnRef, Matrix
from .compose import placed
from .device import Device
from .environment import environment_words
from .generated import kernels_of
from .points import inversion_sizes
from .templates import columns_read, fraction_program, shape_of

_MAX_LOG_CHUNKS = 12
_INVERSION_ROWS = 8  # rows of one work-item that share an inversion


def logup_columns(
    device: Device, env: Environment, index: int, columns: Mapping[int, Sequence[U32]]
) -> tuple[list[ColumnRef], QM31]:
    """The component's LogUp columns (four per batch, stored order) and its claimed sum.

    `columns[tree]` are the component's stored columns on the host.  Raises TraceInvalid when a denominator
    is 0 in some row.
    """
    component = env.air.components[index]
    log_size = env.params.log_sizes[index]
    result = Matrix.empty(device, 4 * component.batch_count, log_size)
    _running_fractions(env, index, columns, result)
    claimed = _sum_last(result)
    return [ColumnRef(result, row) for row in range(result.rows)], claimed


def _running_fractions(env: Environment, index: int, columns: Mapping[int, Sequence[U32]], out: Matrix) -> None:
    """Row by row the sums of the fractions of the batches so far."""
    component, device, log_size = env.air.components[index], out.device, out.log_size
    needed = columns_read(component, needed_by_logup(component))
    stacked = Matrix.empty(device, len(needed), log_size)
    for row, (tree, column) in enumerate(needed):
        device.write(stacked.buffer, columns[tree][column], offset=row << log_size)
    places, buffers = placed({key: ColumnRef(stacked, row) for row, key in enumerate(needed)})
    shape, values = shape_of(component, env, places)
    program = fraction_program(shape)
    words = device.upload(environment_words(program.slots, values, env, index))
    zero = device.upload(np.zeros(1, dtype=np.uint32))
    rows, *sizes = inversion_sizes(1 << log_size, _INVERSION_ROWS)
    for kernel in kernels_of(device, component.name, program, f"-DROWS={rows}"):
        arguments = (*buffers, words, log_size, log_size, out.buffer, zero)
        device.launch(kernel, *sizes, *arguments)
    if device.download(zero, (1,))[0]:
        raise TraceInvalid("a lookup has the denominator 0")


def _sum_last(columns: Matrix) -> QM31:
    """Turn the last four rows into their shifted prefix sums in coset order; returns the sum over all rows."""
    device, log_size = columns.device, columns.log_size
    log_chunks = min(_MAX_LOG_CHUNKS, log_size - 1)
    last = columns.rows - 4
    sums = device.alloc(4 << log_chunks)
    where = (last, log_size, log_chunks)
    device.launch(device.kernel("logup", "chunk_sums"), (1 << log_chunks,), None, columns.buffer, sums, *where)
    partial = device.download(sums, (4, 1 << log_chunks))
    ends = vectors.prefix_sum(partial)
    a, b, c, d = ends[:, -1].tolist()
    shift = vectors.qscalar(qscale((a, b, c, d), m31_inverse(1 << log_size)))
    before = vectors.sub(ends, partial)
    rows_before = np.arange(1 << log_chunks, dtype=np.uint32) << np.uint32(log_size - log_chunks)
    starts = vectors.sub(before, vectors.mul(shift, rows_before))
    given = device.upload(starts), device.upload(vectors.neg(shift))
    kernel = device.kernel("logup", "prefix_sums")
    device.launch(kernel, (1 << log_chunks, 4), None, columns.buffer, *given, *where)
    return a, b, c, d
