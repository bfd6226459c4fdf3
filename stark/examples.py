"""The example AIRs of the published Rust crates, with their traces (spec section 18).

They show how an AIR is written, and their proofs are known byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .build import AirBuilder, CheckBuilder, ComponentBuilder
from .circle import coset_positions
from .fields import P
from .graph import Air, LogSizeOf, Relation
from .params import Params, PcsConfig, PublicList, Trace, columns_of
from .vectors import U32, add, mul

Instance = tuple[Air, Params, Trace]
PLONK_COLUMNS = tuple(f"preprocessed_plonk_{name}" for name in ("wire_a", "wire_b", "wire_c", "op"))


def _fibonacci_columns(log_size: int, count: int, constant: U32 | None = None) -> tuple[U32, ...]:
    rows = np.arange(1 << log_size, dtype=np.uint32)
    columns = [np.ones_like(rows), rows]
    for _ in range(count - 2):
        value = add(mul(columns[-2], columns[-2]), mul(columns[-1], columns[-1]))
        columns.append(value if constant is None else add(value, constant))
    return tuple(columns)


def _fibonacci_component(name: str, count: int) -> ComponentBuilder:
    component = ComponentBuilder(name)
    columns = [component.column() for _ in range(count)]
    for a, b, c in zip(columns, columns[1:], columns[2:], strict=False):
        component.constrain(c - (a * a + b * b))
    return component


def wide_fibonacci(config: PcsConfig, sizes: Sequence[tuple[int, int]], *, mix_config: bool = True) -> Instance:
    """Components (log size, columns): a row is 1, j and then sums of two squares."""
    air = AirBuilder("wide_fibonacci")
    for _, count in sizes:
        air.add(_fibonacci_component(f"wf{count}", count))
    if mix_config:
        air.step("mix_config")
    air.commit(0).commit(1)
    trace = Trace((), tuple(_fibonacci_columns(n, count) for n, count in sizes))
    return air.build(), Params(config, tuple(n for n, _ in sizes)), trace


def cube(config: PcsConfig, log_size: int) -> Instance:
    """x = 7*seq + 3 and y = x^3, a degree-3 constraint beside a preprocessed column."""
    component = ComponentBuilder("cube")
    seq = component.preprocessed("seq")
    x, y = component.column(), component.column()
    component.constrain(x * x * x - y)
    component.constrain(x - (seq * 7 + 3))
    air = AirBuilder("cube", preprocessed=("seq",)).add(component).step("mix_config").commit(0).commit(1).build()
    rows = np.arange(1 << log_size, dtype=np.uint32)
    values = add(mul(rows, np.uint32(7)), np.uint32(3))
    trace = Trace((rows,), ((values, mul(mul(values, values), values)),))
    return air, Params(config, (log_size,), (log_size,)), trace


def _plonk_air(mix_config: bool, mix_claimed: bool) -> Air:
    component = ComponentBuilder("plonk")
    wire_a, wire_b, wire_c, op = (component.preprocessed(name) for name in PLONK_COLUMNS)
    mult, a, b, c = (component.column() for _ in range(4))
    component.constrain(c - op * (a + b) + (1 - op) * a * b)
    component.lookup("PlonkRelation", 1, (wire_a, a))
    component.lookup("PlonkRelation", 1, (wire_b, b))
    component.lookup("PlonkRelation", -mult, (wire_c, c))
    air = AirBuilder("plonk", preprocessed=PLONK_COLUMNS, relations=(Relation("PlonkRelation", 2),)).add(component)
    if mix_config:
        air.step("mix_config")
    air.commit(0).commit(1).step("draw_relation", names=("PlonkRelation",))
    if mix_claimed:
        air.step("mix_claimed_sums")
    check = CheckBuilder()
    zero = check.inverse(check.combine("PlonkRelation", (0, 1)))
    one = check.inverse(check.combine("PlonkRelation", (1, 1)))
    return air.commit(2).check(check.zero("public wires", check.claimed(0) - zero - one - one)).build()


def plonk(
    config: PcsConfig, log_size: int, *, mul_every: int = 0, mix_config: bool = True, mix_claimed: bool = True
) -> Instance:
    """The Fibonacci circuit; with `mul_every` every such row is a gate of the kind c = -ab."""
    size = 1 << log_size
    fibonacci = [1, 1]
    op = [0 if mul_every and k % mul_every == mul_every - 1 else 1 for k in range(size)]
    for k in range(size):
        a, b = fibonacci[k], fibonacci[k + 1]
        fibonacci.append((a + b if op[k] else -a * b) % P)
    mult = [2] * size
    mult[size - 1], mult[size - 2] = 0, 1
    wires = [list(range(k, size + k)) for k in range(3)]
    values = [fibonacci[k : size + k] for k in range(3)]
    trace = Trace(columns_of([*wires, op]), (columns_of([mult, *values]),))
    return _plonk_air(mix_config, mix_claimed), Params(config, (log_size,), (log_size,) * 4), trace


def state_machine(config: PcsConfig, log_size: int, initial: tuple[int, int] = (0, 0)) -> Instance:
    """A point that walks 2^n steps along x and then 2^(n-1) along y."""
    air = AirBuilder("state_machine", relations=(Relation("StateRelation", 2),))
    for axis in (0, 1):
        component = ComponentBuilder(f"axis{axis}")
        state = [component.column(), component.column()]
        component.lookup("StateRelation", 1, state)
        component.lookup("StateRelation", -1, [v + 1 if k == axis else v for k, v in enumerate(state)])
        air.add(component)
    air.step("mix_config").commit(0).step("mix_u64", LogSizeOf(0)).step("mix_u64", LogSizeOf(1)).commit(1)
    air.step("draw_relation", names=("StateRelation",)).step("mix_claimed_sums").commit(2)
    check = CheckBuilder()
    x, y = check.public("initial", 0), check.public("initial", 1)
    first = check.combine("StateRelation", (x, y))
    last = check.combine("StateRelation", (x + check.rows(0), y + check.rows(1)))
    total = check.claimed(0) + check.claimed(1)
    air.check(check.zero("state", total * first * last - (last - first)))
    starts = (initial, ((initial[0] + (1 << log_size)) % P, initial[1]))
    trace = Trace((), tuple(_walk(log_size - axis, starts[axis], axis) for axis in (0, 1)))
    params = Params(config, (log_size, log_size - 1), public={"initial": PublicList(initial)})
    return air.build(), params, trace


def _walk(log_size: int, start: tuple[int, int], axis: int) -> tuple[U32, ...]:
    steps = range(1 << log_size)
    columns = columns_of([[start[k] + (step if k == axis else 0) for step in steps] for k in (0, 1)])
    result = []
    for column in columns:
        stored = np.empty_like(column)
        stored[coset_positions(log_size)] = column
        result.append(stored)
    return tuple(result)


def xor(config: PcsConfig, bits: int, log_size: int) -> Instance:
    """A table of all (a, b, a xor b) of the given width and a component that looks them up."""
    names = tuple(f"preprocessed_xor_table_{bits}_0_{k}" for k in range(3))
    table = ComponentBuilder("table")
    multiplicity = table.column()
    table.lookup("XorRelation", -multiplicity, [table.preprocessed(name) for name in names])
    user = ComponentBuilder("user")
    user.lookup("XorRelation", 1, [user.column() for _ in range(3)])
    air = AirBuilder("xor", preprocessed=names, relations=(Relation("XorRelation", 3),)).add(table).add(user)
    air.step("mix_config").commit(0).step("mix_u64", LogSizeOf(0)).step("mix_u64", LogSizeOf(1)).commit(1)
    air.step("draw_relation", names=("XorRelation",)).step("mix_claimed_sums").commit(2)
    check = CheckBuilder()
    air.check(check.zero("total", check.claimed(0) + check.claimed(1)))
    mask = (1 << bits) - 1
    entries = range(1 << 2 * bits)
    rows = [((j * 7 + 3) & mask, (j * 5 + 1 + (j >> bits)) & mask) for j in range(1 << log_size)]
    counts = [0] * len(entries)
    for a, b in rows:
        counts[a << bits | b] += 1
    preprocessed = columns_of(
        [[i >> bits for i in entries], [i & mask for i in entries], [(i >> bits) ^ (i & mask) for i in entries]]
    )
    uses = columns_of([[a for a, _ in rows], [b for _, b in rows], [a ^ b for a, b in rows]])
    params = Params(config, (2 * bits, log_size), (2 * bits,) * 3)
    return air.build(), params, Trace(preprocessed, (columns_of([counts]), uses))


def simple(config: PcsConfig, log_long: int, log_short: int) -> Instance:
    """Two sizes, preprocessed columns, three lookups in two batches and an interaction proof of work."""
    names = ("row_const_short", "row_const_long")
    air = AirBuilder("simple", preprocessed=names, relations=(Relation("SimpleRelation", 2),))
    for name in reversed(names):
        component = ComponentBuilder(name)
        row = component.preprocessed(name)
        columns = [component.column() for _ in range(4)]
        for a, b, c in zip(columns, columns[1:], columns[2:], strict=False):
            component.constrain(c - (a * a + b * b + row))
        for _ in range(3):
            component.lookup("SimpleRelation", 1, columns[2:])
        air.add(component)
    air.step("mix_felts", 0).step("mix_config").commit(0).commit(1).step("pow", bits=8)
    air.step("draw_relation", names=("SimpleRelation",)).step("mix_claimed_sums").commit(2)
    short, long = (np.arange(1 << n, dtype=np.uint32) for n in (log_short, log_long))
    traces = tuple(_fibonacci_columns(n, 4, row) for n, row in ((log_long, long), (log_short, short)))
    return air.build(), Params(config, (log_long, log_short), (log_short, log_long)), Trace((short, long), traces)


def example(name: str, parameters: Mapping[str, Any]) -> Instance:
    """An instance by the name and the parameters that the published proofs carry."""
    config = PcsConfig.from_json(parameters["config"])
    makers: dict[str, Callable[[], Instance]] = {
        "wide_fibonacci": lambda: wide_fibonacci(
            config, [(parameters["log_n"], parameters["n"])], mix_config=parameters.get("mix_config", True)
        ),
        "wide_fibonacci_two": lambda: wide_fibonacci(config, [(c["log_n"], c["n"]) for c in parameters["components"]]),
        "cube": lambda: cube(config, parameters["log_n"]),
        "plonk": lambda: plonk(
            config,
            parameters["log_n"],
            mul_every=parameters.get("mul_every", 0),
            mix_config=parameters.get("mix_config", True),
            mix_claimed=parameters.get("mix_claimed", True),
        ),
        "state_machine": lambda: state_machine(config, parameters["log_n"], tuple(parameters["initial"])),
        "xor": lambda: xor(config, parameters["bits"], parameters["log_n"]),
        "simple": lambda: simple(config, parameters["log_long"], parameters["log_short"]),
    }
    return makers[name]()
