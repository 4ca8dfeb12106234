"""A plan: nodes in the order in which they were written, and what comes out."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..errors import PlanError
from .node import Frozen, JsonValue, Line, Node, NodeBase, SubPlan
from .ref import Ref, encode, refs, substitute

if TYPE_CHECKING:
    from networkx import DiGraph


class Plan(Frozen):
    """It may be wrong: a plan that a model wrote is first data and then verified (`verify`). Everything here works on wrong plans, too."""

    nodes: tuple[Node, ...]
    output: JsonValue = None
    """What the plan returns, usually a reference. None: the outputs of all nodes that nobody waits for, by id."""
    goal: Line = ""
    version: int = Field(default=1, ge=1)
    """Counts up with every patch."""

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """The first node of each id."""
        found: dict[str, Node] = {}
        for node in self.nodes:
            found.setdefault(node.id, node)
        return found

    @cached_property
    def graph(self) -> DiGraph[str]:
        """An edge from each node to those that wait for it; ids that no node has are left out."""
        import networkx

        graph: DiGraph[str] = networkx.DiGraph()
        graph.add_nodes_from(self.by_id)
        graph.add_edges_from((needed, node.id) for node in self.by_id.values() for needed in node.waits_for if needed in self.by_id)
        return graph

    @property
    def sinks(self) -> list[str]:
        """Ids that no node waits for, in order."""
        awaited = {needed for node in self.nodes for needed in node.waits_for}
        return [node_id for node_id in self.by_id if node_id not in awaited]

    @property
    def returned(self) -> set[str]:
        """Ids whose outputs make up the plan's output."""
        return set(self.sinks) if self.output is None else {ref.node for ref in refs(self.output)}

    def critical_path(self, seconds: Callable[[NodeBase], float]) -> list[str]:
        """Ids on the longest path when each node takes `seconds(node)`. The plan must be free of cycles."""
        import networkx

        longest: dict[str, float] = {}
        before: dict[str, str | None] = {}
        for node_id in networkx.topological_sort(self.graph):
            latest = max(self.graph.predecessors(node_id), key=longest.__getitem__, default=None)
            longest[node_id] = seconds(self.by_id[node_id]) + (longest[latest] if latest is not None else 0.0)
            before[node_id] = latest
        at = max(longest, key=longest.__getitem__, default=None)
        path: list[str] = []
        while at is not None:
            path.append(at)
            at = before[at]
        return path[::-1]

    @cached_property
    def signature(self) -> str:
        """Equal for plans that do the same and return the same: ids, order, goals, thoughts and estimates do not count.

        (In a plan with cycles ids and order do count; of nodes that have the same id, the first counts.)
        """
        import networkx

        digests: dict[str, str] = {}
        for node_id in networkx.topological_sort(self.graph) if networkx.is_directed_acyclic_graph(self.graph) else self.by_id:
            digests[node_id] = node_signature(self.by_id[node_id], digests)
        return _digest([sorted(digests.values()), _renamed(self.output, digests)])


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """The nodes, each after those that it waits for, otherwise as they came. Raises `PlanError` for a cycle."""
    listed = list(nodes)
    number = {node.id: index for index, node in enumerate(listed)}
    unmet = [sum(needed in number for needed in node.waits_for) for node in listed]
    dependents: list[list[int]] = [[] for _ in listed]
    for index, node in enumerate(listed):
        for needed in node.waits_for:
            if needed in number:
                dependents[number[needed]].append(index)
    ready = [index for index, count in enumerate(unmet) if not count]
    ordered: list[Node] = []
    while ready:
        index = heapq.heappop(ready)
        ordered.append(listed[index])
        for dependent in dependents[index]:
            unmet[dependent] -= 1
            if not unmet[dependent]:
                heapq.heappush(ready, dependent)
    if len(ordered) < len(listed):
        waiting = [node.id for node, count in zip(listed, unmet, strict=True) if count]
        raise PlanError(f"these nodes wait for each other: {', '.join(waiting[:20])}; verify the plan before it runs")
    return ordered


def node_signature(node: Node, of: Mapping[str, str]) -> str:
    """What a node does, with the nodes it waits for named by their own signatures (`of`)."""
    apart = {"id", "thought", "estimate", "nodes", "output"}
    body = node.rewired(of).model_dump(mode="json", exclude=apart, exclude_defaults=True)
    body["kind"] = node.kind
    body["depends_on"] = sorted(body.get("depends_on", ()))
    body["edges"] = {needed: edge for needed, edge in body.get("edges", {}).items() if edge}  # the default policy, said or not
    if node.kind == "plan":
        body["plan"] = inside(node).signature
    return _digest(body)


def inside(node: SubPlan) -> Plan:
    """The plan that a sub-plan runs."""
    return Plan.model_construct(nodes=node.nodes, output=node.output, goal="", version=1)


def _renamed(value: Any, of: Mapping[str, str]) -> Any:
    return encode(substitute(value, lambda ref: Ref(of.get(ref.node, ref.node), ref.path)))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """All nodes, those of sub-plans included."""
    todo = list(reversed(nodes))
    while todo:
        node = todo.pop()
        yield node
        if node.kind == "plan":
            todo.extend(reversed(node.nodes))
