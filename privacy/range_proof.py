"""Proof `range`: every commitment V_j = v_j*G + g_j*H has 0 <= v_j < 2^(bits_j); Bulletproofs (section 4), aggregated.

The bits of all values stand in one vector of exactly bits_1 + .. + bits_m places; there is no padding. With w_i =
z^(2+j) * 2^(i - start_j) for the places of value j:

    a_L = the bits, a_R = a_L - 1;  A = alpha*H + <a_L, G> + <a_R, H>,  S = rho*H + <s_L, G> + <s_R, H>;   y, z = challenges
    l(X) = a_L - z + s_L*X          r(X)_i = y^i * (a_R + z + s_R*X)_i + w_i          t(X) = <l, r> = t_0 + t_1*X + t_2*X^2
    T_1 = t_1*G + tau_1*H,  T_2 = t_2*G + tau_2*H;  x = challenge
    t = t(x),  tau = tau_1*x + tau_2*x^2 + sum z^(2+j)*g_j,  mu = alpha + rho*x;  q = challenge; inner product with Q = q*U

Checks, with d = (z - z^2)*sum(y^i) - sum_j z^(3+j) * (2^(bits_j) - 1):
    t*G + tau*H = d*G + sum z^(2+j)*V_j + x*T_1 + x^2*T_2
    A + x*S - z*sum(G_i) + sum (z + w_i*y^-i)*H_i - mu*H + t*Q + sum (u_k^2*L_k + u_k^-2*R_k) = <a, G'> + <b, H'> + <a, b>*Q

where G', H' are the folded bases. All challenges but the first are absorbed with what came before them.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fastecdsa.rust import Point

from .curve import ORDER, POINT_BYTES, SCALAR_BYTES, RandomBits, encode_point, is_identity, random_scalar
from .elgamal import decode_points
from .equations import Equation, holds, sum_of
from .errors import AmountOutOfRange, EncodingInvalid, ProofInvalid
from .fixed_base import times_g, times_h
from .generators import BASE_G, BASE_H, BASE_U, CAPACITY, FIRST_VECTOR
from .inner_product import InnerProduct, final_factors, fold_challenge, inner, prove_inner_product, rounds
from .jacobian import to_point
from .transcript import Transcript

LABEL = "BITSAGE_RANGE_V1"


@dataclass(frozen=True, slots=True)
class RangeProof:
    """A, S, T_1, T_2; tau, mu, t; the inner-product argument."""

    points: tuple[Point, Point, Point, Point]
    scalars: tuple[int, int, int]
    product: InnerProduct

    @staticmethod
    def size(bits: Sequence[int]) -> int:
        """Bytes of a proof for values of so many bits."""
        folds = rounds(sum(bits))
        return POINT_BYTES * (4 + 2 * folds) + SCALAR_BYTES * (3 + 2 * (sum(bits) >> folds))

    def to_bytes(self) -> bytes:
        """A, S, T_1, T_2, L_1, R_1, .., then tau, mu, t, a, b."""
        pairs = zip(self.product.lefts, self.product.rights, strict=True)
        points = [*self.points, *(point for pair in pairs for point in pair)]
        scalars = (*self.scalars, *self.product.a, *self.product.b)
        return b"".join(map(encode_point, points)) + b"".join(s.to_bytes(SCALAR_BYTES, "big") for s in scalars)

    @classmethod
    def from_bytes(cls, data: bytes, bits: Sequence[int]) -> Self:
        """What `to_bytes` wrote; a scalar of this proof may be 0.

        Raises:
            EncodingInvalid: anything else.
        """
        if len(data) != cls.size(bits):
            raise EncodingInvalid(f"this range proof has {cls.size(bits)} bytes, not {len(data)}")
        folds = rounds(sum(bits))
        split = POINT_BYTES * (4 + 2 * folds)
        first, second, third, fourth, *pairs = decode_points(data[:split], 4 + 2 * folds)
        scalars = [int.from_bytes(data[i : i + SCALAR_BYTES], "big") for i in range(split, len(data), SCALAR_BYTES)]
        if any(scalar >= ORDER for scalar in scalars):
            raise EncodingInvalid("a scalar of a range proof lies in [0, n)")
        tau, mu, t, *vectors = scalars
        half = len(vectors) // 2
        product = InnerProduct(tuple(pairs[::2]), tuple(pairs[1::2]), tuple(vectors[:half]), tuple(vectors[half:]))
        return cls((first, second, third, fourth), (tau, mu, t), product)


def prove_range(
    values: Sequence[int],
    blindings: Sequence[int],
    bits: Sequence[int],
    context: bytes,
    rng: RandomBits = secrets.randbits,
) -> RangeProof:
    """Show the ranges of the commitments values[j]*G + blindings[j]*H. `rng` is for published vectors only.

    Raises:
        AmountOutOfRange: a value does not lie in its range.
    """
    for value, width in zip(values, bits, strict=True):
        if not 0 <= value < 1 << width:
            raise AmountOutOfRange(width)
    commitments = [times_g(v) + times_h(g) for v, g in zip(values, blindings, strict=True)]
    length = sum(bits)
    a_left = [value >> i & 1 for value, width in zip(values, bits, strict=True) for i in range(width)]
    a_right = [bit - 1 for bit in a_left]
    alpha, rho, tau_1, tau_2 = (random_scalar(rng) for _ in range(4))
    s_left, s_right = [random_scalar(rng) for _ in range(length)], [random_scalar(rng) for _ in range(length)]
    first, second = _vector_commitment(alpha, a_left, a_right), _vector_commitment(rho, s_left, s_right)
    transcript = _begin(commitments, bits, context)
    y, z = _bit_challenges(transcript, first, second)
    powers, weights = _powers(y, length), _weights(z, bits)
    l_0 = [a - z for a in a_left]
    r_0 = [(p * (a + z) + w) % ORDER for p, a, w in zip(powers, a_right, weights, strict=True)]
    r_1 = [p * s % ORDER for p, s in zip(powers, s_right, strict=True)]
    t_1, t_2 = (inner(l_0, r_1) + inner(s_left, r_0)) % ORDER, inner(s_left, r_1)
    third, fourth = times_g(t_1) + times_h(tau_1), times_g(t_2) + times_h(tau_2)
    x = _evaluation_challenge(transcript, third, fourth)
    left = [(a + s * x) % ORDER for a, s in zip(l_0, s_left, strict=True)]
    right = [(a + s * x) % ORDER for a, s in zip(r_0, r_1, strict=True)]
    blinded = sum(pow(z, 2 + j, ORDER) * g for j, g in enumerate(blindings))
    tau, mu, t = (tau_1 * x + tau_2 * x * x + blinded) % ORDER, (alpha + rho * x) % ORDER, inner(left, right)
    q = _product_challenge(transcript, tau, mu, t)
    product = prove_inner_product(transcript, left, right, _powers(pow(y, -1, ORDER), length), q)
    return RangeProof((first, second, third, fourth), (tau, mu, t), product)


def verify_range(proof: RangeProof, commitments: Sequence[Point], bits: Sequence[int], context: bytes) -> bool:
    """Whether the proof shows that every commitment's value has so many bits, bound to the context."""
    equations = range_equations(proof, commitments, bits, context)
    return equations is not None and holds(equations)


