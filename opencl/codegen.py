"""OpenCL C for the constraints and lookups of a component, generated from its graph (spec sections 8 and 9).

The source depends on the graph and on where its columns lie, never on values: constants are literals, and
whatever a proof draws or is given (challenges, public values, relation elements, weights of constraints) is
read from one constant buffer, the *environment*.  One compiled program thus serves every proof of an AIR.
Nodes that depend on no column are computed once on the host and enter through the environment too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bitsage.stark.fields import QM31, qadd, qm31, qmul, qneg, qsub
from bitsage.stark.graph import Component, Fraction
from bitsage.stark.transcript import Environment, leaf_value

#: Where a column lies: (number of the buffer among the kernel's arguments, row in it), by (tree, column).
Places = Mapping[tuple[int, int], tuple[int, int]]
_OPERATORS = ("add", "sub", "mul", "neg")
_COLUMNS = ("col", "icol", "iext", "pp")


@dataclass(frozen=True, slots=True)
class Value:
    """An operand in the source: a C expression, in M31 or (secure) in QM31."""

    text: str
    secure: bool


@dataclass(slots=True)
class Slots:
    """The environment's layout: what lies at which word.  A key names one value of one or four words."""

    words: int = 0
    starts: dict[tuple[object, ...], int] = field(default_factory=dict)

    def secure(self, *key: object) -> Value:
        """A QM31 of the environment."""
        return Value(f"ENV4({self._place(key, 4)})", True)

    def base(self, *key: object) -> Value:
        """An M31 of the environment."""
        return Value(f"e[{self._place(key, 1)}]", False)

    def _place(self, key: tuple[object, ...], words: int) -> int:
        if key not in self.starts:
            self.starts[key] = self.words
            self.words += words
        return self.starts[key]


def uniform_values(component: Component, env: Environment) -> dict[int, int | QM31]:
    """Values of the nodes that depend on no column, integers where they lie in the base field by form."""
    known: dict[int, int | QM31] = {}
    for index, node in enumerate(component.nodes):
        op, *args = node
        if op in _COLUMNS:
            continue
        if op not in _OPERATORS:
            known[index] = leaf_value(node, env)
        elif all(a in known for a in args):
            known[index] = _apply(op, [known[a] for a in args])
    return known


def _apply(op: str, operands: Sequence[int | QM31]) -> int | QM31:
    left, *rest = (qm31(x) if isinstance(x, int) else x for x in operands)
    functions: dict[str, Callable[..., QM31]] = {"add": qadd, "sub": qsub, "mul": qmul, "neg": qneg}
    result = functions[op](left, *rest)
    return result[0] if all(isinstance(x, int) for x in operands) else result


class Emitter:
    """Writes statements for the nodes that are asked for, each once, in the order of need."""

    def __init__(
        self, component: Component, uniform: Mapping[int, bool], sizes: Mapping[str, int], places: Places, slots: Slots
    ) -> None:
        """`uniform` tells of every node without columns whether it is secure, `sizes` the powers of relations."""
        self.component, self.uniform, self.sizes, self.places, self.slots = component, uniform, sizes, places, slots
        self.lines: list[str] = []
        self._nodes: dict[int, Value] = {}
        self._named: dict[str, Value] = {}

    def node(self, index: int) -> Value:
        """The operand for a node; emits what it needs first (iteratively: graphs may be deep)."""
        stack = [index]
        while stack:
            current = stack[-1]
            if current in self._nodes:
                stack.pop()
                continue
            op, *args = self.component.nodes[current]
            inner: Sequence[int] = args if op in _OPERATORS and current not in self.uniform else ()
            missing = [a for a in reversed(inner) if a not in self._nodes]
            if missing:
                stack += missing
            else:
                self._nodes[current] = self._make(current)
        return self._nodes[index]

    def _make(self, index: int) -> Value:
        op, *args = self.component.nodes[index]
        if op == "const":
            return Value(f"{args[0]}u", False)
        secure = self.uniform.get(index)
        if secure is not None:
            return self.slots.secure("node", index) if secure else self.slots.base("node", index)
        match op:
            case "col":
                return self.column(1, args[0], args[1])
            case "icol":
                return self.column(2, args[0], args[1])
            case "pp":
                return self.column(0, args[0], 0)
            case "iext":
                return self.secure_column(2, args[0], args[1])
        return self.operation(op, *(self._nodes[a] for a in args))

    def column(self, tree: int, column: int, offset: int) -> Value:
        """A base column's value at a row offset."""
        buffer, row = self.places[tree, column]
        return self.name(f"b{buffer}[((size_t){row} << stride) + {self._position(offset)}]", False)

    def secure_column(self, tree: int, first: int, offset: int) -> Value:
        """Four columns as one QM31."""
        parts = [self.column(tree, first + k, offset).text for k in range(4)]
        return self.name(f"q_make({', '.join(parts)})", True)

    def _position(self, offset: int) -> str:
        if offset == 0:
            return "i"
        name = f"i_{'m' if offset < 0 else 'p'}{abs(offset)}"
        if name not in self._named:
            self._named[name] = Value(name, False)
            self.lines.append(f"const uint {name} = SHIFT(i, {offset});")
        return name

    def operation(self, op: str, x: Value, y: Value | None = None) -> Value:
        """One field operation in mixed types."""
        if y is None:
            return self.name(f"{'q' if x.secure else 'm31'}_neg({x.text})", x.secure)
        if op != "sub" and x.text > y.text:
            x, y = y, x  # so that x + y and y + x become one variable
        if op == "mul" and "1u" in (x.text, y.text):
            return y if x.text == "1u" else x
        if not x.secure and not y.secure:
            return self.name(f"m31_{op}({x.text}, {y.text})", False)
        if x.secure and y.secure:
            return self.name(f"q_{op}({x.text}, {y.text})", True)
        if op == "sub" and not x.secure:
            return self.name(f"q_add_base(q_neg({y.text}), {x.text})", True)
        ext, base = (x, y) if x.secure else (y, x)
        return self.name(f"q_{op}_base({ext.text}, {base.text})", True)

    def name(self, expression: str, secure: bool) -> Value:
        """A variable with the expression's value; equal expressions share one."""
        known = self._named.get(expression)
        if known is None:
            known = self._named[expression] = Value(f"v{len(self._named)}", secure)
            self.lines.append(f"const {'qm31' if secure else 'uint'} {known.text} = {expression};")
        return known

    def fraction(self, batch: int) -> tuple[Value, Value]:
        """(numerator, denominator) of a LogUp batch."""
        total: tuple[Value, Value] | None = None
        for fraction, own in zip(self.component.logup, self.component.batching, strict=True):
            if own != batch:
                continue
            top, bottom = self.node(fraction.numerator), self._denominator(fraction)
            if total is None:
                total = top, bottom
            else:
                n, d = total
                crossed = self.operation("add", self.operation("mul", n, bottom), self.operation("mul", top, d))
                total = crossed, self.operation("mul", d, bottom)
        assert total is not None, "batches are numbered without gaps"
        return total

    def _denominator(self, fraction: Fraction) -> Value:
        if fraction.relation is None:
            return self.node(fraction.denominator)
        total = self.slots.secure("relation", fraction.relation, "minus z")
        for k, value in enumerate(fraction.values[: self.sizes[fraction.relation]]):
            operand = self.node(value)
            if k:  # the power 0 is 1
                operand = self.operation("mul", self.slots.secure("relation", fraction.relation, k), operand)
            total = self.operation("add", total, operand)
        return total
