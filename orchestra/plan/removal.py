"""Taking nodes out of a plan, and with them whatever cannot do without. A node that is taken out is, for the others, one that failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..errors import PlanError
from .node import Edge, Node
from .policies import MAX_FALLBACK_CHAIN, MAX_FALLBACKS
from .ref import OMIT, Ref, refs, substitute


def without(
    nodes: Sequence[Node], gone: Collection[str], acceptable: Callable[[Node], bool] = lambda node: True
) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The nodes that remain, and the ids of those that had to go, in order.

    A node that waits for one in `gone` (which may also be ids that nobody has) goes too, unless its edge says how it can do without:
    then it sees null or the fallback, or its argument is left out, as when it runs. With a quorum it stays while the quorum can be reached.
    A node that has changed in this way goes when it is not `acceptable`. An id that several nodes have must be in `gone`.
    """
    lost = set(gone)
    changed: dict[str, Node] = {}
    dependents: dict[str, list[Node]] = {}
    for node in nodes:
        for needed in node.waits_for:
            dependents.setdefault(needed, []).append(node)
    suspects = {node.id: node for needed in lost for node in dependents.get(needed, ())}
    while suspects:
        _, node = suspects.popitem()
        if node.id in lost:
            continue
        rewritten = cut(node, lost)
        if rewritten is not None and acceptable(rewritten):
            changed[node.id] = rewritten
        else:
            lost.add(node.id)
            suspects.update((dependent.id, dependent) for dependent in dependents.get(node.id, ()))
    remaining = tuple(changed.get(node.id, node) for node in nodes if node.id not in lost)
    return remaining, tuple(dict.fromkeys(node.id for node in nodes if node.id in lost))


def cut(node: Node, lost: Collection[str]) -> Node | None:
    """`node` not waiting for these any more; None when it cannot do without them."""
    if not any(needed in lost for needed in node.waits_for):
        return node
    if node.quorum is not None and sum(needed not in lost for needed in node.waits_for) < node.quorum:
        return None
    stand_ins = _StandIns(node, lost)
    try:
        kept = node.with_values(stand_ins.put_into)
        for needed in node.depends_on:
            stand_ins.of(Ref(needed))
    except PlanError:
        return None
    edges = {needed: stand_ins.policy(edge) for needed, edge in node.edges.items() if needed not in lost}
    depends_on = tuple(needed for needed in node.depends_on if needed not in lost)
    kept = kept.model_copy(
        update={"depends_on": depends_on, "edges": {needed: edge for needed, edge in edges.items() if edge != Edge()}}
    )
    while unused := kept.edges.keys() - set(kept.waits_for):  # awaited only as the fallback of one that is lost
        kept = kept.model_copy(update={"edges": {needed: edge for needed, edge in kept.edges.items() if needed not in unused}})
    return kept


class _StandIns:
    """What a node sees in the place of nodes that are lost. Raises `PlanError` where it cannot do without.

    The node may be one that nobody has verified: fallbacks that lead to each other, or multiply, end here, too.
    """

    def __init__(self, node: Node, lost: Collection[str]) -> None:
        self._node = node
        self._lost = lost
        self._left = MAX_FALLBACKS + sum(1 for value in node.values for _ in refs(value)) + len(node.depends_on)

    def of(self, ref: Ref, chain: int = 0) -> Any:
        if ref.node not in self._lost:
            return ref
        self._left -= 1
        if self._left < 0 or chain > MAX_FALLBACK_CHAIN:
            raise PlanError(f"{self._node.id} has fallbacks without end")
        edge = self._node.edge(ref.node)
        if edge.on_failure == "fail" and self._node.quorum is None:
            raise PlanError(f"{self._node.id} cannot do without {ref.node}")
        return substitute(edge.instead, lambda other: self.of(other, chain + 1))

    def put_into(self, value: Any) -> Any:
        found = substitute(value, self.of)
        return None if found is OMIT else found  # where it is not an argument, there is nothing to leave out

    def policy(self, edge: Edge) -> Edge:
        """That for a node that stays; without its fallback when that is lost."""
        try:
            return edge.model_copy(update={"fallback": self.put_into(edge.fallback)})
        except PlanError:
            return Edge()