def range_equations(
    proof: RangeProof, commitments: Sequence[Point], bits: Sequence[int], context: bytes
) -> list[Equation] | None:
    """What holds exactly if the proof does; None for a proof that is refused at sight."""
    if not _well_formed(proof, commitments, bits):
        return None
    length = sum(bits)
    first, second, third, fourth = proof.points
    tau, mu, t = proof.scalars
    transcript = _begin(commitments, bits, context)
    try:
        y, z = _bit_challenges(transcript, first, second)
        x = _evaluation_challenge(transcript, third, fourth)
        q = _product_challenge(transcript, tau, mu, t)
        pairs = list(zip(proof.product.lefts, proof.product.rights, strict=True))
        challenges = [fold_challenge(transcript, left, right) for left, right in pairs]
    except ProofInvalid:
        return None
    powers = _powers(y, length)
    shift = sum(pow(z, 3 + j, ORDER) * ((1 << width) - 1) for j, width in enumerate(bits))
    delta = ((z - z * z) * sum(powers) - shift) % ORDER
    amounts = Equation({BASE_G: t - delta, BASE_H: tau}, [(-x, third), (-x * x, fourth)])
    amounts.free += [(-pow(z, 2 + j, ORDER), commitment) for j, commitment in enumerate(commitments)]
    vectors = Equation(_base_multiples(proof.product, challenges, y, z, bits), [(1, first), (x, second)])
    vectors.fixed[BASE_H] = -mu
    vectors.fixed[BASE_U] = q * (t - inner(proof.product.a, proof.product.b))
    for (u, inverse), (left, right) in zip(challenges, pairs, strict=True):
        vectors.free += [(u * u, left), (inverse * inverse, right)]
    return [amounts, vectors]


