"""The AIR as an expression graph: plain data (spec sections 8 and 20).

One description serves the prover's array evaluator, the verifier's evaluation at the out-of-domain point,
device kernels and the JSON form `stwo-air-graph/1` (module `graph_json`).

Nodes are tuples whose first entry is the operator, exactly as in the JSON form, for example
("col", 0, -1), ("add", 3, 5), ("chal", "s").  Operands are indices of earlier nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .fields import QM31

#: (operator, operands...): integers, names or QM31 tuples, as the operator asks.
Node = tuple[Any, ...]
FORMAT = "stwo-air-graph/1"


@dataclass(frozen=True, slots=True)
class Relation:
    """A lookup relation; `size` is the number of alpha powers, an upper bound of the values it takes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Fraction:
    """One LogUp term.

    Either `relation` is named: multiplicity / combine(values), with node indices `numerator` (the
    multiplicity) and `values`; or `relation` is None: numerator / denominator, two node indices.
    """

    relation: str | None
    numerator: int
    values: tuple[int, ...] = ()
    denominator: int = -1


@dataclass(frozen=True, slots=True)
class Component:
    """One table with its constraints; masks are row offsets of a column, in coset rows."""

    name: str
    preprocessed: tuple[str, ...]
    trace: tuple[tuple[int, ...], ...]
    interaction: tuple[tuple[int, ...], ...]
    nodes: tuple[Node, ...]
    constraints: tuple[int, ...]
    logup: tuple[Fraction, ...]
    batching: tuple[int, ...]
    log_degree: int = 1

    @property
    def batch_count(self) -> int:
        """Number of LogUp batches; each owns four columns of the interaction tree."""
        return max(self.batching) + 1 if self.batching else 0

    @property
    def interaction_masks(self) -> tuple[tuple[int, ...], ...]:
        """Masks of all tree-2 columns: the explicit ones, then four for every LogUp batch."""
        batches = self.batch_count
        masks = [(0,)] * (4 * (batches - 1)) + [(-1, 0)] * 4 if batches else []
        return (*self.interaction, *masks)

    @property
    def constraint_count(self) -> int:
        """Explicit constraints plus one for every LogUp batch."""
        return len(self.constraints) + self.batch_count


@dataclass(frozen=True, slots=True)
class LogSizeOf:
    """Transcript argument: the log size of a component."""

    component: int


@dataclass(frozen=True, slots=True)
class PublicValue:
    """Transcript argument: a public value, or its entry `index`."""

    name: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class ClaimedSumOf:
    """Transcript argument: the claimed sum of a component."""

    component: int


Argument = int | QM31 | LogSizeOf | PublicValue | ClaimedSumOf


@dataclass(frozen=True, slots=True)
class Step:
    """One transcript step; which fields count depends on `op` (names of section 20)."""

    op: str
    values: tuple[Argument, ...] = ()
    tree: int = 0
    bits: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """A public check: every node listed in `zero` must evaluate to 0 in QM31."""

    name: str
    nodes: tuple[Node, ...]
    zero: tuple[int, ...]


class ComputedCheck(Protocol):
    """A check that knows a faster way to its verdict than its nodes, such as `lookup_sum.LookupSum`."""

    @property
    def name(self) -> str:
        """As of `Check`."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """As of `Check`: what the JSON form and other verifiers see."""

    @property
    def zero(self) -> tuple[int, ...]:
        """As of `Check`."""

    def run(self, env: Any) -> None:
        """Raise ProofRefused exactly when the nodes' check does, with its reason; `env` is an Environment."""


@dataclass(frozen=True, slots=True)
class Air:
    """The whole arithmetization: trees, components, transcript and public checks."""

    name: str
    preprocessed: tuple[str, ...]
    relations: tuple[Relation, ...]
    components: tuple[Component, ...]
    transcript: tuple[Step, ...]
    checks: tuple[Check | ComputedCheck, ...]

    @property
    def has_interaction(self) -> bool:
        """True when tree 2 exists."""
        return any(c.logup or c.interaction for c in self.components)

    @classmethod
    def from_json(cls, data: object) -> Air:
        """Read the JSON form (text, bytes or parsed).  Raises ProofUnreadable, naming the place."""
        from .graph_json import air_from_json

        return air_from_json(data)

    def to_json(self) -> dict[str, object]:
        """The JSON form as plain data, keys in the order of the specification."""
        from .graph_write import air_to_json

        return air_to_json(self)


def pairs(count: int) -> tuple[int, ...]:
    """Batching of fractions two by two, the default."""
    return tuple(k // 2 for k in range(count))
