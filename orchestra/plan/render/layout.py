"""Where the nodes of a plan stand in a picture: columns by distance from the start, rows so that few edges cross."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from ..node import NodeBase
from ..plan import Plan
from ..ref import refs

_SWEEPS = 4
"""Passes of the barycentre heuristic (Sugiyama et al., 1981); more change little."""


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    data: bool
    """The target uses the source's output; otherwise it only waits."""
    policy: str = "fail"


@dataclass(frozen=True, slots=True)
class Layout:
    columns: tuple[tuple[str, ...], ...]
    """Ids of nodes, column by column, each in the order of its rows."""
    edges: tuple[Edge, ...]
    """Between nodes that exist; those of a cycle lead back."""
    critical: frozenset[tuple[str, str]]
    """Edges of the longest path, by source and target; empty for plans with cycles."""
    critical_nodes: frozenset[str]


def layout(plan: Plan) -> Layout:
    """For any plan, wrong ones included."""
    edges = tuple(_edges(plan))
    level = _levels(plan, edges)
    columns: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for id in plan.by_id:
        columns[level[id]].append(id)
    _uncross(columns, edges)
    path = _critical_path(plan)
    return Layout(tuple(map(tuple, columns)), edges, frozenset(itertools.pairwise(path)), frozenset(path))


def _edges(plan: Plan) -> list[Edge]:
    found: list[Edge] = []
    for node in plan.by_id.values():
        used = {ref.node for value in node.values for ref in refs(value)}
        known = (needed for needed in node.waits_for if needed in plan.by_id)
        found += [Edge(needed, node.id, needed in used, node.edge(needed).on_failure) for needed in known]
    return found


def _levels(plan: Plan, edges: tuple[Edge, ...]) -> dict[str, int]:
    """Longest distance from a start. In a cycle, the node that comes first in the plan is taken to be one."""
    after: dict[str, list[str]] = {id: [] for id in plan.by_id}
    unmet = dict.fromkeys(plan.by_id, 0)
    for edge in edges:
        after[edge.source].append(edge.target)
        unmet[edge.target] += 1
    level = dict.fromkeys(plan.by_id, 0)
    placed: set[str] = set()
    ready = [id for id, count in unmet.items() if not count]
    waiting = iter(plan.by_id)
    while len(placed) < len(unmet):
        if not ready:
            ready = [next(id for id in waiting if id not in placed)]
        id = ready.pop()
        if id in placed:
            continue
        placed.add(id)
        for target in after[id]:
            if target not in placed:
                level[target] = max(level[target], level[id] + 1)
                unmet[target] -= 1
                if not unmet[target]:
                    ready.append(target)
    return level


def _uncross(columns: list[list[str]], edges: tuple[Edge, ...]) -> None:
    """Orders each column by where its neighbours stand."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for edge in edges:
        before.setdefault(edge.target, []).append(edge.source)
        after.setdefault(edge.source, []).append(edge.target)
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        rows: Mapping[str, float] = {id: (row + 0.5) / len(column) for column in columns for row, id in enumerate(column)}
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            place = {id: _mean([rows[other] for other in neighbours.get(id, [])], rows[id]) for id in column}
            column.sort(key=place.__getitem__)


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _critical_path(plan: Plan) -> list[str]:
    import networkx

    def seconds(node: NodeBase) -> float:
        return 1.0 if node.estimate.seconds is None else node.estimate.seconds

    try:
        return plan.critical_path(seconds)
    except networkx.NetworkXUnfeasible:
        return []
