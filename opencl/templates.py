"""Whole kernels around the statements of `codegen`: constraint sums and LogUp columns of a component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bitsage.stark.fields import QM31
from bitsage.stark.graph import Component
from bitsage.stark.rows import needed_by_logup
from bitsage.stark.transcript import Environment

from .codegen import Emitter, Slots, Value, uniform_values

#: Statements of one kernel, above which the remaining constraints go to a further one.
_STATEMENTS = 600
#: Words of constant memory that every device has.
_CONSTANT_WORDS = 1 << 14

_PRELUDE = """
#define ENV4(k) q_make(e[k], e[k + 1], e[k + 2], e[k + 3])
"""
_SHIFTS = """
/* The position `offset` trace rows further on a domain of twice the rows: the halves of a pair move oppositely. */
inline uint shifted_on_domain(uint i, int offset, uint log_rows) {
    uint j = bit_reverse(i >> 1, log_rows);
    j = (i & 1) ? j - (uint)offset : j + (uint)offset;
    return bit_reverse(j & ((1u << log_rows) - 1), log_rows) << 1 | (i & 1);
}
/* The same on the trace domain, through the coset rows. */
inline uint shifted_on_trace(uint i, int offset, uint log_rows) {
    uint size = 1u << log_rows, j = bit_reverse(i, log_rows);
    uint row = j < size / 2 ? 2 * j : 2 * (size - j) - 1;
    row = (row + (uint)offset) & (size - 1);
    return bit_reverse(row & 1 ? size - (row + 1) / 2 : row / 2, log_rows);
}
"""


@dataclass(frozen=True, slots=True)
class Generated:
    """A program's source, the names of its kernels in order, and the layout of their environment."""

    source: str
    kernels: tuple[str, ...]
    slots: Slots


@dataclass(frozen=True, slots=True)
class Shape:
    """What the source of a component's kernels depends on; hashable, the key of the cache.

    `places` lists ((tree, column), (buffer, row)); `uniform` (node, is secure); `relations` (name, powers).
    `chosen` are the constraints that a program of constraints adds up; None stands for all of them.
    """

    component: Component
    places: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    uniform: tuple[tuple[int, bool], ...]
    relations: tuple[tuple[str, int], ...]
    chosen: tuple[int, ...] | None = None

    @property
    def buffers(self) -> int:
        """Number of buffers that hold columns."""
        return max((place[0] for _, place in self.places), default=-1) + 1

    def emitter(self, slots: Slots) -> Emitter:
        """An emitter without statements yet."""
        return Emitter(self.component, dict(self.uniform), dict(self.relations), dict(self.places), slots)

    def parameters(self, slots: Slots) -> str:
        """The parameters that all kernels begin with, once the environment is complete."""
        columns = "".join(f"__global const uint *restrict b{k}, " for k in range(self.buffers))
        space = "__constant uint" if slots.words <= _CONSTANT_WORDS else "__global const uint"
        return f"{columns}{space} *restrict e, uint stride, uint log_rows"


def shape_of(
    component: Component,
    env: Environment,
    places: Mapping[tuple[int, int], tuple[int, int]],
    chosen: tuple[int, ...] | None = None,
) -> tuple[Shape, dict[int, int | QM31]]:
    """The cache key of a component's kernels and the values of its nodes without columns."""
    values = uniform_values(component, env)
    kinds = tuple((index, not isinstance(value, int)) for index, value in values.items())
    relations = tuple((relation.name, relation.size) for relation in env.air.relations)
    return Shape(component, tuple(sorted(places.items())), kinds, relations, chosen), values


