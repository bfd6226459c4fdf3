"""Trees, openings, gathers and the proof of work against the NumPy backend, byte for byte."""

import numpy as np
import pytest

from bitsage.opencl import fold, gather, merkle
from bitsage.opencl.buffers import ColumnRef, ColumnSet, Matrix
from bitsage.opencl.device import Device
from bitsage.opencl.grind import grind
from bitsage.stark import NumpyBackend, P
from bitsage.stark import grind as reference_grind

REFERENCE = NumpyBackend()


def columns_of(device: Device, log_sizes: list[int], seed: int = 3) -> tuple[list[np.ndarray], ColumnSet]:
    """Random columns of the sizes: on the host, and as rows of one matrix a size, in commit order."""
    chance = np.random.default_rng(seed)
    host = [chance.integers(0, P, 1 << log_size, dtype=np.uint32) for log_size in log_sizes]
    placed: dict[int, ColumnRef] = {}
    for size in set(log_sizes):
        indices = [k for k, log_size in enumerate(log_sizes) if log_size == size]
        matrix = Matrix.of(device, np.stack([host[k] for k in indices]))
        placed |= {index: ColumnRef(matrix, row) for row, index in enumerate(indices)}
    return host, ColumnSet([placed[k] for k in range(len(host))])


SHAPES = [
    [1],
    [3] * 5,
    [4] * 16,
    [5] * 17,
    [9] * 33,
    [11] * 3,
    [13] * 20,
    [2, 3, 4],
    [6, 5, 6, 4, 6, 1],
    [10] * 16 + [12] * 16,
    [12] * 18 + [10] * 30 + [7] * 3,
    [12, 3] * 20,
    [8, 14] * 9,
]


@pytest.mark.parametrize("extra", [0, 1, 3])
@pytest.mark.parametrize("log_sizes", SHAPES, ids=str)
def test_trees_and_their_openings(device: Device, log_sizes: list[int], extra: int) -> None:
    host, columns = columns_of(device, log_sizes)
    height = max(log_sizes) + extra
    tree, expected = merkle.commit(device, columns, height), REFERENCE.commit(host, height)
    assert tree.root == REFERENCE.root(expected)
    for h in range(height + 1):
        assert np.array_equal(tree.layer(h), expected.layers[height - h])
    chance = np.random.default_rng(height)
    for count in (1, 7, 1 << height):
        positions = sorted(set(chance.integers(0, 1 << height, count).tolist()))
        assert merkle.decommit(device, tree, positions) == REFERENCE.decommit(expected, positions)
        assert gather.gather(device, columns, height, positions) == REFERENCE.gather(host, height, positions)


def test_a_tree_without_columns_has_the_empty_root(device: Device) -> None:
    tree = merkle.commit(device, ColumnSet(), 5)
    assert merkle.root(tree).hex() == "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"
    assert merkle.decommit(device, tree, []) == []
    assert gather.gather(device, ColumnSet(), 5, [1, 2]) == []


def test_the_tree_of_the_specification(device: Device) -> None:
    host = [np.arange(4, dtype=np.uint32), np.arange(8, dtype=np.uint32), np.arange(16, dtype=np.uint32)]
    columns = ColumnSet([ColumnRef(Matrix.of(device, column[None]), 0) for column in host])
    tree = merkle.commit(device, columns, 4)
    assert tree.root.hex() == "8c77a12f054d8ae52326c32d9862b42c7976bf33a44711a79866d89caf310bb0"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("log_size", [2, 3, 5, 6, 7, 11, 12, 13, 15])
def test_layers_of_fri(device: Device, log_size: int, packed: bool) -> None:
    values = np.random.default_rng(log_size).integers(0, P, (4, 1 << log_size), dtype=np.uint32)
    tree = merkle.commit_layer(device, Matrix.of(device, values), packed)
    expected = REFERENCE.commit_layer(values, packed)
    assert tree.root == expected.root
    positions = sorted({0, (1 << tree.height) - 1, (1 << tree.height) // 3})
    assert merkle.decommit(device, tree, positions) == REFERENCE.decommit(expected, positions)
    assert fold.gather_secure(Matrix.of(device, values), positions) == REFERENCE.gather_secure(values, positions)


@pytest.mark.parametrize("bits", [0, 1, 7, 12, 16])
def test_the_nonce_is_the_first_in_the_order_of_the_search(device: Device, bits: int) -> None:
    for seed in range(4):
        digest = bytes([seed, bits]) * 16
        assert grind(device, digest, bits) == reference_grind.grind(digest, bits)


def test_the_search_goes_on_where_the_low_word_ends(device: Device) -> None:
    # Found by the NumPy search: the first hit of this digest has a high word above 0.
    digest = next(d for k in range(64) if grind(device, d := bytes([k]) * 32, 21) >> 32)
    assert grind(device, digest, 21) == reference_grind.grind(digest, 21)


def test_too_many_bits_are_refused(device: Device) -> None:
    with pytest.raises(ValueError, match="out of range"):
        grind(device, bytes(32), 41)
