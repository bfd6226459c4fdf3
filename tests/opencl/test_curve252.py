"""Sums of points and multi-scalar multiplication on the device against the point library."""

import random

import numpy as np
import pytest

from bitsage.opencl.curve252 import PointBatch, add
from bitsage.opencl.felt252 import FIELD_PRIME
from bitsage.privacy.curve import BETA, ORDER, G, is_identity, square_root


def affine(point):
    return None if is_identity(point) else (point.x, point.y)


@pytest.fixture(scope="module")
def points():
    rng = random.Random(1)
    return [rng.randrange(1, ORDER) * G for _ in range(64)]


def test_sums_are_complete(device, points):
    plain = [affine(p) for p in points]
    left = [*points, *points, *points, *[G - G] * 64]
    right = [*reversed(points), *points, *[-p for p in points], *points]
    expected = [affine(a + b) for a, b in zip(left, right, strict=True)]
    assert expected[64:192] == [affine(p + p) for p in points] + [None] * 64
    got = PointBatch.of(device, [affine(p) for p in left]).plus(PointBatch.of(device, [affine(p) for p in right]))
    assert got.points() == expected
    both_out = PointBatch.of(device, [None, plain[0]]).plus(PointBatch.of(device, [None, None]))
    assert both_out.points() == [None, plain[0]]


def test_no_point_could_be_taken_for_infinity():
    # (0, 0) stands for infinity on the device, and no point of the curve has x = 0 at all.
    assert square_root(BETA) is None


def test_one_point_is_added_to_all(device, points):
    got = PointBatch.of(device, [affine(p) for p in points]).plus(PointBatch.of(device, [affine(points[3])]))
    assert got.points() == [affine(p + points[3]) for p in points]


def test_long_batches_share_inversions(device, points):
    plain = [affine(p) for p in points]
    batch = PointBatch.of(device, plain)
    rng = np.random.default_rng(5)
    left, right = rng.integers(0, 65, (2, 20_000), dtype=np.uint32)
    table = {(i, j): add([*plain, None][i], [*plain, None][j]) for i in range(65) for j in range(65)}
    assert batch.sums(left, right).points() == [table[i, j] for i, j in zip(left.tolist(), right.tolist(), strict=True)]


def test_segments_of_every_length(device, points):
    segments = np.repeat(np.arange(9), np.arange(1, 10))
    places = np.arange(len(segments), dtype=np.uint32) % 64
    batch, numbers = PointBatch.of(device, [affine(p) for p in points]).segment_sums(places, segments)
    expected = []
    for s in range(9):
        total = G - G
        for place in places[segments == s]:
            total = total + points[place]
        expected.append(affine(total))
    assert numbers.tolist() == list(range(9))
    assert batch.points() == expected


@pytest.mark.parametrize("count", [1, 2, 31, 64, 1100])
def test_multi_scalar_is_the_sum_of_the_multiples(device, points, count):
    rng = random.Random(count)
    chosen = [points[i % 64] for i in range(count)]
    scalars = [rng.randrange(ORDER) for _ in range(count)]
    if count > 4:
        scalars[:4] = [0, 1, ORDER - 1, 2**252 - 1]
    factors = [0] * 64
    for i, scalar in enumerate(scalars):
        factors[i % 64] += scalar
    total = G - G
    for factor, point in zip(factors, points, strict=True):
        if factor % ORDER:
            total = total + (factor % ORDER) * point
    assert PointBatch.of(device, [affine(p) for p in chosen]).multi_scalar(scalars) == affine(total)


def test_what_cancels_is_infinity(device, points):
    batch = PointBatch.of(device, [affine(points[0]), affine(-points[0]), affine(points[1]), None])
    assert batch.multi_scalar([5, 5, 0, 7]) is None
    assert batch.multi_scalar([0, 0, 0, 0]) is None
    assert batch.multi_scalar([3, ORDER - 2, 0, 0]) == affine(5 * points[0])


def test_the_host_adds_like_the_library(points):
    for a, b in ((points[0], points[1]), (points[0], points[0]), (points[0], -points[0])):
        assert add(affine(a), affine(b)) == affine(a + b)
    assert add(None, affine(points[0])) == add(affine(points[0]), None) == affine(points[0])


def test_misuse_is_refused(device, points):
    batch = PointBatch.of(device, [affine(p) for p in points[:2]])
    with pytest.raises(ValueError, match="coordinate"):
        PointBatch.of(device, [(FIELD_PRIME, 1)])
    for scalars in ([1], [1, -1], [1, 2**256]):
        with pytest.raises(ValueError, match="scalar"):
            batch.multi_scalar(scalars)
    one = np.array([1], dtype=np.uint32)
    for left, right in ((one, np.array([3], dtype=np.uint32)), (one, np.array([0, 1], dtype=np.uint32))):
        with pytest.raises(ValueError, match="places"):
            batch.sums(left, right)
