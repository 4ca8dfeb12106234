"""What is wrong with one node: what it refers to, how it waits, and what it calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized

from ..errors import PlanError
from .argument_types import argument_problems, value_problems
from .closest import listed
from .finding import Code, Finding
from .json_type import JsonType, shown
from .node import INPUT, Aggregate, ModelCall, Node, ToolCall
from .policies import policy_problems
from .ref import Ref, refs, substitute
from .scope import Scope
from .tool_spec import ToolSpec


def node_findings(node: Node, scope: Scope) -> Iterator[Finding]:
    """All of one node, but not of the nodes inside a sub-plan."""
    spec = scope.tools.get(node.tool) if scope.tools is not None and isinstance(node, ToolCall) else None
    for needed in node.waits_for:
        if needed == node.id:
            yield Finding("self-reference", "waits for itself: refer to another node", node.id)
        elif needed not in scope.known and needed in scope.later:
            message = f"refers to {needed}, which is written later: only earlier nodes may be referred to, so write {needed} first"
            yield Finding("forward-reference", message, node.id)
        elif needed not in scope.known:
            yield Finding("dangling-reference", f"refers to {scope.unknown(needed)}", node.id)
    mentioned = [*node.values, *(edge.fallback for edge in node.edges.values())]
    for ref in dict.fromkeys(ref for value in mentioned for ref in refs(value)):
        yield from path_findings(ref, "refers to", scope, node.id)
    if scope.inputs is None and INPUT in node.depends_on:
        yield Finding("bad-policy", f"depends on {INPUT!r}, which exists in sub-plans only", node.id)
    for problem in policy_problems(node, spec):
        yield Finding("bad-policy", problem, node.id)
    if isinstance(node, ModelCall):
        yield from _model_findings(node, scope)
    elif isinstance(node, Aggregate):
        for problem in _aggregate_problems(node, scope):
            yield Finding("wrong-type", problem, node.id)
    elif spec is not None and isinstance(node, ToolCall):
        yield from _call_findings(node, spec, scope)
    elif scope.tools is not None and isinstance(node, ToolCall):
        close = scope.suggestions.closest(node.tool, scope.tools)
        there_are = f"; there are: {listed(scope.tools, 30) or 'none'}"
        yield Finding("unknown-tool", f"there is no tool {shown(node.tool)}{close}{there_are}", node.id)


def path_findings(ref: Ref, verb: str, scope: Scope, node_id: str | None) -> Iterator[Finding]:
    """A reference to an argument that the sub-plan does not have, or a path that its node's output cannot have."""
    what = f"{verb} {shown(str(ref))}, but"
    if ref.node == INPUT and scope.inputs is None:
        yield Finding("bad-policy", f"{what} {INPUT!r} exists in sub-plans only: refer to a node", node_id)
    elif ref.node == INPUT and scope.inputs is not None and ref.path and str(ref.path[0]) not in scope.inputs:
        has = f"it has {listed(scope.inputs)}" if scope.inputs else "it has none"
        yield Finding("bad-policy", f"{what} the sub-plan has no such argument: {has}", node_id)
    elif excluded := scope.types.excluded(ref):
        step, whole = excluded
        close = scope.suggestions.closest(str(step), whole.keys)
        has = f"it has {listed(whole.keys)}" if whole.keys else f"it is {whole}"
        yield Finding("wrong-type", f"{what} the output of {ref.node} has no part {shown(step)}{close}; {has}", node_id)


def _call_findings(node: ToolCall, spec: ToolSpec, scope: Scope) -> Iterator[Finding]:
    found = list(argument_problems(spec, node.arguments, scope.types.of_ref, scope.suggestions))
    yield from (Finding(code, message, node.id) for code, message in found)
    awaited = node.edges.keys() & set(node.waits_for)
    replaced = [needed for needed, edge in node.edges.items() if edge.on_failure == "fallback" and needed in awaited]
    left_out = [needed for needed, edge in node.edges.items() if edge.on_failure in ("continue", "optional") and needed in awaited]
    # A fallback that does not fit is a mistake; null and nothing may be what the planner has to accept.
    for problem in _after_failure(node, spec, replaced, scope):
        if problem not in found:
            yield Finding("bad-policy", f"when {listed(replaced)} fails, {problem[1]}", node.id)
    for problem in _after_failure(node, spec, left_out, scope):
        if problem not in found:
            yield Finding("bad-policy", f"when {listed(left_out)} fails, {problem[1]}", node.id, severity="warning")


def _after_failure(node: ToolCall, spec: ToolSpec, failing: list[str], scope: Scope) -> list[tuple[Code, str]]:
    """What is wrong with the arguments that a call gets when nodes that it waits for fail."""
    if not failing:
        return []
    instead = {needed: node.edge(needed).instead for needed in failing}
    try:
        arguments = node.with_values(lambda value: substitute(value, lambda ref: instead.get(ref.node, ref))).arguments
    except PlanError as error:
        return [("bad-policy", str(error))]
    return list(argument_problems(spec, arguments, scope.types.of_ref, scope.suggestions))


_NUMBER = {"type": ["number", "null"]}
_NUMBERS = JsonType.of({"anyOf": [_NUMBER, {"type": "array", "items": _NUMBER}]})
"""Nulls are what failed edges leave behind; they do not count."""


def _aggregate_problems(node: Aggregate, scope: Scope) -> Iterator[str]:
    if node.how not in ("list", "concat") and node.inputs in (None, []):
        yield f"there is nothing to take the {node.how} of: `inputs` is {shown(node.inputs)}"
    elif node.how in ("sum", "mean", "min", "max"):
        for problem in value_problems(node.inputs, _NUMBERS, scope.types.of_ref, "`inputs`"):
            yield f"{problem}, to take the {node.how} of"


def _model_findings(node: ModelCall, scope: Scope) -> Iterator[Finding]:
    if node.prompt is None or node.prompt == "":
        yield Finding("wrong-type", f"the prompt is {shown(node.prompt)}: write what the model is to do", node.id)
    if isinstance(scope.models, Sized) and not scope.models:
        yield Finding("bad-policy", "there is no model that a plan may ask: use a tool instead", node.id)
    elif scope.models is not None and node.model is not None and node.model not in scope.models:
        names = [str(name) for name in scope.models] if isinstance(scope.models, Iterable) else []
        there_are = f"{scope.suggestions.closest(node.model, names)}; there are: {listed(names)}" if names else ""
        message = f"there is no model {shown(node.model)}{there_are}; leave `model` out to let one be chosen"
        yield Finding("bad-policy", message, node.id)
