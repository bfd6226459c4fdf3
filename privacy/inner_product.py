"""The inner-product argument: vectors a, b with P = <a, G> + <b, H'> + <a, b>*Q, in a logarithm of their length.

Bulletproofs (Buenz et al., IEEE S&P 2018), section 3. While the length is even, the vectors are folded:

    L = <a_lo, G_hi> + <b_hi, H'_lo> + <a_lo, b_hi>*Q     R = <a_hi, G_lo> + <b_lo, H'_hi> + <a_hi, b_lo>*Q
    u = challenge(L, R)    a <- u*a_lo + u^-1*a_hi         b <- u^-1*b_lo + u*b_hi

What is left at an odd length is sent as it is. A length that is no power of two must not be folded further, and not
filled up with points that are zero: an entry without a partner would be one that no equation binds, and any inner product
could be proven (`tests/privacy/test_range_traps.py`). The bases are never folded: every L and R is a sum over the first ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastecdsa.rust import Point

from .curve import ORDER
from .equations import sum_of
from .errors import ProofInvalid
from .generators import BASE_U, FIRST_VECTOR
from .jacobian import to_point
from .transcript import Transcript


def rounds(length: int) -> int:
    """How often a vector of this length can be folded."""
    return (length & -length).bit_length() - 1


def inner(left: Sequence[int], right: Sequence[int]) -> int:
    """The inner product mod n."""
    return sum(a * b for a, b in zip(left, right, strict=True)) % ORDER


@dataclass(frozen=True, slots=True)
class InnerProduct:
    """L and R of every fold, and the vectors that are left."""

    lefts: tuple[Point, ...]
    rights: tuple[Point, ...]
    a: tuple[int, ...]
    b: tuple[int, ...]


def prove_inner_product(
    transcript: Transcript, a: list[int], b: list[int], h_factors: Sequence[int], q_factor: int
) -> InnerProduct:
    """The argument for H'_i = h_factors[i]*H_i and Q = q_factor*U."""
    g, h = [1] * len(a), list(h_factors)
    lefts, rights = [], []
    for _ in range(rounds(len(a))):
        half = len(a) // 2
        left, right = _cross_terms(a, b, g, h, q_factor)
        lefts.append(to_point(sum_of(left)))
        rights.append(to_point(sum_of(right)))
        u, inverse = fold_challenge(transcript, lefts[-1], rights[-1])
        for i in range(len(g)):
            high = i % (2 * half) >= half
            g[i] = g[i] * (u if high else inverse) % ORDER
            h[i] = h[i] * (inverse if high else u) % ORDER
        a = [(u * lo + inverse * hi) % ORDER for lo, hi in zip(a[:half], a[half:], strict=True)]
        b = [(inverse * lo + u * hi) % ORDER for lo, hi in zip(b[:half], b[half:], strict=True)]
    return InnerProduct(tuple(lefts), tuple(rights), tuple(a), tuple(b))


def _cross_terms(
    a: Sequence[int], b: Sequence[int], g: Sequence[int], h: Sequence[int], q_factor: int
) -> tuple[dict[int, int], dict[int, int]]:
    """L and R as multiples of the fixed points."""
    half = len(a) // 2
    left = {BASE_U: inner(a[:half], b[half:]) * q_factor % ORDER}
    right = {BASE_U: inner(a[half:], b[:half]) * q_factor % ORDER}
    for i in range(len(g)):
        at_g, at_h, place = FIRST_VECTOR + 2 * i, FIRST_VECTOR + 2 * i + 1, i % (2 * half)
        if place >= half:
            left[at_g] = a[place - half] * g[i] % ORDER
            right[at_h] = b[place - half] * h[i] % ORDER
        else:
            right[at_g] = a[place + half] * g[i] % ORDER
            left[at_h] = b[place + half] * h[i] % ORDER
    return left, right


def fold_challenge(transcript: Transcript, left: Point, right: Point) -> tuple[int, int]:
    """u and its inverse.

    Raises:
        ProofInvalid: u is 0, which happens by chance once in 2^251 times.
    """
    transcript.absorb_points(left, right)
    u = transcript.wide_challenge()
    if u == 0:
        raise ProofInvalid("range")
    return u, pow(u, -1, ORDER)


def final_factors(challenges: Sequence[tuple[int, int]], length: int) -> list[int]:
    """What the folds made of G_i: its factor in the base of place i mod (odd length); H'_i has the inverse."""
    factors = [1] * length
    half = length
    for u, inverse in challenges:
        half //= 2
        factors = [f * (u if i % (2 * half) >= half else inverse) % ORDER for i, f in enumerate(factors)]
    return factors