def columns_read(component: Component, wanted: Sequence[int]) -> list[tuple[int, int]]:
    """(tree, column) of every column that the wanted nodes read, sorted."""
    seen, stack = set(), list(wanted)
    found: set[tuple[int, int]] = set()
    while stack:
        index = stack.pop()
        if index in seen:
            continue
        seen.add(index)
        op, *args = component.nodes[index]
        match op:
            case "add" | "sub" | "mul" | "neg":
                stack += args
            case "pp":
                found.add((0, args[0]))
            case "col":
                found.add((1, args[0]))
            case "icol":
                found.add((2, args[0]))
            case "iext":
                found |= {(2, args[0] + k) for k in range(4)}
    return sorted(found)


def columns_of_constraint(component: Component, number: int) -> set[tuple[int, int]]:
    """(tree, column) of every column that one constraint reads; the lookups' come after the explicit ones."""
    explicit = len(component.constraints)
    if number < explicit:
        return set(columns_read(component, [component.constraints[number]]))
    batch = number - explicit
    wanted: list[int] = []
    for fraction, own in zip(component.logup, component.batching, strict=True):
        if own == batch:
            bottom = [fraction.denominator] if fraction.relation is None else fraction.values
            wanted += [fraction.numerator, *bottom]
    first = len(component.interaction) + 4 * max(0, batch - 1)
    end = len(component.interaction) + 4 * (batch + 1)
    return {*columns_read(component, wanted), *((2, column) for column in range(first, end))}


def columns_of_constraints(component: Component) -> list[tuple[int, int]]:
    """(tree, column) of every column that the component's constraints read, sorted."""
    found = columns_read(component, [*component.constraints, *needed_by_logup(component)])
    first = len(component.interaction)
    return sorted({*found, *((2, first + k) for k in range(4 * component.batch_count))})


@lru_cache(maxsize=64)
def constraint_program(shape: Shape) -> Generated:
    """Kernels that add up `power * constraint` over the vanishing value, each for a run of the constraints."""
    slots, bodies = Slots(), []
    emitter = shape.emitter(slots)
    for j, value_of in enumerate(_constraints(shape.component)):
        if shape.chosen is not None and j not in shape.chosen:
            continue
        if len(emitter.lines) > _STATEMENTS:
            bodies.append(emitter.lines)
            emitter = shape.emitter(slots)
        _weigh(emitter, j, value_of(emitter))
    bodies.append(emitter.lines)
    scale = f"const uint scale = i >> log_rows ? {slots.base('vanishing', 1).text} : {slots.base('vanishing', 0).text};"
    kernels = [
        _constraint_kernel(shape.parameters(slots), f"constraints_{k}", body, scale) for k, body in enumerate(bodies)
    ]
    names = tuple(f"constraints_{k}" for k in range(len(kernels)))
    shift = "#define SHIFT(i, offset) shifted_on_domain(i, offset, log_rows)\n"
    return Generated("\n".join([_PRELUDE, _SHIFTS, shift, *kernels]), names, slots)


def _constraints(component: Component) -> list[Callable[[Emitter], Value]]:
    """Emitting functions of all constraints in their order, lookups last."""

    def plain(index: int) -> Callable[[Emitter], Value]:
        return lambda emitter: emitter.node(index)

    def lookup(batch: int) -> Callable[[Emitter], Value]:
        return lambda emitter: _lookup_constraint(emitter, batch)

    return [*map(plain, component.constraints), *map(lookup, range(component.batch_count))]


def _lookup_constraint(emitter: Emitter, batch: int) -> Value:
    """(current - previous batch [- previous row + shift]) * denominator - numerator."""
    first = len(emitter.component.interaction)
    numerator, denominator = emitter.fraction(batch)
    difference = emitter.secure_column(2, first + 4 * batch, 0)
    if batch:
        difference = emitter.operation("sub", difference, emitter.secure_column(2, first + 4 * (batch - 1), 0))
    if batch == emitter.component.batch_count - 1:
        difference = emitter.operation("sub", difference, emitter.secure_column(2, first + 4 * batch, -1))
        difference = emitter.operation("add", difference, emitter.slots.secure("shift"))
    return emitter.operation("sub", emitter.operation("mul", difference, denominator), numerator)


