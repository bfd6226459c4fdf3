"""Forged range proofs: each attack works against a broken verifier and fails against ours."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fastecdsa.rust import Point
from poseidon_py.poseidon_hash import poseidon_hash_many

from bitsage.privacy import inner_product, range_proof, transcript
from bitsage.privacy.curve import ORDER, G, H, random_scalar
from bitsage.privacy.equations import sum_of
from bitsage.privacy.generators import BASE_U, derive
from bitsage.privacy.inner_product import InnerProduct, inner
from bitsage.privacy.jacobian import to_point
from bitsage.privacy.range_proof import RangeProof, prove_range, verify_range

CONTEXT = b"a context"
BITS = (4,)
LENGTH = 4
TOO_MUCH = 77


class Forger:
    """A prover that commits to what it likes and may change one point or t afterwards; value 77, said to have 4 bits."""

    def __init__(self, value: int = TOO_MUCH) -> None:
        self.value, self.blinding = value, random_scalar()
        self.commitment = G * (value % ORDER) + H * self.blinding
        self.a_left, self.a_right = [0] * LENGTH, [-1] * LENGTH
        self.s_left, self.s_right = ([random_scalar() for _ in range(LENGTH)] for _ in range(2))
        self.alpha, self.rho, self.tau_1, self.tau_2 = (random_scalar() for _ in range(4))

    def first_points(self) -> tuple[Point, Point]:
        commit = range_proof._vector_commitment
        return commit(self.alpha, self.a_left, self.a_right), commit(self.rho, self.s_left, self.s_right)

    def polynomials(self, y: int, z: int) -> tuple[list[int], list[int], list[int], int, int, int]:
        powers, weights = range_proof._powers(y, LENGTH), range_proof._weights(z, BITS)
        l_0 = [a - z for a in self.a_left]
        r_0 = [p * (a + z) + w for p, a, w in zip(powers, self.a_right, weights, strict=True)]
        r_1 = [p * s % ORDER for p, s in zip(powers, self.s_right, strict=True)]
        t_0, t_1, t_2 = inner(l_0, r_0), inner(l_0, r_1) + inner(self.s_left, r_0), inner(self.s_left, r_1)
        return l_0, r_0, r_1, t_0, t_1 % ORDER, t_2

    def wanted(self, y: int, z: int) -> int:
        """t_0 as the verifier has it for the value that is really committed to."""
        shift = pow(z, 3, ORDER) * ((1 << LENGTH) - 1)
        return (z * z * self.value + (z - z * z) * sum(range_proof._powers(y, LENGTH)) - shift) % ORDER

    def run(self, late: str = "") -> bool:
        """A proof by these vectors; the point named `late` is chosen after the challenge that it should have decided."""
        first, second = self.first_points()
        transcript = range_proof._begin([self.commitment], BITS, CONTEXT)
        y, z = range_proof._bit_challenges(transcript, first, second)
        l_0, r_0, r_1, _, t_1, t_2 = self.polynomials(y, z)
        third, fourth = G * t_1 + H * self.tau_1, G * t_2 + H * self.tau_2
        x = range_proof._evaluation_challenge(transcript, third, fourth)
        left = [(a + s * x) % ORDER for a, s in zip(l_0, self.s_left, strict=True)]
        right = [(a + s * x) % ORDER for a, s in zip(r_0, r_1, strict=True)]
        needed = (self.wanted(y, z) + t_1 * x + t_2 * x * x) % ORDER
        if late == "S":
            # An s_L that makes t(x) what it should be, at this x alone.
            step = (needed - inner(left, right)) * pow(right[0] * x, -1, ORDER)
            self.s_left[0], left[0] = self.s_left[0] + step, (left[0] + step * x) % ORDER
            second = range_proof._vector_commitment(self.rho, self.s_left, self.s_right)
        tau = (self.tau_1 * x + self.tau_2 * x * x + z * z * self.blinding) % ORDER
        mu, true_t = (self.alpha + self.rho * x) % ORDER, inner(left, right)
        t = needed if late in ("L", "R") else true_t
        # A T_1 or T_2 that makes the first check true, whatever the vectors are.
        if late == "T_1":
            third = third + G * ((t - needed) * pow(x, -1, ORDER) % ORDER)
        if late == "T_2":
            fourth = fourth + G * ((t - needed) * pow(x, -2, ORDER) % ORDER)
        q = range_proof._product_challenge(transcript, tau, mu, t)
        h = range_proof._powers(pow(y, -1, ORDER), LENGTH)
        product = forge_product(transcript, left, right, h, q, (t - true_t) % ORDER, late)
        return verify_range(
            RangeProof((first, second, third, fourth), (tau, mu, t), product), [self.commitment], BITS, CONTEXT
        )


def forge_product(
    transcript: Any, a: list[int], b: list[int], h: Sequence[int], q: int, gap: int, late: str
) -> InnerProduct:
    """The honest argument, but for L_1 or R_1, which makes up for a gap in the inner product after its challenge is known."""
    g, h = [1] * len(a), list(h)
    lefts, rights = [], []
    while len(a) % 2 == 0:
        half = len(a) // 2
        left, right = (to_point(sum_of(terms)) for terms in inner_product._cross_terms(a, b, g, h, q))
        u, inverse = inner_product.fold_challenge(transcript, left, right)
        if late == "L" and gap:
            left = left + to_point(sum_of({BASE_U: -gap * q * inverse * inverse}))
        if late == "R" and gap:
            right = right + to_point(sum_of({BASE_U: -gap * q * u * u}))
        gap = 0
        lefts.append(left)
        rights.append(right)
        for i in range(len(g)):
            high = i % (2 * half) >= half
            g[i], h[i] = g[i] * (u if high else inverse) % ORDER, h[i] * (inverse if high else u) % ORDER
        a = [(u * lo + inverse * hi) % ORDER for lo, hi in zip(a[:half], a[half:], strict=True)]
        b = [(inverse * lo + u * hi) % ORDER for lo, hi in zip(b[:half], b[half:], strict=True)]
    return InnerProduct(tuple(lefts), tuple(rights), tuple(a), tuple(b))


def forge_vectors() -> bool:
    """y and z are known before A is made: one place of a_L that is no bit makes t_0 what it should be."""
    forger = Forger()
    _, second = forger.first_points()
    transcript = range_proof._begin([forger.commitment], BITS, CONTEXT)
    y, z = range_proof._bit_challenges(transcript, G, second)
    # a_L = (v, 0, 0, 0), a_R = (e, -1, -1, -1): e from  v*e + z*(v - 1 - e) = 0.
    v = forger.value
    forger.a_left[0] = v
    forger.a_right[0] = z * (1 - v) * pow(v - z, -1, ORDER) % ORDER
    *_, t_0, _, _ = forger.polynomials(y, z)
    assert t_0 == forger.wanted(y, z)
    return forger.run()


def forgetful(name: str, position: int) -> Callable[..., Any]:
    """The function that makes these challenges, without the point at `position` after the transcript."""
    real = getattr(range_proof, name)

    def forget(transcript: Any, *points: Point) -> Any:
        return real(transcript, *points[:position], G, *points[position + 1 :])

    return forget


#: Every point of the proof: the attack, and the challenge that would have to leave it out.
ATTACKS: dict[str, tuple[Callable[[], bool], str, int]] = {
    "A": (forge_vectors, "_bit_challenges", 0),
    "S": (lambda: Forger().run("S"), "_bit_challenges", 1),
    "T_1": (lambda: Forger().run("T_1"), "_evaluation_challenge", 0),
    "T_2": (lambda: Forger().run("T_2"), "_evaluation_challenge", 1),
    "L": (lambda: Forger().run("L"), "fold_challenge", 0),
    "R": (lambda: Forger().run("R"), "fold_challenge", 1),
}


@pytest.mark.parametrize("point", ATTACKS)
def test_points_left_out_of_a_challenge_would_be_forgeable(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    attack, name, position = ATTACKS[point]
    assert not attack()
    weak = forgetful(name, position)
    for module in (range_proof, inner_product):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, weak)
    assert attack()
    # Only the point that is left out can be forged.
    for other, (another, *_) in ATTACKS.items():
        assert other == point or not another()


def test_the_honest_use_of_the_forger_is_accepted() -> None:
    assert Forger(0).run()


@pytest.mark.parametrize("value", [16, -1, 2**40, ORDER // 2])
def test_values_out_of_range_and_wrapped_around_are_refused(value: int) -> None:
    """Every vector that a prover could commit to: the bits modulo 16, and the value itself as a 'bit'."""
    assert not Forger(value).run()
    bits = Forger(value)
    bits.a_left = [value % 16 >> i & 1 for i in range(LENGTH)]
    bits.a_right = [bit - 1 for bit in bits.a_left]
    assert not bits.run()
    whole = Forger(value)
    whole.a_left[0], whole.a_right[0] = value % ORDER, (value - 1) % ORDER
    assert not whole.run()
    # a_L * a_R = 0 holds and a_R = a_L - 1 does not.
    loose = Forger(value)
    loose.a_left[0], loose.a_right[0] = value % ORDER, 0
    assert not loose.run()


def test_values_of_one_proof_are_not_exchanged() -> None:
    bits, values, blindings = (2, 4), (3, 9), (random_scalar(), random_scalar())
    commitments = [G * v + H * b for v, b in zip(values, blindings, strict=True)]
    proof = prove_range(values, blindings, bits, CONTEXT)
    assert verify_range(proof, commitments, bits, CONTEXT)
    assert not verify_range(proof, commitments[::-1], bits, CONTEXT)
    assert not verify_range(proof, commitments, bits[::-1], CONTEXT)
    # 9 fits into the 4 bits and 3 into the 2: a proof with the places exchanged is for another statement.
    other = prove_range(values[::-1], blindings[::-1], bits[::-1], CONTEXT)
    assert verify_range(other, commitments[::-1], bits[::-1], CONTEXT)
    assert not verify_range(other, commitments, bits, CONTEXT)
    # Nor does it help that the sum of both is right.
    assert not verify_range(proof, [commitments[0] + G, commitments[1] - G], bits, CONTEXT)


def test_a_range_of_64_bits_is_no_range_of_40() -> None:
    value, blinding = 2**40, random_scalar()
    proof = prove_range([value], [blinding], [41], CONTEXT)
    commitment = G * value + H * blinding
    assert verify_range(proof, [commitment], [41], CONTEXT)
    assert not verify_range(proof, [commitment], [40], CONTEXT)


def test_no_nonce_is_used_twice() -> None:
    proofs = [prove_range([5], [random_scalar()], BITS, CONTEXT) for _ in range(5)]
    seen = {(p.x, p.y) for proof in proofs for p in proof.points}
    assert len(seen) == 20


def test_statements_that_are_none_are_refused() -> None:
    blinding = random_scalar()
    proof, commitment = prove_range([5], [blinding], BITS, CONTEXT), G * 5 + H * blinding
    assert verify_range(proof, [commitment], BITS, CONTEXT)
    for bits in ((), (0,), (4, 0), (-4,), (129,), (4, 4)):
        assert not verify_range(proof, [commitment] * len(bits), bits, CONTEXT)
    assert not verify_range(proof, [commitment, commitment], BITS, CONTEXT)


def test_an_odd_vector_filled_up_with_infinity_would_prove_any_inner_product() -> None:
    """Why `rounds` stops at an odd length: entries a = b = 0, and still an inner product of 77."""
    g, h, u_base = derive(1, 0), derive(2, 0), derive(0, 0)
    a_free, b_free = 7, 11
    # P = a*G + b*H + 77*U with a = b = 0, so P should be infinity.
    claimed = u_base * (a_free * b_free)
    # The partner's bases are infinity: its entries are free, and show in L and R at the bases of the other half alone.
    left, right = h * b_free, g * a_free
    for _ in range(3):
        u = random_scalar()  # after L and R
        inverse = pow(u, -1, ORDER)
        a, b = inverse * a_free % ORDER, u * b_free % ORDER
        folded = left * (u * u % ORDER) + claimed + right * (inverse * inverse % ORDER)
        assert folded == g * inverse * a + h * u * b + u_base * (a * b % ORDER)
    assert (inner_product.rounds(88), inner_product.rounds(11)) == (3, 0)


def test_every_public_value_is_absorbed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def spy(elements: list[int]) -> int:
        seen.extend(elements)
        return int(poseidon_hash_many(elements))

    monkeypatch.setattr(transcript, "poseidon_hash_many", spy)
    blinding = random_scalar()
    proof = prove_range([5], [blinding], BITS, CONTEXT)
    commitment = G * 5 + H * blinding
    pairs = list(itertools.pairwise(seen))
    for point in (commitment, *proof.points, *proof.product.lefts, *proof.product.rights):
        assert (point.x, point.y) in pairs
    for number in (*proof.scalars, *BITS, int.from_bytes(CONTEXT, "big")):
        assert number in seen
