"""Interpolation on the first points of a canonic domain (spec stark.md sections 2 and 3).

The first 2^m stored points of the canonic domain of log size M >= m are a circle domain of their own.  Its
twiddles are the first ones of every layer of the larger domain's, so the passes of the FFT run unchanged on
the rows, one by one, when they take their twiddles from there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bitsage.stark import vectors
from bitsage.stark.circle import domain_points
from bitsage.stark.fields import m31_inverse
from bitsage.stark.vectors import U32

from .buffers import Matrix
from .fft import LEAST_LOG, passes
from .guard import guarded
from .runtime import cl
from .tuning import fft_sizes
from .twiddles import tower

_LEAST_LOG = max(LEAST_LOG, 10)  # rows begin at multiples of 4 KiB, as devices ask of buffers inside buffers
_ROTATION = 31  # rotating a word of 31 bits by k multiplies by 2^k


def interpolate_prefix(values: Matrix, domain_log: int) -> Matrix:
    """Coefficients, in place, of the functions with these values on the first points of the domain 2^domain_log."""
    n, device = values.log_size, values.device
    if n < _LEAST_LOG:
        device.write(values.buffer, _on_host(values.host(), domain_log))
        return values
    inverse, sizes = tower(device, domain_log, True), fft_sizes(device)
    plan = passes(n, sizes)
    for row in range(values.rows):
        own = _row(values, row)
        for step in plan:
            shift = _ROTATION - n if step is plan[-1] else _ROTATION
            if step.lo == 0:
                kernel = device.kernel("fft", "inverse_low", sizes.options)
                groups = 1 << (n - step.hi)
                where: tuple[int, ...] = (step.hi,)
            else:
                slice_log = sizes.slice_log(step)
                kernel = device.kernel("fft", "inverse_high", sizes.options)
                groups = 1 << (n - (step.hi - step.lo) - slice_log - sizes.lanes_log)
                where = (step.lo, step.hi, slice_log)
            arguments = (own, own, inverse, domain_log, *where, 0, shift)
            device.launch(kernel, (sizes.group * groups, 1), (sizes.group, 1), *arguments)
    return values


def _row(matrix: Matrix, row: int) -> Any:
    """A row as a buffer of its own, inside the matrix's."""
    size = 4 << matrix.log_size
    with guarded():
        # What pyopencl's pool gives has no method for this, but names the same memory object.
        whole = matrix.buffer
        if not isinstance(whole, cl.Buffer):
            whole = cl.Buffer.from_int_ptr(whole.int_ptr, retain=True)
        return whole.get_sub_region(row * size, size)


def _on_host(values: U32, domain_log: int) -> U32:
    """The same for small sizes: values (rows, 2^m), layer by layer."""
    count, size = values.shape
    x, y = (coordinate[:size] for coordinate in domain_points(domain_log))
    result = values.copy()
    layer = 0
    while 2 << layer <= size:
        twiddles = (x if layer else y)[:: 2 << layer]
        pairs = result.reshape(count, -1, 2, 1 << layer)
        left, right = pairs[:, :, 0].copy(), pairs[:, :, 1].copy()
        pairs[:, :, 0] = vectors.add(left, right)
        pairs[:, :, 1] = vectors.mul(vectors.sub(left, right), vectors.inverse(twiddles)[:, None])
        if layer:
            square = vectors.mul(x, x)
            x = vectors.sub(vectors.add(square, square), np.ones_like(x))
        layer += 1
    return vectors.mul(result, np.uint32(m31_inverse(size)))
