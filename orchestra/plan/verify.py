"""Everything that is wrong with a plan, all at once, in words that a model can act on.

A plan without errors can be run: each call names a tool that exists, with arguments that fit as far as they are known, and waits for nodes
that exist and do not wait for it. Time is linear in the size of the plan (10,000 calls with two arguments each: 0.2 to 0.6 s on one core).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from .closest import listed
from .finding import Finding, errors
from .node import INPUT, Node, SubPlan
from .node_findings import node_findings, path_findings
from .plan import Plan, inside, walk
from .ref import refs
from .scope import Scope
from .structure import Shape, idle, knots, levels, shortest_cycle
from .tool_spec import ToolSpec

DEFAULT_SHAPE = Shape()


def verify(
    plan: Plan,
    tools: Mapping[str, ToolSpec] | None,
    *,
    limits: Shape = DEFAULT_SHAPE,
    needs_output: bool = False,
    models: Container[str] | None = None,
    ordered: bool = False,
) -> tuple[Finding, ...]:
    """All findings, those of nodes first, in order. Nodes of a sub-plan are called "outer/inner".

    `tools` and `models` (tiers of the ladder) are what exists; None leaves their names and arguments unchecked. With `needs_output` a plan
    has to say what it returns. With `ordered` nodes may refer to earlier ones only, as in formats that are run while they are written.
    """
    scope = Scope(known={} if ordered else plan.by_id, tools=tools, models=models, limits=limits)
    return tuple(_plan_findings(plan, scope, needs_output=needs_output, ordered=ordered))


def verify_node(
    node: Node,
    known: Mapping[str, Node],
    tools: Mapping[str, ToolSpec] | None,
    *,
    limits: Shape = DEFAULT_SHAPE,
    models: Container[str] | None = None,
) -> tuple[Finding, ...]:
    """The findings of one node of a plan that is still being written; `known` are the earlier nodes, the only ones that it may refer to."""
    found: list[Finding] = []
    if node.id in known:
        found.append(Finding("duplicate-id", "an earlier node has this id: give each node an id of its own", node.id))
    if limits.max_nodes is not None and len(known) >= limits.max_nodes:
        found.append(Finding("too-many", f"the plan has more than {limits.max_nodes:,} nodes: stop here", node.id))
    scope = Scope(known=known, tools=tools, models=models, limits=limits)
    return (*found, *_node_and_inside(node, scope))


def is_good(node: Node, scope: Scope) -> bool:
    """Whether a node, with all inside, has no errors."""
    return not errors(_node_and_inside(node, scope))


def describe(findings: Iterable[Finding], limit: int = 40) -> str:
    """A numbered list for a prompt, errors first."""
    ranked = sorted(findings, key=lambda finding: finding.severity != "error")
    lines = [
        f"{number}. {'' if finding.severity == 'error' else 'warning: '}{finding}"
        for number, finding in enumerate(ranked[:limit], start=1)
    ]
    if len(ranked) > limit:
        lines.append(f"… and {len(ranked) - limit} more")
    return "\n".join(lines)


def _plan_findings(plan: Plan, scope: Scope, *, needs_output: bool = False, ordered: bool = False) -> Iterator[Finding]:
    if not plan.nodes:
        yield Finding("empty", "the plan has no nodes: write at least one")
    counts = Counter(node.id for node in plan.nodes)
    for node_id, count in counts.items():
        if count > 1:
            yield Finding("duplicate-id", f"{count} nodes have this id: give each an id of its own", node_id)
    known: dict[str, Node] = {}
    if ordered:
        scope = replace(scope, known=known, later=plan.by_id)
    for node in plan.nodes:
        yield from _node_and_inside(node, scope)
        known.setdefault(node.id, node)
    yield from _shape_findings(plan, scope)
    yield from _output_findings(plan, scope, needs_output)


def _shape_findings(plan: Plan, scope: Scope) -> Iterator[Finding]:
    limits = scope.limits
    total = sum(1 for _ in walk(plan.nodes)) if scope.outside is None else 0
    if limits.max_nodes is not None and total > limits.max_nodes:
        yield Finding("too-many", f"the plan has {total:,} nodes, at most {limits.max_nodes:,} are allowed: plan in larger steps")
    tied = knots(plan)
    for knot in tied:
        cycle = shortest_cycle(plan.graph, knot[0], knot)
        circle = " → ".join([*cycle[:10], "…"] if len(cycle) > 10 else [*cycle, cycle[0]])
        more = f" ({len(knot)} nodes are tied together)" if len(knot) > len(cycle) else ""
        yield Finding(
            "cycle", f"waits for itself: {circle} (each waits for the next){more}; take one of these references out", knot[0]
        )
    if tied:
        return
    by_level = levels(plan)
    width = max(map(len, by_level), default=0)
    if limits.max_width is not None and width > limits.max_width:
        yield Finding(
            "too-wide", f"{width:,} nodes could run at once, at most {limits.max_width:,} are allowed: plan in larger steps"
        )
    if limits.max_depth is not None and len(by_level) > limits.max_depth:
        yield Finding(
            "too-deep", f"{len(by_level):,} nodes wait for one another, at most {limits.max_depth:,} are allowed: shorten the chain"
        )
    sound = plan.output is not None and plan.returned <= {*plan.by_id, INPUT}
    if sound and (wasted := idle(plan, scope.tools)):
        yield Finding(
            "unreachable",
            f"nothing needs {listed(wasted)}: refer to their outputs, in a node or in the plan's output, or leave them out",
            severity="warning",
        )


def _output_findings(plan: Plan, scope: Scope, needs_output: bool) -> Iterator[Finding]:
    if needs_output and plan.output is None:
        yield Finding(
            "missing-join", "the plan does not say what it returns: give the output, a reference to the node that has the answer"
        )
    known = replace(scope, known=plan.by_id, later=())
    for ref in dict.fromkeys(refs(plan.output)):
        if ref.node != INPUT and ref.node not in known.known:
            yield Finding("dangling-reference", f"the output refers to {known.unknown(ref.node)}")
        yield from path_findings(ref, "the output refers to", known, None)


def _node_and_inside(node: Node, scope: Scope) -> Iterator[Finding]:
    yield from node_findings(node, scope)
    if isinstance(node, SubPlan):
        if scope.nesting >= scope.limits.max_nesting:
            yield Finding("too-deep", f"sub-plans are nested more than {scope.limits.max_nesting} deep: flatten them", node.id)
            return
        for finding in _plan_findings(inside(node), scope.within(node)):
            if finding.node is None:
                yield replace(finding, node=node.id, message=f"inside it, {finding.message}")
            else:
                yield replace(finding, node=f"{node.id}/{finding.node}")
