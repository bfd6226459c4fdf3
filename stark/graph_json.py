"""Reading and writing AIRs in the form `stwo-air-graph/1` (spec section 20).

The reader takes files from strangers: unknown keys are errors, every size and index is bounded, so that a
hostile file costs neither memory nor time beyond its own length.
"""

from __future__ import annotations

from typing import Any

from . import reader
from .errors import ProofUnreadable
from .graph import (
    FORMAT,
    Air,
    Argument,
    Check,
    ClaimedSumOf,
    Component,
    Fraction,
    LogSizeOf,
    Node,
    PublicValue,
    Relation,
    Step,
    pairs,
)

MAX_BYTES = 1 << 20
MAX_COLUMNS = 1 << 12
MAX_COMPONENTS = 64
MAX_NODES = 1 << 14
MAX_CHECK_NODES = 1 << 15
MAX_STEPS = 256
MAX_OFFSET = 1 << 10
MAX_MASK = 4
U32_MAX = 2**32 - 1

_LEAVES = {"col": 2, "icol": 2, "iext": 2}


def air_from_json(data: object) -> Air:
    """Read an AIR.  Raises ProofUnreadable."""
    value = reader.parse(data, "AIR", MAX_BYTES)
    keys = ("format", "components", "transcript")
    value = reader.obj(value, "AIR", keys, ("name", "preprocessed", "relations", "checks"))
    if value["format"] != FORMAT:
        raise ProofUnreadable(f"AIR: the format {FORMAT} is expected")
    preprocessed = reader.items(value.get("preprocessed", []), "preprocessed", MAX_COLUMNS, reader.text)
    if len(set(preprocessed)) != len(preprocessed):
        raise ProofUnreadable("preprocessed: an id is given twice")
    relations = reader.items(value.get("relations", []), "relations", 64, _relation)
    sizes = {r.name: r.size for r in relations}
    if len(sizes) != len(relations):
        raise ProofUnreadable("relations: a name is given twice")
    components = reader.items(
        value["components"], "components", MAX_COMPONENTS, lambda v, p: _component(v, p, preprocessed, sizes)
    )
    if not components:
        raise ProofUnreadable("components: at least one is needed")
    if sum(len(c.nodes) for c in components) > MAX_NODES:
        raise ProofUnreadable(f"components: more than {MAX_NODES} nodes together")
    if sum(len(c.trace) + len(c.interaction_masks) for c in components) > MAX_COLUMNS:
        raise ProofUnreadable(f"components: more than {MAX_COLUMNS} columns together")
    count = len(components)
    return Air(
        name=reader.text(value.get("name", ""), "name"),
        preprocessed=preprocessed,
        relations=relations,
        components=components,
        transcript=reader.items(value["transcript"], "transcript", MAX_STEPS, lambda v, p: _step(v, p, count, sizes)),
        checks=reader.items(value.get("checks", []), "checks", 16, lambda v, p: _check(v, p, count, sizes)),
    )


def _relation(value: Any, path: str) -> Relation:
    value = reader.obj(value, path, ("name", "size"))
    return Relation(reader.text(value["name"], path), reader.integer(value["size"], path, 1, 256))


def _mask(value: Any, path: str) -> tuple[int, ...]:
    offsets = reader.items(value, path, MAX_MASK, lambda v, p: reader.integer(v, p, -MAX_OFFSET, MAX_OFFSET))
    if not offsets or len(set(offsets)) != len(offsets):
        raise ProofUnreadable(f"{path}: a mask has 1..{MAX_MASK} distinct offsets")
    return offsets


