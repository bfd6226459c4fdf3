"""The application part of the transcript, driven by the AIR's steps (spec sections 7 and 20).

Prover and verifier run the same code; they differ in the `Source` that supplies commitments, claimed sums
and nonces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .channel import Channel
from .errors import ProofRefused, ProofUnreadable
from .fields import QM31, ZERO, P, qadd, qinv, qm31, qmul, qneg, qpowers, qscale, qsub
from .graph import Air, Argument, Check, ClaimedSumOf, LogSizeOf, Node, PublicValue, Step
from .params import Params, PublicList


@dataclass(frozen=True, slots=True)
class RelationValues:
    """Drawn values of a relation: z and the powers of alpha."""

    z: QM31
    powers: tuple[QM31, ...]

    def combine(self, values: list[QM31]) -> QM31:
        """sum alpha^j v_j - z."""
        a, b, c, d = self.z
        a, b, c, d = -a, -b, -c, -d
        for power, value in zip(self.powers, values, strict=False):
            # Mostly values of the base field: four products instead of sixteen.
            p, q, r, s = qmul(power, value) if value[1] or value[2] or value[3] else qscale(power, value[0])
            a, b, c, d = a + p, b + q, c + r, d + s
        return a % P, b % P, c % P, d % P


@dataclass(slots=True)
class Environment:
    """What is known while the transcript runs."""

    air: Air
    params: Params
    challenges: dict[str, QM31] = field(default_factory=dict)
    relations: dict[str, RelationValues] = field(default_factory=dict)
    claimed: tuple[QM31, ...] | None = None

    def public(self, name: str, index: int | None = None) -> int | QM31:
        """A public value or one entry of it.  Raises ProofRefused when there is none."""
        value = self.params.public.get(name)
        if isinstance(value, PublicList) and index is not None and index < len(value.entries):
            return value.entries[index]
        if value is None or isinstance(value, PublicList) or index is not None:
            raise ProofRefused("public_value_missing", f"the public value {name[:40]!r} is missing or of another form")
        return value

    def challenge(self, name: str) -> QM31:
        """A drawn value.  Raises ProofUnreadable when the transcript has not drawn it yet."""
        if name not in self.challenges:
            raise ProofUnreadable(f"AIR: the challenge {name[:40]!r} is read before it is drawn")
        return self.challenges[name]

    def relation(self, name: str) -> RelationValues:
        """Drawn relation values.  Raises ProofUnreadable when the transcript has not drawn them yet."""
        if name not in self.relations:
            raise ProofUnreadable(f"AIR: the relation {name[:40]!r} is used before it is drawn")
        return self.relations[name]

    def claimed_sum(self, component: int) -> QM31:
        """Claimed sum of a component, 0 without an interaction tree."""
        return self.claimed[component] if self.claimed else ZERO


class Source(Protocol):
    """Supplies what the two sides get differently."""

    def commit(self, tree: int, env: Environment) -> bytes:
        """Root of the tree."""

    def claimed_sums(self, env: Environment) -> tuple[QM31, ...]:
        """One claimed sum per component."""

    def pow_nonce(self, channel: Channel, bits: int) -> int:
        """Nonce of the next interaction proof of work."""


def run_transcript(air: Air, params: Params, channel: Channel, source: Source) -> Environment:
    """Run all steps; returns the drawn values.

    Raises ProofRefused when a nonce does not hold, ProofUnreadable for an AIR whose steps are
    out of order.
    """
    env = Environment(air, params)
    committed = 0
    for step in air.transcript:
        if env.claimed is None and (step.op == "mix_claimed_sums" or (step.op == "commit" and step.tree == 2)):
            env.claimed = source.claimed_sums(env)
        if step.op == "commit":
            if step.tree != committed:
                raise ProofUnreadable("AIR: the trees must be committed in order")
            committed += 1
            channel.mix_root(source.commit(step.tree, env))
        elif step.op == "pow":
            nonce = source.pow_nonce(channel, step.bits)
            if not channel.check_pow(step.bits, nonce):
                raise ProofRefused("interaction_pow")
            channel.mix_u64(nonce)
        else:
            _run_step(step, env, channel)
    if committed != (3 if air.has_interaction else 2):
        raise ProofUnreadable("AIR: the transcript commits a wrong number of trees")
    return env


def run_checks(env: Environment) -> None:
    """The AIR's public checks on claimed sums and public values.  Raises ProofRefused."""
    for check in env.air.checks:
        if isinstance(check, Check):
            run_check(check, env)
        else:
            check.run(env)


