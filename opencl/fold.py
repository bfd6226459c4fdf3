"""FRI folds and openings of QM31 functions on the device (spec stark.md section 11)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitsage.stark.fields import QM31, qmul
from bitsage.stark.numpy_backend import NumpyBackend
from bitsage.stark.vectors import U32

from .buffers import Matrix
from .twiddles import tower

_MAX_STEP = 3  # folds of one kernel
_LEAST_LOG = 3  # smaller domains have no pairs of pairs of points


def fold(evaluation: Matrix, step: int, circle: bool, alpha: QM31) -> Matrix:
    """`step` folds with alpha, alpha^2, alpha^4, ..., the first one of a circle domain when `circle` is set."""
    while step:
        own = min(step, _MAX_STEP)
        alphas = [alpha]
        for _ in range(own):
            alphas.append(qmul(alphas[-1], alphas[-1]))
        evaluation = _fold(evaluation, own, circle, alphas[:-1])
        alpha, circle, step = alphas[-1], False, step - own
    return evaluation


def _fold(evaluation: Matrix, step: int, circle: bool, alphas: Sequence[QM31]) -> Matrix:
    device = evaluation.device
    if evaluation.log_size < _LEAST_LOG:
        return Matrix.of(device, NumpyBackend().fold(evaluation.host(), step, circle, alphas[0]))
    inverse = tower(device, evaluation.log_size + 1, True)
    result = Matrix.empty(device, 4, evaluation.log_size - step)
    given = inverse, device.upload(np.array(alphas, dtype=np.uint32))
    kernel = device.kernel("fold", "fold", f"-DSTEP={step}")
    size = (1 << result.log_size,)
    device.launch(kernel, size, None, evaluation.buffer, result.buffer, *given, result.log_size, int(circle))
    return result


def gather_secure(evaluation: Matrix, positions: Sequence[int]) -> list[QM31]:
    """Values at stored positions."""
    if not len(positions):
        return []
    device = evaluation.device
    out = device.alloc(4 * len(positions))
    where = device.upload(np.array(positions, dtype=np.uint32))
    kernel = device.kernel("fold", "gather_rows")
    device.launch(kernel, (len(positions),), None, evaluation.buffer, out, where, evaluation.log_size)
    picked: U32 = device.download(out, (len(positions), 4))
    return [(a, b, c, d) for a, b, c, d in picked.tolist()]
