"""Batches of STARK field elements on the device against Python's integers."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitsage.opencl.felt252 import FIELD_PRIME as P
from bitsage.opencl.felt252 import FeltBatch, R, from_columns, rows_for, to_columns

#: Limbs that are all ones or all zeros, and the neighbours of 0 and p, where carries and borrows run furthest.
EDGES = [
    0,
    1,
    2,
    P - 1,
    P - 2,
    R,
    P - R,
    2**192,
    2**192 - 1,
    17 * 2**192,
    P - 17 * 2**192,
    2**251,
    2**251 - 1,
    (P - 1) // 2,
]
EDGES += [
    sum(0xFFFFFFF << 28 * k for k in range(9) if mask >> k & 1) % P for mask in (0x1FF, 0x155, 0x0AA, 0x100, 0x0FF)
]


def test_products_of_all_edges(device):
    left = [a for a in EDGES for _ in EDGES]
    right = EDGES * len(EDGES)
    got = FeltBatch.of(device, left).times(FeltBatch.of(device, right)).values()
    assert got == [a * b % P for a, b in zip(left, right, strict=True)]


def test_inverses_of_all_edges_and_zero_among_them(device):
    got = FeltBatch.of(device, EDGES).inverses().values()
    assert got == [pow(a, -1, P) if a else 0 for a in EDGES]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000, 70_000])
def test_a_batch_of_any_length_comes_back(device, count):
    rng = random.Random(count)
    values = [rng.randrange(P) for _ in range(count)]
    batch = FeltBatch.of(device, values)
    assert batch.values() == values
    inverses = batch.inverses()
    assert all(a * b % P == 1 for a, b in zip(values, inverses.values(), strict=True))
    assert set(batch.times(inverses).values()) == {1}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(st.integers(0, P - 1), st.integers(0, P - 1)), min_size=1, max_size=40))
def test_products_are_those_of_integers(device, pairs):
    left, right = zip(*pairs, strict=True)
    got = FeltBatch.of(device, left).times(FeltBatch.of(device, right)).values()
    assert got == [a * b % P for a, b in pairs]


def test_an_inversion_is_shared_only_where_the_device_stays_busy(device):
    few, many = rows_for(device, 10), rows_for(device, 1 << 20)
    assert few[1] == 1
    assert many[1] > 1
    assert many[0] >= 1 << 20


def test_columns_are_word_major():
    columns = to_columns([1, 2**32], size=4)
    assert columns.shape == (8, 4)
    assert columns[0].tolist() == [1, 0, 0, 0]
    assert columns[1].tolist() == [0, 1, 0, 0]
    assert from_columns(columns) == [1, 2**32, 0, 0]
    assert columns.dtype == np.uint32


@pytest.mark.parametrize("value", [-1, P, 2**256])
def test_what_is_no_field_element_is_refused(device, value):
    with pytest.raises(ValueError, match="field element"):
        FeltBatch.of(device, [1, value])


def test_batches_of_different_lengths_have_no_products(device):
    with pytest.raises(ValueError, match="lengths"):
        FeltBatch.of(device, [1, 2]).times(FeltBatch.of(device, [1]))
