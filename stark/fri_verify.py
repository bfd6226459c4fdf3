"""The verifier's side of FRI (spec section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2s

from .channel import Channel, felts_bytes
from .circle import Point, bit_reverse, domain_index, generator_index, point, point_add
from .errors import ProofRefused
from .fields import QM31, P, m31_inverse, qadd, qmul, qscale, qsub
from .merkle import verify_decommitment
from .proof import FriLayer, Proof


def commit_layers(proof: Proof, channel: Channel) -> list[QM31]:
    """Absorb the FRI commitments and the last layer; returns the folding coefficients."""
    alphas = []
    for layer in (proof.first_layer, *proof.inner_layers):
        channel.mix_root(layer.commitment)
        alphas.append(channel.draw_secure_felt())
    channel.mix_felts(proof.last_coeffs)
    return alphas


def fold_pair(v0: QM31, v1: QM31, twiddle: int, alpha: QM31) -> QM31:
    """(v0 + v1) + alpha * (v0 - v1) / twiddle."""
    half = qscale(qsub(v0, v1), m31_inverse(twiddle))
    return qadd(qadd(v0, v1), qmul(alpha, half))


def line_x(log_size: int, position: int) -> int:
    """x-coordinate of the line domain of the given log size at a natural position."""
    return point(generator_index(log_size + 2) + position * generator_index(log_size))[0]


def is_packed(log_size: int, step: int) -> bool:
    """True when the leaves of a layer hold four values each."""
    return step > 1 and log_size >= 2


def _twiddles(start: int, count: int, log_size: int, circle: bool) -> list[list[int]]:
    """Twiddles of `count` stored values from a multiple of `count` on, for one fold after the other."""
    # Bits of the position below those of `start` are the high bits of the natural one: its points are `start`'s,
    # moved by the same points in every coset.
    if circle:
        first = domain_index(log_size, bit_reverse(start, log_size))
        step = generator_index(log_size - 1)
    else:
        first = generator_index(log_size + 2) + bit_reverse(start, log_size) * generator_index(log_size)
        step = generator_index(log_size)
    own = point(first)
    points = [point_add(own, move) for move in _moves(count, log_size, step)]
    # After a circle fold comes the line of the same points' x; every later line is the doubled one.
    folds = [[y for _, y in points]] if circle else [[x for x, _ in points]]
    if circle and count > 2:
        folds.append([x for x, _ in points[::2]])
    while len(folds[-1]) > 1:
        folds.append([(2 * x * x - 1) % P for x in folds[-1][::2]])
    return folds


@lru_cache(maxsize=64)
def _moves(count: int, log_size: int, step: int) -> tuple[Point, ...]:
    return tuple(point(bit_reverse(j, log_size) * step) for j in range(0, count, 2))


def _fold_coset(values: list[QM31], coset: int, log_size: int, circle: bool, alpha: QM31) -> QM31:
    """Fold the 2^s stored values of one coset, whose first value is at position coset * 2^s."""
    for twiddles in _twiddles(coset * len(values), len(values), log_size, circle):
        pairs = zip(values[::2], values[1::2], twiddles, strict=True)
        values = [fold_pair(v0, v1, twiddle, alpha) for v0, v1, twiddle in pairs]
        alpha = qmul(alpha, alpha)
    return values[0]


def _open_layer(layer: FriLayer, log_size: int, step: int, known: dict[int, QM31]) -> dict[int, list[QM31]]:
    """Complete the cosets of the known positions by the witness and check them against the commitment."""
    size = 1 << step
    cosets = sorted({position >> step for position in known})
    needed = len(cosets) * size - len(known)
    if len(layer.fri_witness) != needed:
        raise ProofRefused("fri_witness", f"{needed} witness values are expected")
    witness = iter(layer.fri_witness)
    opened: dict[int, list[QM31]] = {}
    for coset in cosets:
        positions = range(coset * size, (coset + 1) * size)
        opened[coset] = [known[p] if p in known else next(witness) for p in positions]
    packed = 4 if is_packed(log_size, step) else 1
    leaves: dict[int, bytes] = {}
    for coset, values in opened.items():
        for k in range(0, size, packed):
            leaves[(coset * size + k) // packed] = blake2s(felts_bytes(values[k : k + packed])).digest()
    verify_decommitment(layer.commitment, log_size - (2 if packed == 4 else 0), leaves, layer.hash_witness)
    return opened


def verify_layers(
    proof: Proof, log_size: int, steps: Sequence[int], alphas: Sequence[QM31], answers: dict[int, QM31]
) -> None:
    """Fold the quotient's values at the queries through all layers and compare with the last one.

    `answers` maps positions of the domain of log size `log_size` to values.  Raises ProofRefused.
    """
    known = answers
    layers = (proof.first_layer, *proof.inner_layers)
    for k, (layer, step, alpha) in enumerate(zip(layers, steps, alphas, strict=True)):
        opened = _open_layer(layer, log_size, step, known)
        known = {coset: _fold_coset(values, coset, log_size, k == 0, alpha) for coset, values in opened.items()}
        log_size -= step
    for position, value in known.items():
        if evaluate_last_layer(proof.last_coeffs, line_x(log_size, bit_reverse(position, log_size))) != value:
            raise ProofRefused("fri_last_layer")


def evaluate_last_layer(coeffs: Sequence[QM31], x: int) -> QM31:
    """Value at x of the last layer, coefficients in stored (bit-reversed) order."""
    factors: list[int] = []
    while 1 << len(factors) < len(coeffs):
        factors.append(x)
        x = (2 * x * x - 1) % P
    values = list(coeffs)
    for factor in reversed(factors):
        values = [qadd(values[j], qscale(values[j + 1], factor)) for j in range(0, len(values), 2)]
    return values[0]
