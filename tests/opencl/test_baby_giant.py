"""Baby steps and giant steps on the device: the host's table, and every number found."""

import numpy as np
import pytest

from bitsage.opencl.baby_giant import GiantSteps, baby_table, multiples
from bitsage.privacy.curve import G, is_identity
from bitsage.privacy.dlog import DiscreteLog

BITS, BLOCK = 8, 32
SPAN = 2 * (1 << BITS) + 1


def affine(point):
    return None if is_identity(point) else (point.x, point.y)


@pytest.fixture(scope="module")
def giant(device):
    return GiantSteps.of(device, affine(G), *baby_table(device, affine(G), BITS), block=BLOCK)


def test_multiples_of_a_point(device):
    batch = multiples(device, affine(G), 11)
    assert batch.points() == [affine(m * G) for m in range(1, 12)]
    assert batch.sums(np.array([0, 11], dtype=np.uint32), np.array([11, 11], dtype=np.uint32)).points() == [
        affine(G),
        None,
    ]


def test_the_table_is_that_of_the_host(device):
    keys, steps = baby_table(device, affine(G), BITS)
    host = DiscreteLog.build(BITS)
    assert keys.tolist() == host.keys.tolist()
    assert steps.tolist() == host.steps.tolist()


@pytest.mark.parametrize("giant_step", [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
@pytest.mark.parametrize("baby_step", [-(1 << BITS), -1, 0, 1, 1 << BITS])
def test_every_number_is_among_its_candidates(giant, giant_step, baby_step):
    number = giant_step * SPAN + baby_step
    if number >= 0:
        point = affine(number * G) if number else None
        assert number in set(giant.candidates(point, 4 * BLOCK * SPAN))


def test_the_largest_number_below_the_limit_is_found_and_the_limit_is_not(giant):
    for limit in (1, 2, SPAN, BLOCK * SPAN, BLOCK * SPAN + (1 << BITS) + 1, 100_000):
        last = limit - 1
        assert last in set(giant.candidates(affine(last * G) if last else None, limit)), limit
        assert limit not in set(giant.candidates(affine(limit * G), limit))


def test_a_number_out_of_range_has_no_candidates(giant):
    assert list(giant.candidates(affine((1 << 80) * G), 1 << 20)) == []
