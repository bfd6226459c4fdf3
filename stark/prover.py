"""The prover (spec sections 7 to 13): byte for byte the proof of the Rust SIMD prover.

`prove` runs the AIR's transcript, commits the trees, composes, samples, and lets FRI and the proof of work
close the argument.  All heavy work goes through a `Backend`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .backend import Backend, Column, Evaluations, Polynomials, SecureEvaluation, Tree
from .channel import Channel
from .circle import SecurePoint, secure_point
from .deep import group_samples, sample_points
from .errors import ProofRefused, ProverError, TraceInvalid
from .fields import QM31, ZERO, qpowers
from .fold import last_layer_coefficients
from .fri_verify import is_packed
from .graph import Air
from .layout import Layout, make_layout
from .numpy_backend import NumpyBackend
from .params import Params, Trace
from .proof import FriLayer, Proof, ProofBundle
from .row_check import check_columns, check_trace, composition_matches, explain_violation
from .solve import solve_interaction
from .transcript import Environment, run_checks, run_transcript
from .vectors import U32

#: Makes the explicit interaction columns, per component in stored order, from the drawn challenges.
InteractionMaker = Callable[[Mapping[str, QM31]], Sequence[Sequence[U32]]]
#: Called with (stage, stages done, stages in all).
Progress = Callable[[str, int, int], None]

STAGES = (
    "preprocessed",
    "trace",
    "interaction",
    "composition",
    "samples",
    "quotients",
    "fri",
    "proof_of_work",
    "openings",
)


def prove(
    air: Air,
    params: Params,
    trace: Trace,
    *,
    interaction: InteractionMaker | None = None,
    backend: Backend | None = None,
    progress: Progress | None = None,
    check: bool = True,
    strict: bool = True,
) -> ProofBundle:
    """Prove that the trace satisfies the AIR.

    `params` gives configuration, sizes and public values; the returned bundle's parameters also hold the
    claimed sums, nonces and the preprocessed root.  `interaction` makes explicit interaction columns; without
    it they are solved from the constraints (`solve`), where these determine them.  `check=False` skips the
    prover's own checks of constraints and public checks and `strict=False` its refusal of shapes that no
    verifier should accept: for tests of the verifier.

    Raises TraceInvalid when the trace violates a constraint, ProverError when shapes or sizes do not fit.
    """
    return Prover(air, params, trace, interaction, backend or NumpyBackend(), progress, check, strict).run()


@dataclass(slots=True)
class _Committed:
    """One committed tree."""

    polynomials: Polynomials
    evaluations: Evaluations
    tree: Tree


class Prover:
    """One run of the protocol; the attributes are the state after the stages done so far."""

    def __init__(
        self,
        air: Air,
        params: Params,
        trace: Trace,
        interaction: InteractionMaker | None,
        backend: Backend,
        progress: Progress | None,
        check: bool,
        strict: bool,
    ) -> None:
        self.air, self.params, self.trace = air, params, trace
        self.backend = backend
        self._interaction = interaction
        self._progress = progress
        self._check = check
        try:
            self.layout: Layout = make_layout(air, params, strict=strict)
        except ProofRefused as error:
            raise ProverError(str(error)) from None
        check_trace(air, params, trace)
        self.channel = Channel()
        self.committed: list[_Committed] = []
        self.roots: list[bytes] = []
        self._explicit: list[list[U32]] = [[] for _ in air.components]
        self._logup: list[list[Column]] = [[] for _ in air.components]
        self._nonces: list[int] = []

    def run(self) -> ProofBundle:
        """All stages in order."""
        try:
            env = run_transcript(self.air, self.params, self.channel, self)
            if self._check:
                run_checks(env)
        except ProofRefused as error:
            raise TraceInvalid(str(error)) from None
        self._compose(env)
        z = self._point()
        points = sample_points(self.layout, z)
        samples = self._sample(points)
        if self._check and not composition_matches(env, self.layout, self._random, z, samples):
            logup = [[self.backend.host(column) for column in columns] for columns in self._logup]
            raise TraceInvalid(explain_violation(env, self.trace, self._explicit, logup))
        self._stage("quotients")
        coefficient = self.channel.draw_secure_felt()
        blowup = self.params.config.log_blowup_factor
        groups = group_samples(self.layout, points, samples, coefficient, blowup)
        evaluations = [c.evaluations for c in self.committed]
        quotient = self.backend.quotients(groups, evaluations, self.layout.lifting_log)
        return self._finish(env, samples, quotient)

    def commit(self, tree: int, env: Environment) -> bytes:
        """Commit tree 0, 1 or 2 (called by the transcript)."""
        self._stage(STAGES[tree])
        if tree == 0:
            columns: list[Column] = list(self.trace.preprocessed)
        elif tree == 1:
            columns = [column for component in self.trace.trace for column in component]
        else:
            pairs = zip(self._explicit, self._logup, strict=True)
            columns = [column for explicit, logup in pairs for column in (*explicit, *logup)]
        polynomials = self.backend.interpolate(columns)
        return self._commit_polynomials(tree, polynomials)

    def claimed_sums(self, env: Environment) -> tuple[QM31, ...]:
        """Make the interaction columns; returns the claimed sums (called by the transcript)."""
        if any(c.interaction for c in self.air.components):
            self._explicit = self._explicit_columns(env)
        sums = []
        order = {name: k for k, name in enumerate(self.air.preprocessed)}
        for index, component in enumerate(self.air.components):
            # Without lookups the claimed sum is the statement's own public value.
            claimed = self.params.claimed_sums[index] if self.params.claimed_sums else ZERO
            if component.logup:
                columns = {
                    0: [self.trace.preprocessed[order[name]] for name in component.preprocessed],
                    1: self.trace.trace[index],
                    2: self._explicit[index],
                }
                self._logup[index], claimed = self.backend.logup_columns(env, index, columns)
            sums.append(claimed)
        # A claimed sum of 0 beside lookups stands for one that the prover shall find (section 20).
        given = zip(self.params.claimed_sums, sums, strict=True) if self.params.claimed_sums else ()
        if self._check and any(said not in (ZERO, made) for said, made in given):
            raise TraceInvalid("the trace's claimed sums differ from the parameters'")
        return tuple(sums)

    def pow_nonce(self, channel: Channel, bits: int) -> int:
        """Grind an interaction proof of work (called by the transcript)."""
        self._nonces.append(self.backend.grind(channel.digest, bits))
        return self._nonces[-1]

    def _explicit_columns(self, env: Environment) -> list[list[U32]]:
        if self._interaction is None:
            made = solve_interaction(env, self.trace)
        else:
            made = [list(columns) for columns in self._interaction(env.challenges)]
        for component, columns, log_size in zip(self.air.components, made, self.params.log_sizes, strict=True):
            check_columns(columns, [log_size] * len(component.interaction), f"interaction of {component.name!r}")
        return made

    def _commit_polynomials(self, tree: int, polynomials: Polynomials) -> bytes:
        evaluations = self.backend.extend(polynomials, self.params.config.log_blowup_factor)
        made = self.backend.commit(evaluations, self.layout.heights[tree])
        self.committed.append(_Committed(polynomials, evaluations, made))
        self.roots.append(self.backend.root(made))
        return self.roots[-1]

    def _compose(self, env: Environment) -> None:
        self._stage("composition")
        self._random = self.channel.draw_secure_felt()
        count = sum(c.constraint_count for c in self.air.components)
        powers = qpowers(self._random, count)[::-1]
        polynomials = self.backend.compose(env, [c.polynomials for c in self.committed], self.layout, powers)
        self.channel.mix_root(self._commit_polynomials(len(self.committed), polynomials))

    def _point(self) -> SecurePoint:
        try:
            return secure_point(self.channel.draw_secure_felt())
        except ZeroDivisionError:
            raise ProverError("a degenerate point was drawn; change the statement and try again") from None

    def _sample(self, points: Sequence[Sequence[SecurePoint]]) -> list[list[QM31]]:
        self._stage("samples")
        samples: list[list[QM31]] = []
        for columns, committed in zip(self.layout.trees, self.committed, strict=True):
            own = points[len(samples) : len(samples) + len(columns)]
            samples += self.backend.sample(committed.polynomials, own, self.layout.degree_log)
        self.channel.mix_felts([value for column in samples for value in column])
        return samples

    def _finish(self, env: Environment, samples: list[list[QM31]], quotient: SecureEvaluation) -> ProofBundle:
        config = self.params.config
        self._stage("fri")
        layers, last = self._fri_commit(quotient)
        self._stage("proof_of_work")
        nonce = self.backend.grind(self.channel.digest, config.pow_bits)
        self.channel.mix_u64(nonce)
        self._stage("openings")
        positions = self.channel.draw_queries(self.layout.lifting_log, config.n_queries)
        opened = self._open_layers(layers, positions)
        queried, decommitments, sampled = self._open_trees(positions, samples)
        proof = Proof(
            config=config,
            commitments=tuple(self.roots),
            sampled_values=sampled,
            decommitments=decommitments,
            queried_values=queried,
            proof_of_work=nonce,
            first_layer=opened[0],
            inner_layers=tuple(opened[1:]),
            last_coeffs=tuple(last),
            last_log_size=config.log_last_layer_degree_bound,
        )
        if self._progress is not None:
            self._progress("done", len(STAGES), len(STAGES))
        params = replace(
            self.params,
            claimed_sums=env.claimed or (),
            interaction_nonces=tuple(self._nonces),
            preprocessed_root=self.roots[0],
        )
        return ProofBundle(params, proof)

    def _fri_commit(self, evaluation: SecureEvaluation) -> tuple[list[tuple[SecureEvaluation, Tree]], list[QM31]]:
        layers = []
        log_size = self.layout.lifting_log
        for k, step in enumerate(self.layout.fri_steps):
            tree = self.backend.commit_layer(evaluation, is_packed(log_size, step))
            layers.append((evaluation, tree))
            self.channel.mix_root(self.backend.root(tree))
            evaluation = self.backend.fold(evaluation, step, k == 0, self.channel.draw_secure_felt())
            log_size -= step
        values = self.backend.gather_secure(evaluation, range(1 << log_size))
        last = last_layer_coefficients(values, self.params.config.log_last_layer_degree_bound)
        self.channel.mix_felts(last)
        return layers, last

    def _open_layers(self, layers: list[tuple[SecureEvaluation, Tree]], positions: list[int]) -> list[FriLayer]:
        opened = []
        log_size = self.layout.lifting_log
        for (evaluation, tree), step in zip(layers, self.layout.fri_steps, strict=True):
            known = set(positions)
            cosets = sorted({p >> step for p in positions})
            members = [p for c in cosets for p in range(c << step, (c + 1) << step)]
            witness = self.backend.gather_secure(evaluation, [p for p in members if p not in known])
            shift = 2 if is_packed(log_size, step) else 0
            hashes = self.backend.decommit(tree, sorted({p >> shift for p in members}))
            opened.append(FriLayer(tuple(witness), tuple(hashes), self.backend.root(tree)))
            positions = cosets
            log_size -= step
        return opened

    def _open_trees(self, positions: list[int], samples: list[list[QM31]]) -> tuple[Any, Any, Any]:
        """queried_values, decommitments and sampled_values of all trees."""
        queried, decommitments, sampled = [], [], []
        done = 0
        for k, (columns, committed) in enumerate(zip(self.layout.trees, self.committed, strict=True)):
            height = self.layout.heights[k]
            where = self.layout.tree_positions(k, positions) if columns else []
            values = self.backend.gather(committed.evaluations, height, where)
            queried.append(tuple(tuple(column) for column in values))
            decommitments.append(tuple(self.backend.decommit(committed.tree, where)))
            sampled.append(tuple(tuple(values) for values in samples[done : done + len(columns)]))
            done += len(columns)
        return tuple(queried), tuple(decommitments), tuple(sampled)

    def _stage(self, name: str) -> None:
        if self._progress is not None:
            self._progress(name, STAGES.index(name), len(STAGES))
