"""The circle FFT on columns in storage order (spec section 3).

Columns are batched as uint32 arrays of shape (C, 2^n).  Layer i pairs entries 2^i apart; the low half of
the layers runs on the transposed matrix, so that NumPy's inner loops stay long and contiguous.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .circle import bit_reversal, coset_points, generator_index
from .fields import m31_inverse
from .vectors import U32, add, inverse, mul, sub

_BATCH = 1 << 17  # values in flight: larger temporaries leave the cache
_TILE = 1 << 16  # values of a tile of one large column
_TILED_FROM = 16  # log size from which columns are transformed tile by tile
Layer = U32


def _raw_twiddles(log_size: int) -> list[U32]:
    """Twiddle list of every layer, in the order of the index h of the specification."""
    x, y = coset_points(generator_index(log_size + 1), generator_index(log_size - 1), log_size - 1)
    layers = [y[bit_reversal(log_size - 1)]]
    for i in range(1, log_size):
        x = x[: len(x) // 2] if i == 1 else _double(x)[: len(x) // 2]
        layers.append(x[bit_reversal(log_size - 1 - i)])
    return layers


def _double(x: U32) -> U32:
    square = mul(x, x)
    return sub(add(square, square), np.ones_like(x))


@lru_cache(maxsize=48)
def _twiddles(log_size: int, inverted: bool) -> tuple[Layer, ...]:
    """Twiddles shaped for broadcasting over the views of `_views`."""
    layers = _raw_twiddles(log_size)
    if inverted:
        flat = inverse(np.concatenate(layers))
        layers = np.split(flat, np.cumsum([len(layer) for layer in layers])[:-1])
    low = log_size // 2
    shaped = []
    for i, layer in enumerate(layers):
        if i < low:
            rows = np.ascontiguousarray(layer.reshape(1 << (log_size - low), 1 << (low - i - 1)).T)
            shaped.append(rows[:, None, :])
        else:
            shaped.append(layer[:, None, None])
    return tuple(shaped)


def _views(matrix: U32, log_size: int, layer: int) -> tuple[U32, U32]:
    """Both halves of every pair of a layer; `matrix` is transposed for the low layers."""
    count = matrix.shape[0]
    low = log_size // 2
    if layer < low:
        view = matrix.reshape(count, 1 << (low - layer - 1), 2, 1 << layer, 1 << (log_size - low))
    else:
        view = matrix.reshape(count, 1 << (log_size - layer - 1), 2, 1 << (layer - low), 1 << low)
    return view[:, :, 0], view[:, :, 1]


def _transpose(matrix: U32, rows: int) -> U32:
    count = matrix.shape[0]
    return matrix.reshape(count, rows, -1).transpose(0, 2, 1).copy()  # the caller's array stays as it is


def _interpolate_batch(values: U32, log_size: int) -> U32:
    low = log_size // 2
    twiddles = _twiddles(log_size, True)
    matrix = _transpose(values, 1 << (log_size - low))
    for i in range(log_size):
        if i == low:
            matrix = _transpose(matrix, 1 << low)
        a, b = _views(matrix, log_size, i)
        difference = sub(a, b)
        a[...] = add(a, b)
        b[...] = mul(difference, twiddles[i])
    return mul(matrix.reshape(values.shape), np.uint32(m31_inverse(1 << log_size)))


def _evaluate_batch(coefficients: U32, log_size: int) -> U32:
    low = log_size // 2
    twiddles = _twiddles(log_size, False)
    matrix = coefficients.copy()
    for i in reversed(range(log_size)):
        if i == low - 1:
            matrix = _transpose(matrix, 1 << (log_size - low))
        a, b = _views(matrix, log_size, i)
        product = mul(b, twiddles[i])
        b[...] = sub(a, product)
        a[...] = add(a, product)
    return _transpose(matrix, 1 << low).reshape(coefficients.shape)


def _interpolate_tiled(values: U32, log_size: int) -> U32:
    """One large column, tile by tile: the low layers on blocks of rows, the high ones on blocks of columns."""
    low, high = log_size // 2, log_size - log_size // 2
    twiddles = _twiddles(log_size, True)
    source = values.reshape(1 << high, 1 << low)
    middle, result = np.empty_like(source), np.empty_like(source)
    width = _TILE >> low
    for start in range(0, 1 << high, width):
        part = slice(start, start + width)
        tile = source[part].T.copy()
        for i in range(low):
            _inverse_layer(tile, i, twiddles[i][:, :, part])
        middle[part] = tile.T
    scale = np.uint32(m31_inverse(1 << log_size))
    width = _TILE >> high
    for start in range(0, 1 << low, width):
        part = slice(start, start + width)
        tile = middle[:, part].copy()
        for i in range(low, log_size):
            _inverse_layer(tile, i - low, twiddles[i])
        result[:, part] = mul(tile, scale)
    return result.reshape(-1)


def _evaluate_tiled(coefficients: U32, log_size: int) -> U32:
    """The transform of `_interpolate_tiled` backwards; layers above the degree only repeat their input."""
    low, high = log_size // 2, log_size - log_size // 2
    twiddles = _twiddles(log_size, False)
    source = coefficients.reshape(-1, 1 << low)
    repeat = (1 << high) // len(source)
    middle = np.empty((1 << high, 1 << low), dtype=np.uint32)
    result = np.empty_like(middle)
    width = _TILE >> high
    for start in range(0, 1 << low, width):
        part = slice(start, start + width)
        tile = np.tile(source[:, part], (repeat, 1))
        for i in reversed(range(low, len(coefficients).bit_length() - 1)):
            _forward_layer(tile, i - low, twiddles[i])
        middle[:, part] = tile
    width = _TILE >> low
    for start in range(0, 1 << high, width):
        part = slice(start, start + width)
        tile = middle[part].T.copy()
        for i in reversed(range(low)):
            _forward_layer(tile, i, twiddles[i][:, :, part])
        result[part] = tile.T
    return result.reshape(-1)


def _halves(tile: U32, row_layer: int) -> tuple[U32, U32]:
    """Both halves of every pair of rows 2^row_layer apart."""
    view = tile.reshape(-1, 2, 1 << row_layer, tile.shape[1])
    return view[:, 0], view[:, 1]


def _inverse_layer(tile: U32, row_layer: int, twiddles: Layer) -> None:
    a, b = _halves(tile, row_layer)
    difference = sub(a, b)
    a[...] = add(a, b)
    b[...] = mul(difference, twiddles)


def _forward_layer(tile: U32, row_layer: int, twiddles: Layer) -> None:
    a, b = _halves(tile, row_layer)
    product = mul(b, twiddles)
    b[...] = sub(a, product)
    a[...] = add(a, product)


def interpolate(values: U32) -> U32:
    """Coefficients (C, 2^n) of the polynomials with the given stored values (C, 2^n), n >= 1."""
    log_size = values.shape[1].bit_length() - 1
    if log_size >= _TILED_FROM:
        return np.stack([_interpolate_tiled(column, log_size) for column in values])
    step = max(1, _BATCH >> log_size)
    result = np.empty_like(values)
    for start in range(0, len(values), step):
        result[start : start + step] = _interpolate_batch(values[start : start + step], log_size)
    return result


def evaluate(coefficients: U32, log_size: int) -> U32:
    """Stored values (C, 2^log_size) on the canonic domain of a log size not below the coefficients'."""
    count, length = coefficients.shape
    if log_size >= _TILED_FROM and length >= 1 << (log_size // 2):
        return np.stack([_evaluate_tiled(column, log_size) for column in coefficients])
    step = max(1, _BATCH >> log_size)
    result = np.empty((count, 1 << log_size), dtype=np.uint32)
    for start in range(0, count, step):
        part = coefficients[start : start + step]
        padded = np.zeros((len(part), 1 << log_size), dtype=np.uint32)
        padded[:, :length] = part
        result[start : start + step] = _evaluate_batch(padded, log_size)
    return result
