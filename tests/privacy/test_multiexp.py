"""Sums of multiples agree with the library, at the edges too."""

import hashlib
from collections.abc import Callable

import pytest
from fastecdsa.rust import Point
from hypothesis import given, settings
from hypothesis import strategies as st
from poseidon_py.poseidon_hash import poseidon_hash_many

from bitsage.privacy import multiexp
from bitsage.privacy.curve import FIELD_PRIME, ORDER, G, H, random_scalar, right_side, square_root
from bitsage.privacy.equations import Equation, holds, sum_of
from bitsage.privacy.generators import BASE_G, BASE_H, BASE_U, CAPACITY, FIRST_VECTOR, derive, fixed_points
from bitsage.privacy.jacobian import IDENTITY, add, add_affine, affine, double, normalise, to_point
from bitsage.privacy.multiexp import FixedPoints, multiply_add

EDGES = [0, 1, 2, 3, 15, 16, 17, 255, 256, 257, 2**128 - 1, 2**128, 2**251, ORDER - 2, ORDER - 1]
POINTS = [G * random_scalar() for _ in range(6)]
scalars = st.one_of(st.sampled_from(EDGES), st.integers(0, ORDER - 1))
points = st.sampled_from([*POINTS, IDENTITY, G, -G, H])


def by_library(terms: list[tuple[int, Point]]) -> Point:
    total = IDENTITY
    for scalar, point in terms:
        total = total + point * scalar if scalar else total
    return total


METHODS: dict[str, Callable[..., object]] = {"straus": multiexp._straus, "pippenger": multiexp._pippenger}


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=15, deadline=None)
@given(terms=st.lists(st.tuples(scalars, points), max_size=12))
def test_sums_agree_with_the_library(name: str, terms: list[tuple[int, Point]]) -> None:
    pairs = [(scalar, affine(point)) for scalar, point in terms if point.z and scalar]
    assert to_point(METHODS[name](pairs)) == by_library(terms)  # type: ignore[arg-type]
    assert to_point(multiply_add(terms)) == by_library(terms)


def test_the_choice_of_the_method_changes_nothing() -> None:
    terms = [(random_scalar(), POINTS[i % 6] + G * i) for i in range(60)]
    assert to_point(multiply_add(terms)) == by_library(terms)
    assert to_point(multiply_add([(s + ORDER, p) for s, p in terms])) == by_library(terms)
    assert to_point(multiply_add([(-s, p) for s, p in terms])) == -by_library(terms)


def test_a_sum_may_be_infinity() -> None:
    s = random_scalar()
    for count in (1, 30):
        terms = [(s, POINTS[0]), (ORDER - s, POINTS[0])] * count
        assert multiply_add(terms) is None
        assert multiply_add([*terms, (5, G)]) is not None
    assert multiply_add([]) is None
    assert multiply_add([(5, IDENTITY), (0, G)]) is None


@settings(max_examples=10, deadline=None)
@given(values=st.lists(scalars, max_size=3))
def test_fixed_points_agree_with_the_library(values: list[int]) -> None:
    fixed = POINTS[:3]
    terms = list(zip(values, fixed, strict=False))
    assert to_point(FixedPoints(fixed).multiply_add(values)) == by_library(terms)


def test_additions_handle_every_special_case() -> None:
    p = affine(POINTS[0])
    assert p is not None
    one = double(double((*p, 1)))
    minus = affine(-(POINTS[0] * 4))
    same = affine(POINTS[0] * 4)
    assert one is not None
    assert minus is not None
    assert same is not None
    assert add_affine(one, minus) is None
    assert to_point(add_affine(one, same)) == POINTS[0] * 8
    assert to_point(add(one, one)) == POINTS[0] * 8
    assert add(one, (*minus, 1)) is None
    assert add(None, one) == one == add(one, None)
    assert to_point(add_affine(None, p)) == POINTS[0]
    assert double(None) is None
    assert to_point(None) == IDENTITY
    assert affine(IDENTITY) is None
    assert normalise([one, double(one)]) == [same, affine(POINTS[0] * 8)]
    with pytest.raises(ValueError, match="infinity"):
        normalise([one, None])


def test_the_bases_of_range_proofs_are_found_by_try_and_increment() -> None:
    label = int.from_bytes(b"BITSAGE_RANGE_BASE_V1", "big")
    for kind, index in ((0, 0), (1, 0), (2, 87)):
        counter = 0
        while square_root(right_side(poseidon_hash_many([label, kind, index, counter]))) is None:
            counter += 1
        base = derive(kind, index)
        assert base.x == poseidon_hash_many([label, kind, index, counter])
        assert base.y <= FIELD_PRIME - base.y
    all_points = [G, H, derive(0, 0), *(derive(kind, i) for i in range(CAPACITY) for kind in (1, 2))]
    assert len({p.x for p in all_points}) == len(all_points) == FIRST_VECTOR + 2 * CAPACITY
    # Pinned, so that another implementation can check its own.
    text = b"".join(p.x.to_bytes(32, "big") + p.y.to_bytes(32, "big") for p in all_points)
    assert hashlib.sha256(text).hexdigest() == "04e1e718d0a8f5eb6722e15923018c91bc85253096d66683bdaf79a6ff72862d"
    for index in (BASE_G, BASE_H, BASE_U, FIRST_VECTOR, FIRST_VECTOR + 1, FIRST_VECTOR + 175):
        assert to_point(sum_of({index: 5})) == all_points[index] * 5
    assert to_point(fixed_points(CAPACITY).multiply_add([0] * 258 + [7])) == all_points[258] * 7


def test_many_equations_hold_as_one_only_if_all_do() -> None:
    def true(k: int) -> Equation:
        return Equation({BASE_G: k, BASE_H: 1}, [(-1, G * k + H)])

    assert holds([])
    assert holds([true(3)])
    assert holds([true(3), true(4), Equation({}, [(3, IDENTITY)])])
    assert not holds([Equation({BASE_G: 1}, [])])
    # Two false ones whose plain sum is true.
    off = [Equation({BASE_G: 1}, []), Equation({BASE_G: -1}, [])]
    assert sum_of({BASE_G: 0}) is None
    assert not holds(off)
    assert not holds([true(3), *off])


def test_the_weights_depend_on_every_scalar_and_point() -> None:
    one = Equation({BASE_G: 1, BASE_H: 2}, [(3, G), (4, H)])
    others = [
        Equation({BASE_G: 2, BASE_H: 2}, [(3, G), (4, H)]),
        Equation({BASE_G: 1, BASE_U: 2}, [(3, G), (4, H)]),
        Equation({BASE_G: 1}, [(3, G), (4, H)]),
        Equation({BASE_G: 1, BASE_H: 2}, [(5, G), (4, H)]),
        Equation({BASE_G: 1, BASE_H: 2}, [(3, H), (4, H)]),
        Equation({BASE_G: 1, BASE_H: 2}, [(3, G), (4, -H)]),
        Equation({BASE_G: 1, BASE_H: 2}, [(3, G), (4, IDENTITY)]),
        Equation({BASE_G: 1, BASE_H: 2}, [(3, G)]),
    ]
    assert len({e.transcript() for e in [one, *others]}) == 9
