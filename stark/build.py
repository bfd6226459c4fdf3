"""Writing an AIR with ordinary operators; the result is the plain graph of `graph`.

    component = ComponentBuilder("wide_fibonacci")
    a, b, c = (component.column() for _ in range(3))
    component.constrain(c - a * a - b * b)
    air = AirBuilder("wide_fibonacci").add(component).commit(0).commit(1).build()

Equal expressions become one node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .fields import P
from .graph import Air, Argument, Check, Component, ComputedCheck, Fraction, Node, Relation, Step, pairs


class NodeList:
    """Nodes in topological order, each kept once."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Node, int] = {}

    def put(self, *node: Any) -> Expr:
        """The expression of a node, new or known."""
        index = self._known.get(node)
        if index is None:
            index = self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return Expr(self, index)

    def wrap(self, value: Expr | int) -> Expr:
        """An expression, or the constant of an integer."""
        return value if isinstance(value, Expr) else self.put("const", value % P)


@dataclass(frozen=True, slots=True)
class Expr:
    """One node of a graph under construction."""

    owner: NodeList
    index: int

    def _binary(self, op: str, other: Expr | int) -> Expr:
        return self.owner.put(op, self.index, self.owner.wrap(other).index)

    def __add__(self, other: Expr | int) -> Expr:
        return self._binary("add", other)

    def __sub__(self, other: Expr | int) -> Expr:
        return self._binary("sub", other)

    def __mul__(self, other: Expr | int) -> Expr:
        return self._binary("mul", other)

    def __radd__(self, other: int) -> Expr:
        return self.owner.wrap(other) + self

    def __rsub__(self, other: int) -> Expr:
        return self.owner.wrap(other) - self

    def __rmul__(self, other: int) -> Expr:
        return self.owner.wrap(other) * self

    def __neg__(self) -> Expr:
        return self.owner.put("neg", self.index)


class ComponentBuilder(NodeList):
    """Collects the columns, constraints and lookups of one component."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._preprocessed: list[str] = []
        self._trace: list[tuple[int, ...]] = []
        self._interaction: list[tuple[int, ...]] = []
        self._constraints: list[int] = []
        self._fractions: list[Fraction] = []

    def preprocessed(self, name: str) -> Expr:
        """A preprocessed column by its id."""
        if name not in self._preprocessed:
            self._preprocessed.append(name)
        return self.put("pp", self._preprocessed.index(name))

    def column(self) -> Expr:
        """The next trace column, read in its own row."""
        return self.columns((0,))[0]

    def columns(self, mask: tuple[int, ...]) -> list[Expr]:
        """The next trace column, read at the given row offsets."""
        self._trace.append(mask)
        return [self.put("col", len(self._trace) - 1, offset) for offset in mask]

    def secure_column(self, mask: tuple[int, ...] = (0,)) -> list[Expr]:
        """Four explicit interaction columns as one QM31 value, read at the given row offsets."""
        first = len(self._interaction)
        self._interaction += [mask] * 4
        return [self.put("iext", first, offset) for offset in mask]

    def challenge(self, name: str) -> Expr:
        """A value drawn by the transcript."""
        return self.put("chal", name)

    def public(self, name: str, index: int | None = None) -> Expr:
        """A public value, or one entry of it."""
        return self.put("pub", name) if index is None else self.put("pub", name, index)

    def constrain(self, expression: Expr) -> None:
        """Demand that the expression is 0 in every row."""
        self._constraints.append(expression.index)

    def lookup(self, relation: str, multiplicity: Expr | int, values: Sequence[Expr | int]) -> None:
        """Add multiplicity / combine(values): positive to use an entry, negative to yield it."""
        numerator = self.wrap(multiplicity).index
        self._fractions.append(Fraction(relation, numerator, tuple(self.wrap(v).index for v in values)))

    def build(self) -> Component:
        """The finished component, lookups batched in pairs."""
        return Component(
            name=self.name,
            preprocessed=tuple(self._preprocessed),
            trace=tuple(self._trace),
            interaction=tuple(self._interaction),
            nodes=tuple(self.nodes),
            constraints=tuple(self._constraints),
            logup=tuple(self._fractions),
            batching=pairs(len(self._fractions)),
        )


class CheckBuilder(NodeList):
    """Collects the nodes of one public check over claimed sums and public values."""

    def claimed(self, component: int) -> Expr:
        """The claimed sum of a component."""
        return self.put("claimed", component)

    def rows(self, component: int) -> Expr:
        """2^log_size of a component."""
        return self.put("rows", component)

    def public(self, name: str, index: int | None = None) -> Expr:
        """A public value, or one entry of it."""
        return self.put("pub", name) if index is None else self.put("pub", name, index)

    def combine(self, relation: str, values: Sequence[Expr | int]) -> Expr:
        """sum alpha^j v_j - z."""
        return self.put("combine", relation, *(self.wrap(v).index for v in values))

    def inverse(self, value: Expr) -> Expr:
        """1 / value."""
        return self.put("inv", value.index)

    def zero(self, name: str, *expressions: Expr) -> Check:
        """The check that all the expressions are 0."""
        return Check(name, tuple(self.nodes), tuple(e.index for e in expressions))


class AirBuilder:
    """Collects components, transcript steps and checks; every method returns the builder."""

    def __init__(self, name: str, *, preprocessed: Sequence[str] = (), relations: Sequence[Relation] = ()) -> None:
        self._name = name
        self._preprocessed = tuple(preprocessed)
        self._relations = tuple(relations)
        self._components: list[Component] = []
        self._steps: list[Step] = []
        self._checks: list[Check | ComputedCheck] = []

    def add(self, component: ComponentBuilder | Component) -> AirBuilder:
        """Append a component; the order fixes the order of the columns."""
        self._components.append(component.build() if isinstance(component, ComponentBuilder) else component)
        return self

    def step(self, op: str, *values: Argument, tree: int = 0, bits: int = 0, names: Sequence[str] = ()) -> AirBuilder:
        """Append any transcript step of section 20."""
        self._steps.append(Step(op, values, tree, bits, tuple(names)))
        return self

    def commit(self, tree: int) -> AirBuilder:
        """Append the commitment of a tree."""
        return self.step("commit", tree=tree)

    def check(self, check: Check | ComputedCheck) -> AirBuilder:
        """Append a public check."""
        self._checks.append(check)
        return self

    def build(self) -> Air:
        """The finished AIR."""
        return Air(
            self._name,
            self._preprocessed,
            self._relations,
            tuple(self._components),
            tuple(self._steps),
            tuple(self._checks),
        )
