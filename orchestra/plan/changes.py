"""The difference between two versions of a plan: what a scheduler applies, and lines for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .json_type import shown
from .node import Aggregate, ModelCall, Node, Sample, SubPlan, ToolCall
from .plan import Plan
from .ref import Ref, Text, Value


@dataclass(frozen=True, slots=True)
class Changes:
    """By id, which is never given to another node."""

    added: tuple[Node, ...]
    replaced: tuple[Node, ...]
    """As they are now."""
    removed: frozenset[str]
    output: Value
    """Of the new version."""


def diff(old: Plan, new: Plan) -> Changes:
    """What makes `new` out of `old`; the order of nodes aside, which means nothing."""
    return Changes(
        added=tuple(node for node_id, node in new.by_id.items() if node_id not in old.by_id),
        replaced=tuple(node for node_id, node in new.by_id.items() if node_id in old.by_id and not same(node, old.by_id[node_id])),
        removed=frozenset(old.by_id.keys() - new.by_id.keys()),
        output=new.output,
    )


def same(one: Node, other: Node) -> bool:
    """Whether two nodes are equal to the last value; for Python 1, 1.0 and True are equal, for a tool they are not."""
    return one is other or one.model_dump_json() == other.model_dump_json()


def describe_changes(old: Plan, changes: Changes) -> list[str]:
    """A line for each change to `old`: "+ 5: search(query="…") after 3"."""
    lines = [f"- {node_id}" for node_id in old.by_id if node_id in changes.removed]
    lines += [f"+ {node.id}: {one_line(node)}" for node in changes.added]
    for node in changes.replaced:
        before, after = one_line(old.by_id[node.id]), one_line(node)
        fields = [name for name in type(node).model_fields if _differ(getattr(node, name), getattr(old.by_id[node.id], name, None))]
        lines.append(f"~ {node.id}: {before} → {after}" if before != after else f"~ {node.id}: {', '.join(fields)}")
    if _differ(changes.output, old.output):
        lines.append(f"output: {_short(old.output)} → {_short(changes.output)}")
    return lines


def one_line(node: Node) -> str:
    """What a node does and waits for, for people."""
    match node:
        case ToolCall():
            does = f"{node.tool}({', '.join(f'{name}={_short(value)}' for name, value in node.arguments.items())})"
        case Sample():
            does = f"{node.n} × {_short(node.prompt)}"
        case ModelCall():
            does = f"ask {_short(node.prompt)}"
        case Aggregate():
            does = f"{node.how} of {_short(node.inputs)}"
        case SubPlan():
            does = f"plan of {len(node.nodes)} nodes"
    return f"{does} after {', '.join(node.depends_on)}" if node.depends_on else does


def _differ(one: Any, other: Any) -> bool:
    return repr(one) != repr(other)


def _short(value: Any) -> str:
    return str(_named(value)) if isinstance(value, Ref) else shown(_named(value), 60)


def _named(value: Any) -> Any:
    """References as people write them."""
    match value:
        case Ref():
            return f"${value}"
        case Text(parts):
            return "".join(part if isinstance(part, str) else f"${{{part}}}" for part in parts)
        case list():
            return [_named(item) for item in value]
        case dict():
            return {name: _named(item) for name, item in value.items()}
    return value
