"""A plan's nodes in an order in which they can run one after the other."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence

from .node import Edge, Node
from .plan import Plan
from .ref import refs
from .removal import cut, without
from .structure import knots


def untied(nodes: Sequence[Node], acceptable: Callable[[Node], bool]) -> tuple[tuple[Node, ...], list[tuple[str, str]]]:
    """`nodes` without cycles, and what was cut: pairs of a node and one that it no longer waits for.

    References to nodes that are written later are cut first, then others on cycles: where they are `depends_on` only, or an edge says how
    to do without. Nodes that are still on a cycle go.
    """
    cuts: list[tuple[str, str]] = []
    place = {node.id: index for index, node in enumerate(nodes)}
    for forward_only in (True, False):
        groups = [*([node.id] for node in nodes if node.id in node.waits_for), *knots(plan_of(nodes))]
        tied = {node_id: group for group in groups for node_id in group}
        loosened: list[Node] = []
        for node in nodes:
            group = set(tied.get(node.id, ()))
            targets = [
                needed for needed in node.waits_for if needed in group and not (forward_only and place[needed] < place[node.id])
            ]
            kept = _loosened(node, targets, acceptable)
            left = set(kept.waits_for)
            cuts += [(node.id, needed) for needed in node.waits_for if needed not in left]
            loosened.append(kept)
        nodes = loosened
    looped = {node.id for node in nodes if node.id in node.waits_for}
    remaining, _ = without(nodes, looped.union(*knots(plan_of(nodes))), acceptable)
    return remaining, cuts


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """Each node behind those that it waits for, otherwise as written. The nodes must be free of cycles."""
    place = {node.id: index for index, node in enumerate(nodes)}
    missing = {node.id: sum(needed in place for needed in node.waits_for) for node in nodes}
    dependents: dict[str, list[str]] = {}
    for node in nodes:
        for needed in node.waits_for:
            dependents.setdefault(needed, []).append(node.id)
    ready = [place[node_id] for node_id, count in missing.items() if not count]
    ordered: list[Node] = []
    while ready:  # a heap: `ready` begins sorted
        node = nodes[heapq.heappop(ready)]
        ordered.append(node)
        for dependent in dependents.get(node.id, ()):
            missing[dependent] -= 1
            if not missing[dependent]:
                heapq.heappush(ready, place[dependent])
    return ordered


def chained(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Each node waiting for the one before, whatever becomes of that. One with a quorum keeps to it; the next node waits for both."""
    before: list[str] = []
    result: list[Node] = []
    for node in nodes:
        if node.quorum is not None:
            before.append(node.id)
            result.append(node)
            continue
        new = [needed for needed in before if needed not in node.waits_for]
        edges = {**node.edges, **{needed: Edge(on_failure="continue") for needed in new}}
        result.append(node.model_copy(update={"depends_on": (*node.depends_on, *new), "edges": edges}))
        before = [node.id]
    return tuple(result)


def plan_of(nodes: Sequence[Node]) -> Plan:
    return Plan.model_construct(nodes=tuple(nodes), output=None, goal="", version=1)


def _loosened(node: Node, targets: Collection[str], acceptable: Callable[[Node], bool]) -> Node:
    """`node` waiting for as few of `targets` as it can do with."""
    referenced = {ref.node for value in node.values for ref in refs(value)}
    referenced |= {ref.node for edge in node.edges.values() for ref in refs(edge.fallback)}
    for needed in targets:
        if needed in referenced:
            attempt = cut(node, {needed})
        else:
            attempt = node.model_copy(
                update={
                    "depends_on": tuple(other for other in node.depends_on if other != needed),
                    "edges": {other: edge for other, edge in node.edges.items() if other != needed},
                }
            )
        if attempt is not None and acceptable(attempt):
            node = attempt
    return node