def _run_step(step: Step, env: Environment, channel: Channel) -> None:
    match step.op:
        case "mix_config":
            channel.mix_felts(env.params.config.felts())
        case "mix_u64":
            channel.mix_u64(_integer(step.values[0], env, 64))
        case "mix_u32s":
            channel.mix_u32s([_integer(v, env, 32) for v in step.values])
        case "mix_felts":
            channel.mix_felts([_felt(v, env) for v in step.values])
        case "mix_claimed_sums":
            channel.mix_felts(list(env.claimed or ()))
        case "draw_relation":
            name = step.names[0]
            size = next(r.size for r in env.air.relations if r.name == name)
            z, alpha = channel.draw_secure_felts(2)
            env.relations[name] = RelationValues(z, tuple(qpowers(alpha, size)))
        case "draw_felt":
            env.challenges[step.names[0]] = channel.draw_secure_felt()
        case _:
            drawn = channel.draw_secure_felts(len(step.names))
            env.challenges.update(zip(step.names, drawn, strict=True))


def _value(argument: Argument, env: Environment) -> int | QM31:
    match argument:
        case LogSizeOf(component):
            return env.params.log_sizes[component]
        case PublicValue(name, index):
            return env.public(name, index)
        case ClaimedSumOf(component):
            if env.claimed is None:
                raise ProofUnreadable("AIR: a claimed sum is mixed before it is known")
            return env.claimed[component]
        case _:
            return argument


def _integer(argument: Argument, env: Environment, bits: int) -> int:
    # A statement may list thousands of words: the usual kind goes first.
    value = env.public(argument.name, argument.index) if type(argument) is PublicValue else _value(argument, env)
    if not isinstance(value, int) or value >> bits:
        raise ProofRefused("public_value_missing", f"an integer of {bits} bits is expected")
    return value


def _felt(argument: Argument, env: Environment) -> QM31:
    value = _value(argument, env)
    if isinstance(value, int):
        if value >= P:
            raise ProofRefused("public_value_missing", "a field element is expected")
        return qm31(value)
    return value


def run_check(check: Check, env: Environment) -> None:
    """One public check, node by node.  Raises ProofRefused."""
    values: list[QM31] = []
    for node in check.nodes:
        values.append(_check_value(node, values, env))
    if any(values[k] != ZERO for k in check.zero):
        raise ProofRefused("check_failed", f"the check {check.name[:60]!r} does not hold")


def _check_value(node: Node, values: list[QM31], env: Environment) -> QM31:
    op, *args = node
    match op:
        case "add":
            return qadd(values[args[0]], values[args[1]])
        case "sub":
            return qsub(values[args[0]], values[args[1]])
        case "mul":
            return qmul(values[args[0]], values[args[1]])
        case "neg":
            return qneg(values[args[0]])
        case "inv":
            try:
                return qinv(values[args[0]])
            except ZeroDivisionError:
                raise ProofRefused("check_failed", "a public check divides by 0") from None
        case "claimed":
            return env.claimed_sum(args[0])
        case "rows":
            return qm31(1 << env.params.log_sizes[args[0]])
        case "combine":
            return env.relation(args[0]).combine([values[k] for k in args[1:]])
    value = leaf_value(node, env)
    return qm31(value) if isinstance(value, int) else value


def leaf_value(node: Node, env: Environment) -> int | QM31:
    """Value of a const, qconst, chal or pub node: an integer where it lies in the base field."""
    op, *args = node
    match op:
        case "chal":
            return env.challenge(args[0])
        case "pub":
            return env.public(*args)
    value: int | QM31 = args[0]
    return value
