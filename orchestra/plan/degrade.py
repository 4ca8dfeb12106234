"""What is left of a plan that could not be repaired: its good nodes, or its good nodes one after the other, or nothing and the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .changes import same
from .closest import listed
from .finding import Finding, errors
from .node import Node
from .plan import Plan
from .ref import OMIT, Ref, refs
from .removal import without
from .scope import Scope
from .sequence import chained, in_order, plan_of, untied
from .structure import Shape, knots
from .tool_spec import ToolSpec
from .verify import DEFAULT_SHAPE, is_good, verify

Mode = Literal["drop", "sequence"]
_HANDLED = frozenset({"dangling-reference", "cycle", "duplicate-id"})
"""Errors for which not every node has to go: its edges may say how to do without, and one of two equal nodes is enough."""
_ORDER = frozenset({"forward-reference", "self-reference"})
"""Errors that another order, or less of one, may mend."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A plan without errors, or none."""

    plan: Plan | None
    dropped: tuple[str, ...]
    """Ids of the nodes that are not in it, in order."""
    reason: str
    """What was done, or why nothing could be done."""


def degrade(
    plan: Plan,
    findings: Iterable[Finding],
    tools: Mapping[str, ToolSpec] | None,
    mode: Mode = "drop",
    *,
    limits: Shape = DEFAULT_SHAPE,
    needs_output: bool = False,
    models: Container[str] | None = None,
) -> Degraded:
    """What of `plan` can run in spite of `findings`. The options are those of `verify`, by which the result has no errors.

    drop: nodes with errors go, and every node that by its edges cannot do without them. Parts of an output that is a list or an object go
    with the nodes that they refer to; an output that is one reference, or text, is all or nothing.
    sequence: the same, but an order that does not work is no error. The nodes run one after the other, as written as far as references
    allow, and none fails because an earlier one did that it does not need. What ties nodes into a cycle is cut where it is `depends_on`
    only or an edge says how to do without. (A node with a quorum starts when that is reached, perhaps beside others.)
    """
    scope = Scope(known=plan.by_id, tools=tools, models=models, limits=limits)

    def acceptable(node: Node) -> bool:
        return is_good(node, scope)

    nodes = _without_twins(plan.nodes)
    counts = Counter(node.id for node in nodes)
    findings = [*findings, *verify(plan, tools, limits=limits, models=models)]
    bad = _named(findings, _HANDLED | _ORDER if mode == "sequence" else _HANDLED)
    bad |= {node_id for node_id, count in counts.items() if count > 1}
    bad |= {needed for node in nodes for needed in node.waits_for if needed not in counts}
    cuts: list[tuple[str, str]] = []
    while True:
        if mode == "sequence":
            nodes, new_cuts = untied(without(nodes, bad, acceptable)[0], acceptable)
            cuts += new_cuts
        else:
            bad = bad.union(*knots(plan_of(nodes)))
            nodes, _ = without(nodes, bad, acceptable)
        if not nodes:
            return _nothing(plan, "no node without errors is left")
        output = _output(plan, nodes, always=needs_output or mode == "sequence")
        if output is OMIT:
            return _nothing(plan, "the output needs nodes that have errors")
        arranged = chained(in_order(nodes)) if mode == "sequence" else nodes
        result = plan.model_copy(update={"nodes": arranged, "output": output})
        left = errors(verify(result, tools, limits=limits, needs_output=needs_output, models=models))
        bad = _named(left, frozenset())
        if not left:
            return Degraded(result, *_account(plan, result, cuts, mode))
        if not bad:
            return _nothing(plan, f"what is left has errors, too: {left[0]}")


def _named(findings: Iterable[Finding], handled: frozenset[str]) -> set[str]:
    """Ids of nodes with errors that are not handled otherwise; a sub-plan's is that of the sub-plan."""
    found: set[str] = set()
    for finding in errors(findings):
        outer, _, inner = (finding.node or "").partition("/")
        if outer and (inner or finding.code not in handled):
            found.add(outer)
    return found


def _without_twins(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Of nodes that are equal in everything, the first."""
    first: dict[str, Node] = {}
    return tuple(node for node in nodes if first.setdefault(node.id, node) is node or not same(first[node.id], node))


def _output(plan: Plan, nodes: Sequence[Node], *, always: bool) -> Any:
    """The plan's output as far as `nodes` make it up; `OMIT` when they do not. With `always` it is said even where it went without saying."""
    if plan.output is not None:
        return _kept(plan.output, {node.id for node in nodes})
    return {node_id: Ref(node_id) for node_id in plan_of(nodes).sinks} if always else None


def _kept(value: Any, alive: set[str]) -> Any:
    """`value` without the items that refer to others than `alive`; `OMIT` when nothing of it is left."""
    if all(ref.node in alive for ref in refs(value)):
        return value
    match value:
        case list():
            items = [item for item in (_kept(item, alive) for item in value) if item is not OMIT]
            return items if any(refs(items)) else OMIT
        case dict():
            named = {name: _kept(item, alive) for name, item in value.items()}
            fields = {name: item for name, item in named.items() if item is not OMIT}
            return fields if any(refs(fields)) else OMIT
    return OMIT


def _account(plan: Plan, result: Plan, cuts: Sequence[tuple[str, str]], mode: Mode) -> tuple[tuple[str, ...], str]:
    dropped = tuple(node_id for node_id in plan.by_id if node_id not in result.by_id)
    done = [f"dropped {listed(dropped)}"] if dropped else []
    kept_cuts = [f"{node_id} no longer waits for {needed}" for node_id, needed in cuts if node_id in result.by_id]
    done += [listed(kept_cuts)] if kept_cuts else []
    if result.output != plan.output and plan.output is not None:
        done.append("left parts of the output out")
    if mode == "sequence":
        done.append("run one after the other")
    return dropped, "; ".join(done) or "nothing had to be dropped"


def _nothing(plan: Plan, reason: str) -> Degraded:
    return Degraded(None, tuple(plan.by_id), reason)
