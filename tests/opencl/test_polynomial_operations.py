"""Composition, LogUp, samples, quotients and folds on a device: equal to the NumPy backend word for word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitsage.opencl.device import Device
from bitsage.stark import NumpyBackend, P

NUMPY = NumpyBackend()


def words(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).integers(0, P, shape, dtype=np.uint32)


def secure(seed: int) -> Any:
    a, b, c, d = (int(x) for x in words(seed, 4))
    return a, b, c, d


@pytest.mark.parametrize("log_size", [1, 2, 3, 5, 9, 14])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("circle", [True, False])
def test_folds(device: Device, log_size: int, step: int, circle: bool) -> None:
    from bitsage.opencl.buffers import Matrix
    from bitsage.opencl.fold import fold

    if step > log_size:
        return
    values = words(log_size, 4, 1 << log_size)
    expected = NUMPY.fold(values, step, circle, secure(step))
    found = fold(Matrix.of(device, values), step, circle, secure(step))
    assert np.array_equal(found.host(), expected)


@pytest.mark.parametrize("positions", [[], [0], [5, 5, 1, 31], list(range(32))])
def test_gathered_values(device: Device, positions: list[int]) -> None:
    from bitsage.opencl.buffers import Matrix
    from bitsage.opencl.fold import gather_secure

    values = words(1, 4, 32)
    assert gather_secure(Matrix.of(device, values), positions) == NUMPY.gather_secure(values, positions)


@pytest.mark.parametrize("log_sizes", [[1], [4, 4, 4], [9, 3, 9, 13, 3], [16, 11]])
def test_samples(device: Device, log_sizes: list[int]) -> None:
    from bitsage.opencl.buffers import ColumnSet, Matrix
    from bitsage.opencl.sample import sample
    from bitsage.stark.circle import secure_point

    columns = [words(k, 1 << n) for k, n in enumerate(log_sizes)]
    points = [secure_point(secure(7)), secure_point(secure(8))]
    wanted = [points[: k % 3] for k in range(1, len(columns) + 1)]
    groups = []
    for n in sorted(set(log_sizes)):
        indices = [k for k, m in enumerate(log_sizes) if m == n]
        groups.append((Matrix.of(device, np.stack([columns[k] for k in indices])), indices))
    degree = max(log_sizes) + 1
    assert sample(ColumnSet.gathered(groups), wanted, degree) == NUMPY.sample(columns, wanted, degree)


@pytest.mark.parametrize("log_size", [1, 2, 4, 9, 10, 11, 13, 16])
@pytest.mark.parametrize("above", [0, 1, 3])
def test_interpolation_on_the_first_points_of_a_domain(device: Device, log_size: int, above: int) -> None:
    from bitsage.opencl.buffers import Matrix
    from bitsage.opencl.prefix import interpolate_prefix
    from bitsage.stark import fft

    coefficients = words(log_size, 4, 1 << log_size)
    values = fft.evaluate(coefficients, log_size + above)[:, : 1 << log_size]
    found = interpolate_prefix(Matrix.of(device, np.ascontiguousarray(values)), log_size + above)
    assert np.array_equal(found.host(), coefficients)