def _component(value: Any, path: str, preprocessed: tuple[str, ...], relations: dict[str, int]) -> Component:
    optional = ("name", "log_degree", "preprocessed", "interaction", "constraints", "logup", "batching")
    value = reader.obj(value, path, ("trace", "nodes"), optional)
    ids = reader.items(value.get("preprocessed", []), f"{path}.preprocessed", MAX_COLUMNS, reader.text)
    if not set(ids) <= set(preprocessed) or len(set(ids)) != len(ids):
        raise ProofUnreadable(f"{path}.preprocessed: an id is unknown or given twice")
    trace = reader.items(value["trace"], f"{path}.trace", MAX_COLUMNS, _mask)
    interaction = reader.items(value.get("interaction", []), f"{path}.interaction", MAX_COLUMNS, _mask)
    raw = reader.array(value["nodes"], f"{path}.nodes", MAX_NODES)
    nodes = tuple(_node(node, f"{path}.nodes[{k}]", k, len(ids), trace, interaction) for k, node in enumerate(raw))
    count = len(nodes)
    constraints = reader.items(value.get("constraints", []), f"{path}.constraints", MAX_NODES, _index_below(count))
    logup = reader.items(
        value.get("logup", []), f"{path}.logup", MAX_COLUMNS // 4, lambda v, p: _fraction(v, p, count, relations)
    )
    return Component(
        name=reader.text(value.get("name", ""), f"{path}.name"),
        preprocessed=ids,
        trace=trace,
        interaction=interaction,
        nodes=nodes,
        constraints=constraints,
        logup=logup,
        batching=_batching(value.get("batching", "pairs"), f"{path}.batching", len(logup)),
        log_degree=reader.integer(value.get("log_degree", 1), f"{path}.log_degree", 0, 8),
    )


def _index_below(count: int) -> Any:
    return lambda value, path: reader.integer(value, path, 0, count - 1)


def _batching(value: Any, path: str, count: int) -> tuple[int, ...]:
    if value == "pairs":
        return pairs(count)
    if value == "single":
        return tuple(range(count))
    batches = reader.items(value, path, count, lambda v, p: reader.integer(v, p, 0, max(count - 1, 0)))
    if len(batches) != count or set(batches) != set(range(len(set(batches)))):
        raise ProofUnreadable(f"{path}: every fraction needs a batch, without gaps from 0")
    return batches


def _fraction(value: Any, path: str, count: int, relations: dict[str, int]) -> Fraction:
    index = _index_below(count)
    if isinstance(value, dict) and "relation" in value:
        value = reader.obj(value, path, ("relation", "multiplicity", "values"))
        name = reader.text(value["relation"], path)
        if name not in relations:
            raise ProofUnreadable(f"{path}: the relation is not declared")
        values = reader.items(value["values"], f"{path}.values", relations[name], index)
        return Fraction(name, index(value["multiplicity"], f"{path}.multiplicity"), values)
    value = reader.obj(value, path, ("numerator", "denominator"))
    return Fraction(
        None, index(value["numerator"], f"{path}.numerator"), (), index(value["denominator"], f"{path}.denominator")
    )


def _node(
    value: Any,
    path: str,
    position: int,
    preprocessed: int,
    trace: tuple[tuple[int, ...], ...],
    interaction: tuple[tuple[int, ...], ...],
) -> Node:
    op, args = _operator(value, path)
    if op in _LEAVES:
        masks = trace if op == "col" else interaction
        k = reader.integer(args[0] if args else None, path, 0, len(masks) - 1)
        offset = args[1] if len(args) > 1 else 0
        if len(args) > 2 or type(offset) is not int or offset not in masks[k]:
            raise ProofUnreadable(f"{path}: the offset is not in the column's mask")
        if op == "iext" and (k + 4 > len(masks) or any(masks[k + j] != masks[k] for j in range(4))):
            raise ProofUnreadable(f"{path}: iext needs four columns with equal masks")
        return op, k, offset
    if op == "pp" and len(args) == 1:
        return op, reader.integer(args[0], path, 0, preprocessed - 1)
    return _common_node(op, args, path, position)


def _operator(value: Any, path: str) -> tuple[str, list[Any]]:
    entries = reader.array(value, path, 258)
    if not entries or not isinstance(entries[0], str):
        raise ProofUnreadable(f"{path}: a node starts with its operator")
    return entries[0], entries[1:]


