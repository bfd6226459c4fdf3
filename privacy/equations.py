"""What a verifier has to check, as sums of multiples that must be infinity; many of them are checked as one.

A verifier turns each of its checks into an `Equation`. `holds` multiplies the j-th equation by a number that nobody could
foresee and adds all of them up: if one of them is false, the sum is infinity with probability 2^-128. The numbers are blake3
of every scalar and point of all the equations, so they are fixed before the numbers are known, and the answer is the same on
every replay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import blake3
from fastecdsa.rust import Point
from gmpy2 import mpz

from .curve import ORDER
from .fixed_base import times_g, times_h
from .generators import BASE_G, BASE_H, BASE_U, CAPACITY, FIRST_VECTOR, USUAL, fixed_points
from .jacobian import ONE, Jacobian, add, add_affine, affine, normalise
from .multiexp import multiply_add

_WEIGHT_BYTES = 16

Engine = Callable[[Sequence[tuple[int, Point]]], tuple[int, int] | None]
"""The affine sum of scalar * point, scalars in [0, n), None for infinity: a device's multi-scalar multiplication."""


@dataclass(slots=True)
class Equation:
    """fixed: multiples of the list in `generators`, by index; free: multiples of any other points. Their sum is infinity."""

    fixed: dict[int, int] = field(default_factory=dict)
    free: list[tuple[int, Point]] = field(default_factory=list)

    def transcript(self) -> bytes:
        """Every scalar and every point, in a form that can be read in one way only."""
        parts = [len(self.fixed).to_bytes(4, "big"), len(self.free).to_bytes(4, "big")]
        for index, scalar in self.fixed.items():
            parts += [index.to_bytes(4, "big"), (scalar % ORDER).to_bytes(32, "big")]
        for scalar, point in self.free:
            # Infinity is the only point that the library gives a Z of 0; (0, 0) is not on the curve.
            x, y = (point.x, point.y) if point.z else (0, 0)
            parts += [(scalar % ORDER).to_bytes(32, "big"), x.to_bytes(32, "big"), y.to_bytes(32, "big")]
        return b"".join(parts)


def holds(equations: Sequence[Equation], engine: Engine | None = None) -> bool:
    """Whether all of them hold; `engine` adds up the points that are not in `generators`."""
    hasher = blake3.blake3(b"bitsage equations v1")
    hasher.update(len(equations).to_bytes(8, "big"))
    for equation in equations:
        hasher.update(equation.transcript())
    weights = hasher.digest(length=_WEIGHT_BYTES * len(equations))
    fixed: dict[int, int] = {}
    free: list[tuple[int, Point]] = []
    for number, equation in enumerate(equations):
        weight = int.from_bytes(weights[_WEIGHT_BYTES * number : _WEIGHT_BYTES * (number + 1)], "big")
        for index, scalar in equation.fixed.items():
            fixed[index] = fixed.get(index, 0) + weight * scalar
        free += [(weight * scalar, point) for scalar, point in equation.free]
    if engine is None:
        return sum_of(fixed, free) is None
    # A point that the engine cannot leave out unnoticed: a broken device must not turn nothing into "it holds".
    mark = times_g(int.from_bytes(hasher.digest(length=_WEIGHT_BYTES), "big") + 1)
    found = engine([*((scalar % ORDER, point) for scalar, point in free), (1, mark)])
    total = None if found is None else add(sum_of(fixed), (mpz(found[0]), mpz(found[1]), ONE))
    return total is not None and normalise([total]) == [affine(mark)]


def sum_of(fixed: dict[int, int], free: Sequence[tuple[int, Point]] = ()) -> Jacobian:
    """The sum of all multiples."""
    top = max(fixed, default=-1) + 1
    if top <= BASE_U:
        # Without a range proof the small tables of G and H do, and the large one need not be made.
        bases = affine(times_g(fixed.get(BASE_G, 0) % ORDER) + times_h(fixed.get(BASE_H, 0) % ORDER))
        return multiply_add(free) if bases is None else add_affine(multiply_add(free), bases)
    table = fixed_points() if top <= FIRST_VECTOR + 2 * USUAL else fixed_points(CAPACITY)
    return add(table.multiply_add([fixed.get(i, 0) for i in range(top)]), multiply_add(free))
