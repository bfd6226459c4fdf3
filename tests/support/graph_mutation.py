"""Changes of an AIR's graph, in its JSON form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from json_mutation import replaced

from bitsage.stark import Air
from bitsage.stark.layout import node_degrees


def graph_changes(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Paths and graphs: constants, operands, operators, constraints and steps dropped, relation values reversed."""
    for c, component in enumerate(graph["components"]):
        base = ("components", c)
        used = needed_nodes(component)
        for k, node in enumerate(component["nodes"]):
            if k not in used:
                continue
            for j, operand in enumerate(node):
                if isinstance(operand, int):
                    path = (*base, "nodes", k, j)
                    yield path, replaced(graph, path, operand + 1)
                    if operand:
                        yield path, replaced(graph, path, operand - 1)
            if node[0] in ("add", "sub", "mul"):
                for op in {"add", "sub", "mul"} - {node[0]}:
                    path = (*base, "nodes", k, 0)
                    yield path, replaced(graph, path, op)
        for k in range(len(component["constraints"])):
            path = (*base, "constraints")
            rest = component["constraints"][:k] + component["constraints"][k + 1 :]
            yield path, replaced(graph, path, rest)
        for k, fraction in enumerate(component["logup"]):
            path = (*base, "logup", k, "values")
            yield path, replaced(graph, path, fraction["values"][::-1])
    for k, step in enumerate(graph["transcript"]):
        if step["op"].startswith("mix"):
            rest = graph["transcript"][:k] + graph["transcript"][k + 1 :]
            yield ("transcript", k), {**graph, "transcript": rest}


def needed_nodes(component: Any) -> set[int]:
    """Nodes that some constraint or lookup depends on."""
    needed = set(component["constraints"])
    for fraction in component["logup"]:
        needed |= {fraction["multiplicity"], *fraction["values"]}
    for k in reversed(range(len(component["nodes"]))):
        op, *args = component["nodes"][k]
        if k in needed and op in ("add", "sub", "mul", "neg"):
            needed |= set(args)
    return needed


def reordered(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Constraints, fractions, columns' masks and transcript steps in another order.

    Not the two fractions of one batch: their sum does not know an order.
    """
    for c, component in enumerate(graph["components"]):
        for key in ("constraints", "logup", "trace", "interaction"):
            entries = component.get(key, [])
            for k in range(len(entries) - 1):
                one_batch = key == "logup" and component["batching"] == "pairs" and k % 2 == 0
                if entries[k] != entries[k + 1] and not one_batch:
                    path = ("components", c, key)
                    yield (*path, k), replaced(graph, path, _exchanged(entries, k))
    for key in ("components", "transcript", "preprocessed"):
        for k in range(len(graph[key]) - 1):
            if graph[key][k] != graph[key][k + 1]:
                yield (key, k), replaced(graph, (key,), _exchanged(graph[key], k))


def _exchanged(entries: list[Any], k: int) -> list[Any]:
    return [*entries[:k], entries[k + 1], entries[k], *entries[k + 2 :]]


def weakened(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Constraints that became 0, and lookups dropped or used twice.

    Not the linear constraints: on an honest proof they are the polynomial 0 themselves, not only 0 in the rows.
    """
    degrees = [node_degrees(component) for component in Air.from_json(graph).components]
    for c, component in enumerate(graph["components"]):
        nodes = [*component["nodes"], ["const", 0], ["const", 2]]
        path = ("components", c)
        wider = replaced(graph, (*path, "nodes"), nodes)
        zero, two = len(nodes) - 2, len(nodes) - 1
        for k, node in enumerate(component["constraints"]):
            if degrees[c][node] > 1:
                yield (*path, "constraints", k), replaced(wider, (*path, "constraints", k), zero)
        for k, fraction in enumerate(component.get("logup", [])):
            if "relation" not in fraction:
                continue
            for other in (zero, two):
                yield (*path, "logup", k, other), replaced(wider, (*path, "logup", k, "multiplicity"), other)
