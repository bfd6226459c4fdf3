"""Affine additions of one point to many, with one shared inversion (Montgomery's trick).

The point library gives 8 us for an addition; a search over half a million points needs them several times faster.
Nothing here touches a secret other than the point m*G that is being searched for.
"""

from collections.abc import Sequence

from .curve import FIELD_PRIME

Affine = tuple[int, int]


def invert_all(values: Sequence[int]) -> list[int]:
    """Inverses mod p of values that are all non-zero mod p."""
    prefix, running = [], 1
    for value in values:
        prefix.append(running)
        running = running * value % FIELD_PRIME
    running = pow(running, -1, FIELD_PRIME)
    inverses = [0] * len(values)
    for i in range(len(values) - 1, -1, -1):
        inverses[i] = running * prefix[i] % FIELD_PRIME
        running = running * values[i] % FIELD_PRIME
    return inverses


def add_to_all(points: Sequence[Affine], addend: Affine) -> list[Affine]:
    """point + addend for every point; none of them may have the addend's x."""
    x2, y2 = addend
    sums = []
    for (x1, y1), inverse in zip(points, invert_all([x2 - x1 for x1, _ in points]), strict=True):
        slope = (y2 - y1) * inverse % FIELD_PRIME
        x3 = (slope * slope - x1 - x2) % FIELD_PRIME
        sums.append((x3, (slope * (x1 - x3) - y1) % FIELD_PRIME))
    return sums


def sum_abscissas(points: Sequence[Affine], addend: Affine) -> list[int | None]:
    """The x coordinates alone of point + addend; None where a point is the addend or its negative."""
    x2, y2 = addend
    differences = [(x2 - x1) or 1 for x1, _ in points]
    abscissas: list[int | None] = []
    for (x1, y1), inverse in zip(points, invert_all(differences), strict=True):
        slope = (y2 - y1) * inverse % FIELD_PRIME
        abscissas.append((slope * slope - x1 - x2) % FIELD_PRIME if x1 != x2 else None)
    return abscissas
