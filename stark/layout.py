"""Sizes, trees and masks that an AIR has under given parameters (spec sections 4, 8, 9, 11 and 14).

Everything that verifier and prover derive from (AIR, parameters) alone is here, with the shape rules that
make a proof refusable before a byte of it is read.
"""

from __future__ import annotations

from dataclasses import dataclass

from .circle import Point, bit_reverse, domain_index, generator_index, point
from .errors import ProofRefused
from .fields import P
from .graph import Air, Component
from .params import Params

MAX_DOMAIN_LOG = 30
MAX_DEGREE = 3
COMPOSITION_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class Column:
    """A committed column: log2 of its trace length and the row offsets at which it is sampled."""

    log_size: int
    mask: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Derived sizes.

    `trees` holds the columns of every tree in commitment order, the composition tree last; `heights` the
    log2 leaf count of each; `lifting_log` is L and `degree_log` mx of the specification; `fri_steps` the
    number of folds after every committed FRI layer.
    """

    trees: tuple[tuple[Column, ...], ...]
    heights: tuple[int, ...]
    lifting_log: int
    degree_log: int
    composition_log: int
    fri_steps: tuple[int, ...]

    @property
    def columns(self) -> list[Column]:
        """All columns in flat order."""
        return [column for tree in self.trees for column in tree]

    def query_points(self, positions: list[int]) -> list[Point]:
        """Domain points of stored positions."""
        n = self.lifting_log
        return [point(domain_index(n, bit_reverse(p, n))) for p in positions]

    def tree_positions(self, tree: int, positions: list[int]) -> list[int]:
        """Leaf positions of a tree for query positions (section 12)."""
        height, n = self.heights[tree], self.lifting_log
        if height == n:
            return positions
        return [((p >> 1) << (height - n + 1)) + (p & 1) for p in positions]


def make_layout(air: Air, params: Params, *, strict: bool = True) -> Layout:
    """Derive the layout.

    Raises ProofRefused when the parameters do not fit the AIR or describe a shape that version 2.3 of the
    protocol cannot verify or cannot verify soundly.  `strict=False` lets the two shapes of section 19 through,
    which the Rust prover emits and its verifier refuses, and the masks of `_check_masks`; only tests use it.
    """
    _check_params(air, params)
    trees = [
        _preprocessed_columns(air, params),
        tuple(Column(n, mask) for c, n in _sized(air, params) for mask in c.trace),
    ]
    if air.has_interaction:
        trees.append(tuple(Column(n, mask) for c, n in _sized(air, params) for mask in c.interaction_masks))
    largest = max(params.log_sizes)
    trees.append((Column(largest, (0,)),) * COMPOSITION_COLUMNS)
    heights = _heights(trees, params, strict)
    lifting_log = heights[-1]
    degree_log = lifting_log - params.config.log_blowup_factor
    if lifting_log > MAX_DOMAIN_LOG or degree_log < largest:
        raise ProofRefused("config_invalid", f"an evaluation domain of log size {lifting_log} is out of range")
    if strict:
        _check_masks(trees, degree_log)
    return Layout(tuple(trees), heights, lifting_log, degree_log, largest + 1, _fri_steps(params, degree_log))


def _sized(air: Air, params: Params) -> list[tuple[Component, int]]:
    return list(zip(air.components, params.log_sizes, strict=True))


def _check_params(air: Air, params: Params) -> None:
    if len(params.log_sizes) != len(air.components):
        raise ProofRefused("params_mismatch", f"{len(air.components)} component sizes are expected")
    if len(params.preprocessed_log_sizes) != len(air.preprocessed):
        raise ProofRefused("params_mismatch", f"{len(air.preprocessed)} preprocessed sizes are expected")
    if params.claimed_sums and len(params.claimed_sums) != len(air.components):
        raise ProofRefused("params_mismatch", "one claimed sum per component is expected")
    for component in air.components:
        degree = constraint_degree(component)
        if degree > MAX_DEGREE or component.log_degree != 1:
            raise ProofRefused("unsupported_degree", f"component {component.name!r} has degree {degree}")
    uses: dict[str, int] = {}
    for component, log_size in _sized(air, params):
        for fraction in component.logup:
            if fraction.relation is not None:
                uses[fraction.relation] = uses.get(fraction.relation, 0) + (1 << log_size)
    if any(count >= P for count in uses.values()):
        raise ProofRefused("relation_uses")


def _preprocessed_columns(air: Air, params: Params) -> tuple[Column, ...]:
    sizes = dict(zip(air.preprocessed, params.preprocessed_log_sizes, strict=True))
    used: set[str] = set()
    for component, log_size in _sized(air, params):
        for name in component.preprocessed:
            used.add(name)
            if sizes[name] != log_size:
                raise ProofRefused(
                    "params_mismatch", f"preprocessed column {name!r} has another size than its component"
                )
    return tuple(Column(sizes[name], (0,) if name in used else ()) for name in air.preprocessed)


def _heights(trees: list[tuple[Column, ...]], params: Params, strict: bool) -> tuple[int, ...]:
    blowup = params.config.log_blowup_factor
    natural = [max((c.log_size + blowup for c in tree), default=0) for tree in trees]
    lifting = params.config.lifting_log_size
    if lifting is None:
        if len(set(natural[1:])) != 1:
            raise ProofRefused("tree_heights_differ", f"the trees have heights {natural[1:]}")
        if strict and trees[0] and natural[0] < natural[-1]:
            raise ProofRefused("preprocessed_tree_too_low")
        return tuple(natural)
    if strict and not trees[0]:
        raise ProofRefused("lifting_without_preprocessed")
    if lifting < max(natural):
        raise ProofRefused("config_invalid", f"lifting_log_size must be at least {max(natural)}")
    return tuple(lifting if tree else 0 for tree in trees)


def _check_masks(trees: list[tuple[Column, ...]], degree_log: int) -> None:
    """Refuse columns of three and more offsets below the lifting size.

    Only a column with exactly two samples is proven to be the lift of a shorter one (section 10).  A column with
    one sample may differ between the 2^(mx-n) copies of a row, which is harmless: every copy satisfies the row's
    constraints.  With three offsets it may instead be one cycle of 2^mx rows, so that constraints across rows
    hold that no trace of 2^n rows satisfies.
    """
    if any(len(column.mask) > 2 and column.log_size != degree_log for tree in trees for column in tree):
        raise ProofRefused("mask_not_periodic")


def _fri_steps(params: Params, degree_log: int) -> tuple[int, ...]:
    step, last = params.config.fold_step, params.config.log_last_layer_degree_bound
    bound = degree_log - step
    if bound < last:
        raise ProofRefused("config_invalid", "the trace is too small for this fold step and last layer")
    steps = [step]
    while bound > last:
        steps.append(min(step, bound - last))
        bound -= steps[-1]
    return tuple(steps)


def node_degrees(component: Component) -> list[int]:
    """Degree of every node in the columns."""
    degrees: list[int] = []
    for op, *args in component.nodes:
        operands = [degrees[a] for a in args if isinstance(a, int)] if op in ("add", "sub", "mul", "neg") else []
        match op:
            case "col" | "icol" | "iext" | "pp":
                degrees.append(1)
            case "mul":
                degrees.append(min(sum(operands), 1 << 20))
            case _:
                degrees.append(max(operands, default=0))
    return degrees


def constraint_degree(component: Component) -> int:
    """Largest degree of the component's constraints, lookups included."""
    degrees = node_degrees(component)
    largest = max((degrees[k] for k in component.constraints), default=0)
    for batch in range(component.batch_count):
        numerator, denominator = 0, 0
        for fraction, member in zip(component.logup, component.batching, strict=True):
            if member != batch:
                continue
            top = degrees[fraction.numerator]
            if fraction.relation is None:
                bottom = degrees[fraction.denominator]
            else:
                bottom = max((degrees[v] for v in fraction.values), default=0)
            numerator = max(numerator + bottom, top + denominator) if denominator or numerator else top
            denominator += bottom
        largest = max(largest, numerator, denominator + 1)
    return largest


def row_step(log_size: int, offset: int) -> Point:
    """The point offset * G of the subgroup of order 2^log_size."""
    return point(offset * generator_index(log_size)) if log_size else (1, 0)


def periodicity_step(lifting_log: int, extended_log: int) -> Point:
    """T_k of section 10: the generator of order 2^L doubled k times."""
    return point(generator_index(lifting_log) << extended_log)
