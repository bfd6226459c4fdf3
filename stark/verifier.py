"""The verifier (spec section 14, with the stricter rules of section 19).

`verify` is a pure function of (AIR, parameters, proof).  It raises ProofRefused or ProofUnreadable and
nothing else, whatever the bytes, and does work bounded by the sizes that the AIR and the parameters fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

from . import fri_verify
from .channel import Channel
from .circle import SecurePoint, double_x_times, secure_point
from .deep import group_samples, quotient_at, sample_points
from .errors import ProofRefused
from .fields import QM31, P, from_partial_evals, is_canonical, qadd, qmul
from .graph import Air
from .layout import Layout, make_layout
from .merkle import EMPTY_ROOT, verify_decommitment
from .params import Params
from .point_eval import composition_value
from .proof import Proof
from .proof_binary import read_proof
from .transcript import Environment, run_checks, run_transcript


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """What an accepted proof establishes.

    `point` is z, drawn by the verifier after every commitment to columns: a column of the largest size with the mask
    entry 0 has the sampled value of that entry there.
    """

    air: str
    security_bits: int
    commitments: tuple[bytes, ...]
    claimed_sums: tuple[QM31, ...]
    digest: bytes
    point: SecurePoint
    stages: tuple[dict[str, Any], ...] = ()


class _ProofSource:
    """Supplies the transcript with what the proof and the parameters say."""

    def __init__(self, params: Params, proof: Proof) -> None:
        self._params = params
        self._proof = proof
        self._nonces = iter(params.interaction_nonces)

    def commit(self, tree: int, env: Environment) -> bytes:
        return self._proof.commitments[tree]

    def claimed_sums(self, env: Environment) -> tuple[QM31, ...]:
        return self._params.claimed_sums

    def pow_nonce(self, channel: Channel, bits: int) -> int:
        nonce = next(self._nonces, None)
        if nonce is None:
            raise ProofRefused("interaction_pow", "a nonce is missing")
        return nonce

    def finish(self) -> None:
        if next(self._nonces, None) is not None:
            raise ProofRefused("interaction_pow", "a nonce is left over")


def verify(
    air: Air,
    params: Params,
    proof: Proof | bytes,
    *,
    required_bits: int = 0,
    allow_unpinned_preprocessed: bool = False,
    record: bool = False,
) -> VerifiedProof:
    """Verify a proof, given as an object or as bytes in either form.

    `required_bits` is the least number of conjectured security bits.  An AIR with preprocessed columns
    needs `params.preprocessed_root`, unless `allow_unpinned_preprocessed` is set, which leaves the circuit
    to the prover.  `record=True` returns the transcript's stages.

    Raises ProofRefused with a reason, or ProofUnreadable.
    """
    if isinstance(proof, bytes | bytearray | memoryview):
        proof = read_proof(bytes(proof))
    try:
        return _Verification(air, params, proof, required_bits, allow_unpinned_preprocessed, record).run()
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Fail closed: every shape is checked before use, so this is a second line of defence.
        raise ProofRefused("malformed", type(error).__name__) from None


class _Verification:
    def __init__(self, air: Air, params: Params, proof: Proof, required: int, unpinned: bool, record: bool) -> None:
        self.air, self.params, self.proof = air, params, proof
        self.channel = Channel(record=record)
        self.layout = make_layout(air, params)
        self._check_policy(required, unpinned)
        check_shape(self.layout, params, proof)

    def _check_policy(self, required: int, unpinned: bool) -> None:
        config, root = self.params.config, self.params.preprocessed_root
        if config.security_bits < required:
            raise ProofRefused("security_too_low", f"{config.security_bits} bits, {required} are required")
        if self.proof.config != config:
            raise ProofRefused("config_mismatch")
        if self.air.has_interaction and not self.params.claimed_sums:
            raise ProofRefused("params_mismatch", "claimed sums are missing")
        if not self.air.preprocessed:
            root = EMPTY_ROOT
        elif root is None and not unpinned:
            raise ProofRefused("preprocessed_root_unpinned")
        if root is not None and self.proof.commitments[:1] != (root,):
            raise ProofRefused("preprocessed_root_mismatch")

    def run(self) -> VerifiedProof:
        channel, proof, layout = self.channel, self.proof, self.layout
        source = _ProofSource(self.params, proof)
        env = run_transcript(self.air, self.params, channel, source)
        source.finish()
        run_checks(env)
        coefficient = channel.draw_secure_felt()
        channel.mix_root(proof.commitments[-1])
        z = self._draw_point()
        samples = [column for tree in proof.sampled_values for column in tree]
        channel.mix_felts([value for column in samples for value in column])
        self._check_composition(env, coefficient, z)
        quotient_coefficient = channel.draw_secure_felt()
        alphas = fri_verify.commit_layers(proof, channel)
        if not channel.check_pow(self.params.config.pow_bits, proof.proof_of_work):
            raise ProofRefused("proof_of_work")
        channel.mix_u64(proof.proof_of_work)
        digest = channel.digest
        positions = channel.draw_queries(layout.lifting_log, self.params.config.n_queries)
        self._check_openings(positions)
        blowup = self.params.config.log_blowup_factor
        groups = group_samples(layout, sample_points(layout, z), samples, quotient_coefficient, blowup)
        values = list(zip(*(column for tree in proof.queried_values for column in tree), strict=True))
        points = layout.query_points(positions)
        try:
            answers = {p: quotient_at(groups, q, row) for p, q, row in zip(positions, points, values, strict=True)}
        except ZeroDivisionError:
            raise ProofRefused("degenerate") from None
        fri_verify.verify_layers(proof, layout.lifting_log, layout.fri_steps, alphas, answers)
        return VerifiedProof(
            air=self.air.name,
            security_bits=self.params.config.security_bits,
            commitments=proof.commitments,
            claimed_sums=env.claimed or (),
            digest=digest,
            point=z,
            stages=tuple(channel.stages or ()),
        )

    def _draw_point(self) -> SecurePoint:
        try:
            return secure_point(self.channel.draw_secure_felt())
        except ZeroDivisionError:
            raise ProofRefused("degenerate") from None

    def _check_composition(self, env: Environment, coefficient: QM31, z: SecurePoint) -> None:
        sampled, layout = self.proof.sampled_values, self.layout
        by_offset = [
            [dict(zip(column.mask, values, strict=True)) for column, values in zip(columns, tree, strict=True)]
            for columns, tree in zip(layout.trees[:-1], sampled[:-1], strict=True)
        ]
        parts = [column[0] for column in sampled[-1]]
        vanishing = double_x_times(z[0], layout.degree_log - 1)
        expected = qadd(from_partial_evals(parts[:4]), qmul(vanishing, from_partial_evals(parts[4:])))
        try:
            actual = composition_value(env, coefficient, vanishing, by_offset)
        except ZeroDivisionError:
            raise ProofRefused("degenerate") from None
        if actual != expected:
            raise ProofRefused("oods_mismatch")

    def _check_openings(self, positions: list[int]) -> None:
        proof, layout = self.proof, self.layout
        for tree, columns in enumerate(layout.trees):
            values = proof.queried_values[tree]
            if any(len(column) != len(positions) for column in values):
                raise ProofRefused("shape", f"{len(positions)} queried values per column are expected")
            if not columns:
                if proof.decommitments[tree]:
                    raise ProofRefused("merkle_witness", "an empty tree needs no hashes")
                continue
            order = sorted(range(len(columns)), key=lambda k: columns[k].log_size)
            leaves = {
                position: _leaf([values[c][k] for c in order])
                for k, position in enumerate(layout.tree_positions(tree, positions))
            }
            verify_decommitment(proof.commitments[tree], layout.heights[tree], leaves, proof.decommitments[tree])


def _leaf(values: Sequence[int]) -> bytes:
    return blake2s(b"".join(v.to_bytes(4, "little") for v in values)).digest()


def check_shape(layout: Layout, params: Params, proof: Proof) -> None:
    """All counts of section 14 that do not depend on the transcript, and canonical field elements."""
    trees = layout.trees
    for name, entries in (
        ("commitments", proof.commitments),
        ("sampled_values", proof.sampled_values),
        ("decommitments", proof.decommitments),
        ("queried_values", proof.queried_values),
    ):
        if len(entries) != len(trees):
            raise ProofRefused("shape", f"{name}: {len(trees)} trees are expected")
    for tree, columns in enumerate(trees):
        if [len(samples) for samples in proof.sampled_values[tree]] != [len(c.mask) for c in columns]:
            raise ProofRefused("shape", f"sampled_values[{tree}] does not fit the columns and their masks")
        if len(proof.queried_values[tree]) != len(columns):
            raise ProofRefused("shape", f"queried_values[{tree}]: {len(columns)} columns are expected")
    if len(proof.inner_layers) != len(layout.fri_steps) - 1:
        raise ProofRefused("fri_layers", f"{len(layout.fri_steps) - 1} inner layers are expected")
    last = params.config.log_last_layer_degree_bound
    if proof.last_log_size != last or len(proof.last_coeffs) != 1 << last:
        raise ProofRefused("fri_layers", f"the last layer needs 2^{last} coefficients")
    felts = [value for tree in proof.sampled_values for column in tree for value in column]
    for layer in (proof.first_layer, *proof.inner_layers):
        felts += layer.fri_witness
    if not all(map(is_canonical, (*felts, *proof.last_coeffs))):
        raise ProofRefused("non_canonical")
    if any(not 0 <= value < P for tree in proof.queried_values for column in tree for value in column):
        raise ProofRefused("non_canonical")