def _common_node(op: str, args: list[Any], path: str, position: int) -> Node:
    match op, len(args):
        case "const", 1:
            return op, reader.m31(args[0], path)
        case "qconst", 1:
            return op, reader.qm31(args[0], path)
        case "chal", 1:
            return op, reader.text(args[0], path)
        case "pub", 1:
            return op, reader.text(args[0], path)
        case "pub", 2:
            return op, reader.text(args[0], path), reader.integer(args[1], path, 0, U32_MAX)
        case (("add" | "sub" | "mul"), 2):
            return op, *(reader.integer(a, path, 0, position - 1) for a in args)
        case "neg", 1:
            return op, reader.integer(args[0], path, 0, position - 1)
    raise ProofUnreadable(f"{path}: unknown node {op[:20]!r} with {len(args)} operands")


def _check(value: Any, path: str, components: int, relations: dict[str, int]) -> Check:
    value = reader.obj(value, path, ("nodes", "zero"), ("name",))
    raw = reader.array(value["nodes"], f"{path}.nodes", MAX_CHECK_NODES)
    nodes = tuple(_check_node(n, f"{path}.nodes[{k}]", k, components, relations) for k, n in enumerate(raw))
    zero = reader.items(value["zero"], f"{path}.zero", MAX_CHECK_NODES, _index_below(len(nodes)))
    return Check(reader.text(value.get("name", ""), f"{path}.name"), nodes, zero)


def _check_node(value: Any, path: str, position: int, components: int, relations: dict[str, int]) -> Node:
    op, args = _operator(value, path)
    if op in ("claimed", "rows") and len(args) == 1:
        return op, reader.integer(args[0], path, 0, components - 1)
    if op == "inv" and len(args) == 1:
        return op, reader.integer(args[0], path, 0, position - 1)
    if op == "combine" and len(args) == 2:
        name = reader.text(args[0], path)
        if name not in relations:
            raise ProofUnreadable(f"{path}: the relation is not declared")
        return op, name, *reader.items(args[1], path, relations[name], _index_below(position))
    return _common_node(op, args, path, position)


def _step(value: Any, path: str, components: int, relations: dict[str, int]) -> Step:
    op = value.get("op") if isinstance(value, dict) else None
    match op:
        case "mix_config" | "mix_claimed_sums":
            reader.obj(value, path, ("op",))
            return Step(op)
        case "commit":
            return Step(op, tree=reader.integer(reader.obj(value, path, ("op", "tree"))["tree"], path, 0, 2))
        case "mix_u64":
            return Step(op, values=(_argument(reader.obj(value, path, ("op", "v"))["v"], path, components),))
        case "mix_u32s" | "mix_felts":
            arguments = reader.obj(value, path, ("op", "v"))["v"]
            return Step(op, values=reader.items(arguments, path, 1 << 16, lambda v, p: _argument(v, p, components)))
        case "pow":
            return Step(op, bits=reader.integer(reader.obj(value, path, ("op", "bits"))["bits"], path, 0, 40))
        case "draw_relation":
            name = reader.text(reader.obj(value, path, ("op", "name"))["name"], path)
            if name not in relations:
                raise ProofUnreadable(f"{path}: the relation is not declared")
            return Step(op, names=(name,))
        case "draw_felt":
            return Step(op, names=(reader.text(reader.obj(value, path, ("op", "name"))["name"], path),))
        case "draw_felts":
            names = reader.obj(value, path, ("op", "names"))["names"]
            return Step(op, names=reader.items(names, path, 256, reader.text))
    raise ProofUnreadable(f"{path}: unknown transcript step")


def _argument(value: Any, path: str, components: int) -> Argument:
    if type(value) is int:
        return reader.integer(value, path, 0, 2**64 - 1)
    if not isinstance(value, dict):
        return reader.qm31(value, path)
    if "pub" in value:
        value = reader.obj(value, path, ("pub",), ("i",))
        index = reader.integer(value["i"], path, 0, U32_MAX) if "i" in value else None
        return PublicValue(reader.text(value["pub"], path), index)
    if "log_size" in value:
        value = reader.obj(value, path, ("log_size",))
        return LogSizeOf(reader.integer(value["log_size"], path, 0, components - 1))
    value = reader.obj(value, path, ("claimed",))
    return ClaimedSumOf(reader.integer(value["claimed"], path, 0, components - 1))