def _base_multiples(
    product: InnerProduct, challenges: Sequence[tuple[int, int]], y: int, z: int, bits: Sequence[int]
) -> dict[int, int]:
    """What the second check multiplies the G_i and H_i with."""
    length, left = sum(bits), len(product.a)
    # The factor of H_i is the inverse of G_i's: the same folds with u and its inverse exchanged.
    for_g = final_factors(challenges, length)
    for_h = final_factors([(inverse, u) for u, inverse in challenges], length)
    inverses, weights = _powers(pow(y, -1, ORDER), length), _weights(z, bits)
    multiples: dict[int, int] = {}
    for i in range(length):
        multiples[FIRST_VECTOR + 2 * i] = -z - product.a[i % left] * for_g[i]
        multiples[FIRST_VECTOR + 2 * i + 1] = z + inverses[i] * (weights[i] - product.b[i % left] * for_h[i])
    return multiples


def _well_formed(proof: RangeProof, commitments: Sequence[Point], bits: Sequence[int]) -> bool:
    length = sum(bits)
    if len(commitments) != len(bits) or not 0 < length <= CAPACITY or any(width < 1 for width in bits):
        return False
    folds, product = rounds(length), proof.product
    if (len(proof.points), len(proof.scalars)) != (4, 3):
        return False
    if (
        not len(product.lefts) == len(product.rights) == folds
        or not len(product.a) == len(product.b) == length >> folds
    ):
        return False
    if any(not 0 <= scalar < ORDER for scalar in (*proof.scalars, *product.a, *product.b)):
        return False
    return not any(map(is_identity, (*commitments, *proof.points, *product.lefts, *product.rights)))


def _vector_commitment(blinding: int, left: Sequence[int], right: Sequence[int]) -> Point:
    multiples = {BASE_H: blinding}
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        multiples[FIRST_VECTOR + 2 * i], multiples[FIRST_VECTOR + 2 * i + 1] = a, b
    return to_point(sum_of(multiples))


def _powers(base: int, count: int) -> list[int]:
    powers = [1]
    while len(powers) < count:
        powers.append(powers[-1] * base % ORDER)
    return powers


def _weights(z: int, bits: Sequence[int]) -> list[int]:
    """z^(2+j) * 2^(i - start_j) for every place."""
    scales = [pow(z, 2 + j, ORDER) for j in range(len(bits))]
    return [scale * (1 << i) % ORDER for scale, width in zip(scales, bits, strict=True) for i in range(width)]


def _begin(commitments: Sequence[Point], bits: Sequence[int], context: bytes) -> Transcript:
    transcript = Transcript(LABEL)
    transcript.absorb_bytes(context)
    transcript.absorb_number(len(bits))
    for width in bits:
        transcript.absorb_number(width)
    transcript.absorb_points(*commitments)
    return transcript


def _bit_challenges(transcript: Transcript, first: Point, second: Point) -> tuple[int, int]:
    transcript.absorb_points(first, second)
    return _non_zero(transcript), _non_zero(transcript)


def _evaluation_challenge(transcript: Transcript, third: Point, fourth: Point) -> int:
    transcript.absorb_points(third, fourth)
    return _non_zero(transcript)


def _product_challenge(transcript: Transcript, tau: int, mu: int, t: int) -> int:
    for number in (tau, mu, t):
        transcript.absorb_number(number)
    return _non_zero(transcript)


def _non_zero(transcript: Transcript) -> int:
    challenge = transcript.wide_challenge()
    if challenge == 0:
        raise ProofInvalid("range")
    return challenge
