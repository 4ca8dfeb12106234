"""The shape of a plan's graph: cycles, levels, and nodes that contribute nothing. Every function works on wrong plans and takes linear time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .node import Node, ToolCall
from .plan import Plan, walk
from .tool_spec import ToolSpec

if TYPE_CHECKING:
    from networkx import DiGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a plan may be; None is no limit. The defaults are far above what models write on purpose."""

    max_nodes: int | None = 1_000
    """Those of sub-plans included."""
    max_width: int | None = 500
    """Nodes that could run at the same time: those for which the longest chain of nodes to wait for has the same length."""
    max_depth: int | None = 250
    """Nodes on the longest path. Width and depth count for each sub-plan on its own."""
    max_nesting: int = 4
    """Sub-plans inside sub-plans."""


def knots(plan: Plan) -> list[list[str]]:
    """Groups of nodes that all wait for each other, in the order in which they were written. A node that waits for itself is none."""
    import networkx

    place = {node_id: index for index, node_id in enumerate(plan.by_id)}
    found = [sorted(group, key=place.__getitem__) for group in networkx.strongly_connected_components(plan.graph) if len(group) > 1]
    return sorted(found, key=lambda group: place[group[0]])


def shortest_cycle(graph: DiGraph[str], start: str, among: Iterable[str]) -> list[str]:
    """Ids of a shortest cycle through `start`, which lies on one, within a knot; each node waits for the next one."""
    inside = set(among)
    came_from: dict[str, str] = {}
    todo = deque([start])
    while todo:
        at = todo.popleft()
        for needed in graph.predecessors(at):
            if needed == start and at != start:
                path = [at]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if needed in inside and needed != start and needed not in came_from:
                came_from[needed] = at
                todo.append(needed)
    raise AssertionError(f"{start} is on no cycle")


def levels(plan: Plan) -> list[list[str]]:
    """Ids by the number of nodes on the longest way to them. The plan must be free of cycles; nodes that wait for themselves do not count."""
    import networkx

    graph = plan.graph
    if loops := list(networkx.selfloop_edges(graph)):
        graph = graph.copy()
        graph.remove_edges_from(loops)
    return [list(level) for level in networkx.topological_generations(graph)]


def idle(plan: Plan, tools: Mapping[str, ToolSpec] | None) -> list[str]:
    """Nodes that neither the output nor a node with an effect needs."""
    wanted = plan.returned | {node.id for node in plan.nodes if _acts(node, tools or {})}
    todo = [node_id for node_id in wanted if node_id in plan.by_id]
    reached = set(todo)
    while todo:
        for needed in plan.by_id[todo.pop()].waits_for:
            if needed in plan.by_id and needed not in reached:
                reached.add(needed)
                todo.append(needed)
    return [node_id for node_id in plan.by_id if node_id not in reached]


def _acts(node: Node, tools: Mapping[str, ToolSpec]) -> bool:
    """Whether it, or a node inside it, may be wanted for what it does rather than for what it returns."""
    for inner in walk((node,)):
        spec = tools.get(inner.tool) if isinstance(inner, ToolCall) else None
        effect = inner.effect or (spec.effect if spec else None)
        if effect == "once" or inner.writes or (spec and spec.writes):
            return True
    return False
