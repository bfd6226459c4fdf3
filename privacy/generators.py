"""Bases of the range proof, of which nobody knows a relation: found like H, by try-and-increment.

x = Poseidon("BITSAGE_RANGE_BASE_V1", kind, index, counter) for counter = 0, 1, ... until x is on the curve; y is the smaller
root. kind 0 is U (index 0), kind 1 are the G_i, kind 2 the H_i. All of them in one list, with G and H of the curve:

    0: G    1: H    2: U    3 + 2i: G_i    4 + 2i: H_i        for 0 <= i < 128
"""

from functools import lru_cache

from fastecdsa.rust import Point
from poseidon_py.poseidon_hash import poseidon_hash_many

from .curve import CURVE, G, H, right_side, square_root
from .multiexp import FixedPoints

CAPACITY = 128
"""Bits that one range proof can hold at most."""
USUAL = 88
"""Bits of a transfer's range proof: 40 of the amount and 48 of what remains."""
BASE_G, BASE_H, BASE_U, FIRST_VECTOR = 0, 1, 2, 3
_LABEL = int.from_bytes(b"BITSAGE_RANGE_BASE_V1", "big")


def derive(kind: int, index: int) -> Point:
    """The base of this kind and index."""
    counter = 0
    while True:
        x = poseidon_hash_many([_LABEL, kind, index, counter])
        y = square_root(right_side(x))
        if y is not None:
            return Point(x, y, CURVE)
        counter += 1


@lru_cache(maxsize=2)
def fixed_points(bits: int = USUAL) -> FixedPoints:
    """The table of all fixed points of proofs with up to so many bits, made at the first use (about a second)."""
    points = [G, H, derive(0, 0)]
    for i in range(bits):
        points += [derive(1, i), derive(2, i)]
    return FixedPoints(points)
