"""Writing AIRs in the form `stwo-air-graph/1` (spec section 20)."""

from __future__ import annotations

from .fields import QM31
from .graph import (
    FORMAT,
    Air,
    Argument,
    ClaimedSumOf,
    Component,
    Fraction,
    LogSizeOf,
    Node,
    PublicValue,
    Step,
    pairs,
)


def air_to_json(air: Air) -> dict[str, object]:
    """Plain data that `air_from_json` and the Rust verifier read."""
    return {
        "format": FORMAT,
        "name": air.name,
        "preprocessed": list(air.preprocessed),
        "relations": [{"name": r.name, "size": r.size} for r in air.relations],
        "components": [_component(c) for c in air.components],
        "transcript": [_step(s) for s in air.transcript],
        "checks": [
            {"name": c.name, "nodes": [_check_node(n) for n in c.nodes], "zero": list(c.zero)} for c in air.checks
        ],
    }


def _plain(value: int | str | QM31) -> object:
    if isinstance(value, tuple):
        a, b, c, d = value
        return [[a, b], [c, d]]
    return value


def _node(node: Node) -> list[object]:
    return [_plain(entry) for entry in node]


def _check_node(node: Node) -> list[object]:
    if node[0] == "combine":
        return [node[0], node[1], list(node[2:])]
    return _node(node)


def _fraction(fraction: Fraction) -> dict[str, object]:
    if fraction.relation is None:
        return {"numerator": fraction.numerator, "denominator": fraction.denominator}
    return {
        "relation": fraction.relation,
        "multiplicity": fraction.numerator,
        "values": list(fraction.values),
    }


def _component(component: Component) -> dict[str, object]:
    count = len(component.logup)
    result: dict[str, object] = {
        "name": component.name,
        "log_degree": component.log_degree,
        "preprocessed": list(component.preprocessed),
        "trace": [list(mask) for mask in component.trace],
        "nodes": [_node(n) for n in component.nodes],
        "constraints": list(component.constraints),
        "logup": [_fraction(f) for f in component.logup],
        "batching": "pairs" if component.batching == pairs(count) else list(component.batching),
    }
    if component.interaction:
        result["interaction"] = [list(mask) for mask in component.interaction]
    return result


def _argument(argument: Argument) -> object:
    match argument:
        case LogSizeOf(component):
            return {"log_size": component}
        case PublicValue(name, None):
            return {"pub": name}
        case PublicValue(name, index):
            return {"pub": name, "i": index}
        case ClaimedSumOf(component):
            return {"claimed": component}
        case _:
            return _plain(argument)


def _step(step: Step) -> dict[str, object]:
    match step.op:
        case "commit":
            return {"op": step.op, "tree": step.tree}
        case "mix_u64":
            return {"op": step.op, "v": _argument(step.values[0])}
        case "mix_u32s" | "mix_felts":
            return {"op": step.op, "v": [_argument(v) for v in step.values]}
        case "pow":
            return {"op": step.op, "bits": step.bits}
        case "draw_relation" | "draw_felt":
            return {"op": step.op, "name": step.names[0]}
        case "draw_felts":
            return {"op": step.op, "names": list(step.names)}
        case _:
            return {"op": step.op}