def _weigh(emitter: Emitter, j: int, value: Value) -> None:
    """Add power j times the value to the sums t0..t3, which stay unreduced in 64 bits."""
    power = emitter.slots.secure("power", j)
    if value.secure:
        term = emitter.operation("mul", power, value)
        emitter.lines += [f"t{k} += {term.text}.{'abcd'[k]};" for k in range(4)]
    else:
        start = emitter.slots.starts["power", j]
        emitter.lines += [f"t{k} += m31_fold((ulong)e[{start + k}] * {value.text});" for k in range(4)]


def _constraint_kernel(parameters: str, name: str, body: Sequence[str], scale: str) -> str:
    stores = [
        f"{{ const size_t o = ((size_t){k} << (log_rows + 1)) + i; const uint r = m31_mul(m31_reduce(t{k}), scale);"
        f" out[o] = add ? m31_add(out[o], r) : r; }}"
        for k in range(4)
    ]
    lines = ["const uint i = get_global_id(0);", "ulong t0 = 0, t1 = 0, t2 = 0, t3 = 0;", *body, scale, *stores]
    text = "\n".join(f"    {line}" for line in lines)
    return f"__kernel void {name}({parameters}, __global uint *restrict out, uint add) {{\n{text}\n}}\n"


@lru_cache(maxsize=64)
def fraction_program(shape: Shape) -> Generated:
    """One kernel for every LogUp batch: previous batch + numerator / denominator, stored order."""
    slots = Slots()
    emitters = [shape.emitter(slots) for _ in range(shape.component.batch_count)]
    fractions = [emitter.fraction(batch) for batch, emitter in enumerate(emitters)]
    parameters = shape.parameters(slots)
    kernels = [
        _fraction_kernel(parameters, batch, emitter, *fraction)
        for batch, (emitter, fraction) in enumerate(zip(emitters, fractions, strict=True))
    ]
    names = tuple(f"fractions_{k}" for k in range(len(kernels)))
    shift = "#define SHIFT(i, offset) shifted_on_trace(i, offset, log_rows)\n"
    return Generated("\n".join([_PRELUDE, _SHIFTS, shift, *kernels]), names, slots)


def _fraction_kernel(parameters: str, batch: int, emitter: Emitter, numerator: Value, denominator: Value) -> str:
    top, bottom = (x.text if x.secure else f"q_base({x.text})" for x in (numerator, denominator))
    body = "\n".join(f"        {line}" for line in emitter.lines)
    previous = "".join(
        f"        s.{'abcd'[k]} = m31_add(s.{'abcd'[k]}, out[((size_t){4 * (batch - 1) + k} << log_rows) + i]);\n"
        for k in range(4 if batch else 0)
    )
    stores = "".join(f"        out[((size_t){4 * batch + k} << log_rows) + i] = s.{'abcd'[k]};\n" for k in range(4))
    return f"""
__kernel void fractions_{batch}({parameters}, __global uint *out, __global uint *zero) {{
    qm31 top[ROWS], bottom[ROWS];
    uint before[ROWS], norms[ROWS];
    uint product = 1;
    for (uint r = 0; r < ROWS; r++) {{
        const uint i = OWN_ROW(r);
{body}
        top[r] = {top};
        bottom[r] = {bottom};
        before[r] = product;
        norms[r] = cm31_norm(q_norm(bottom[r]));
        product = m31_mul(product, norms[r]);
    }}
    if (product == 0) zero[0] = 1;
    uint inverse = m31_inverse(product);
    for (uint r = ROWS; r-- > 0;) {{
        const uint i = OWN_ROW(r);
        qm31 s = q_mul(top[r], q_inverse_by_norm(bottom[r], m31_mul(inverse, before[r])));
        inverse = m31_mul(inverse, norms[r]);
{previous}{stores}    }}
}}
"""
