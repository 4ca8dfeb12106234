"""What is wrong with how a node waits: its edges, its quorum, its effect, and the names of things it reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .closest import listed
from .node import INPUT, Node, Sample
from .ref import refs
from .tool_spec import ToolSpec

if TYPE_CHECKING:
    from networkx import DiGraph

MAX_FALLBACK_CHAIN = 16
MAX_FALLBACKS = 1_000
"""Values that one fallback may come to when all others fail, too: lists of fallbacks multiply."""
_STRICTNESS = {"pure": 0, "idempotent": 1, "once": 2}


def policy_problems(node: Node, spec: ToolSpec | None) -> Iterator[str]:
    """Everything that contradicts itself. `spec` is that of the tool, where it is known."""
    if node.id == INPUT:
        yield f"{INPUT!r} is what the arguments of a sub-plan are called: choose another id"
    waits_for = set(node.waits_for)
    for needed, edge in node.edges.items():
        if needed not in waits_for:
            others = f"it waits for {listed(node.waits_for)}" if waits_for else "it waits for nothing"
            yield f"`edges` has a policy for {needed!r}, for which this node does not wait ({others})"
        if edge.fallback is not None and edge.on_failure != "fallback":
            yield f"the fallback for {needed!r} would never be used: set `on_failure` to 'fallback', not {edge.on_failure!r}"
    yield from _fallback_problems(node)
    if node.quorum is not None and node.quorum > len(waits_for):
        yield f"a quorum of {node.quorum} can never be reached: this node waits for {len(waits_for)}"
    if isinstance(node, Sample) and node.enough is not None and node.enough > node.n:
        yield f"`enough` is {node.enough}, but only {node.n} answers are sampled: it must be at most {node.n}"
    for field, names in (("reads", node.reads), ("writes", node.writes)):
        if any(not name.strip() for name in names):
            yield f"`{field}` names nothing: write the name of a file, table or service, or leave it out"
    if node.effect == "pure" and node.writes:
        yield f"a node that writes {listed(sorted(node.writes))} is not pure: leave `effect` out"
    elif spec is not None and node.effect is not None and _STRICTNESS[node.effect] < _STRICTNESS[spec.effect]:
        yield f"`effect` is {node.effect!r}, but `{spec.name}` is {spec.effect!r}: a plan may only be stricter than the tool"


def _fallback_problems(node: Node) -> Iterator[str]:
    """Fallbacks that lead back to what has failed, through the fallbacks of others or at once, or that go on for too long."""
    leads_to = {needed: [ref.node for ref in refs(edge.fallback) if ref.node in node.edges] for needed, edge in node.edges.items()}
    if not any(leads_to.values()):
        return
    import networkx

    graph: DiGraph[str] = networkx.DiGraph([(needed, other) for needed, others in leads_to.items() for other in others])
    groups = networkx.strongly_connected_components(graph)
    if circle := sorted(needed for group in groups for needed in group if len(group) > 1 or graph.has_edge(needed, needed)):
        yield f"the fallback for {listed(map(repr, circle))} refers to what has failed: refer to another node, or give a value"
        return
    chain: dict[str, int] = {}
    values: dict[str, int] = {}
    for needed in reversed(list(networkx.topological_sort(graph))):
        chain[needed] = 1 + max((chain[other] for other in leads_to[needed]), default=0)
        values[needed] = min(1 + sum(values[other] for other in leads_to[needed]), MAX_FALLBACKS + 1)
    if max(chain.values()) > MAX_FALLBACK_CHAIN or max(values.values()) > MAX_FALLBACKS:
        yield f"fallbacks of fallbacks go on for too long: at most {MAX_FALLBACK_CHAIN} in a row and {MAX_FALLBACKS:,} in all"
