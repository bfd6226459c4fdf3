"""The device's circle FFT against the NumPy backend, value for value."""

from dataclasses import replace

import numpy as np
import pytest

from bitsage.opencl import fft
from bitsage.opencl.buffers import ColumnRef, ColumnSet, Matrix
from bitsage.opencl.device import Device
from bitsage.opencl.tuning import FftSizes, defaults, fft_sizes
from bitsage.opencl.twiddles import tower
from bitsage.stark import P
from bitsage.stark import fft as reference


def random_columns(rows: int, log_size: int, seed: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, P, (rows, 1 << log_size), dtype=np.uint32)
    values[0, :3] = [0, P - 1, 1][: 1 << log_size]
    return values


@pytest.mark.parametrize("log_size", [*range(2, 19), 20])
def test_interpolation(device: Device, log_size: int) -> None:
    values = random_columns(3 if log_size < 15 else 2, log_size)
    found = fft.interpolate(device, list(values))
    assert np.array_equal([c.host() for c in found], reference.interpolate(values))


@pytest.mark.parametrize("blowup", [0, 1, 2, 4])
@pytest.mark.parametrize("log_size", [2, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17])
def test_extension(device: Device, log_size: int, blowup: int) -> None:
    coefficients = random_columns(3, log_size)
    found = fft.extend(device, ColumnSet.of_matrix(Matrix.of(device, coefficients)), blowup)
    assert np.array_equal([c.host() for c in found], reference.evaluate(coefficients, log_size + blowup))


def test_small_tiles_need_several_high_passes(info) -> None:
    device = Device(info)
    device.kept["sizes"] = replace(defaults(device), fft=FftSizes(device.lanes, 1, 9, 11, 6, 1 << 12))
    values = random_columns(2, 20)
    assert len(fft.passes(20, fft_sizes(device))) == 3
    found = fft.interpolate(device, list(values))
    assert np.array_equal([c.host() for c in found], reference.interpolate(values))
    again = fft.extend(device, found, 1)
    expected = reference.evaluate(reference.interpolate(values), 21)
    assert np.array_equal([c.host() for c in again], expected)


@pytest.mark.parametrize("layers", range(5, 31))
def test_passes_cover_all_layers_and_fit_into_a_tile(info, layers: int) -> None:
    for lanes in (1, None):
        device = Device(info, lanes)
        sizes = fft_sizes(device)
        plan = fft.passes(layers, sizes)
        assert plan[0].lo == 0
        assert plan[-1].hi == layers
        assert [step.hi for step in plan[:-1]] == [step.lo for step in plan[1:]]
        assert plan[0].hi <= sizes.tile_log
        for step in plan[1:]:
            assert step.hi - step.lo >= 4
            assert sizes.slice_log(step) >= 0
            assert step.hi - step.lo + sizes.slice_log(step) + sizes.lanes_log <= sizes.tile_log


def test_columns_of_several_sizes_and_origins_keep_their_order(device: Device) -> None:
    small, large, third = random_columns(2, 6), random_columns(3, 9, 2), random_columns(1, 6, 3)
    own = Matrix.of(device, large)
    columns = [small[0], ColumnRef(own, 2), small[1], ColumnRef(own, 0), third[0], large[1]]
    host = [small[0], large[2], small[1], large[0], third[0], large[1]]
    found = fft.interpolate(device, columns)
    for column, values in zip(found, host, strict=True):
        assert np.array_equal(column.host(), reference.interpolate(values[None])[0])
    assert np.array_equal(own.host(), large), "a caller's column must stay as it is"
    for column, values in zip(fft.extend(device, found, 2), host, strict=True):
        expected = reference.evaluate(reference.interpolate(values[None]), len(values).bit_length() + 1)
        assert np.array_equal(column.host(), expected[0])


def test_own_columns_are_not_overwritten(device: Device) -> None:
    values = random_columns(4, 10)
    own = Matrix.of(device, values)
    fft.interpolate(device, list(ColumnSet.of_matrix(own)))
    assert np.array_equal(own.host(), values)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_tower_holds_the_twiddles_of_every_smaller_domain(device: Device, inverted: bool) -> None:
    device.kept.pop(("tower", inverted), None)
    words = device.download(tower(device, 11, inverted), (1 << 10,)).astype(np.uint64)
    for log_size in (3, 7, 11):
        layers = reference._raw_twiddles(log_size)
        for layer in range(1, log_size):
            size = 1 << (log_size - 1 - layer)
            found = (words[size : 2 * size] >> 1).astype(np.uint64)
            expected = layers[layer].astype(np.uint64)
            assert np.array_equal(found * expected % P if inverted else found, np.ones(size) if inverted else expected)
