"""What a plan's calls say about one another, whatever the question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...plan.node import ToolCall
from ...plan.plan import Plan
from ...plan.ref import Ref
from .table import key_of


def wrong_pairs(plan: Plan) -> Iterator[str]:
    """The best of several names is found by their own numbers, not by each other's."""
    for call in plan.nodes:
        if not isinstance(call, ToolCall) or call.tool not in ("argmax", "argmin"):
            continue
        names, numbers = call.arguments.get("names"), call.arguments.get("numbers")
        if isinstance(names, list) and isinstance(numbers, list) and len(names) != len(numbers):
            yield f"it compares {len(names)} names by {len(numbers)} numbers"
        for name, number in zip(names, numbers, strict=False) if isinstance(names, list) and isinstance(numbers, list) else ():
            source = plan.by_id.get(number.node) if isinstance(number, Ref) else None
            if isinstance(source, ToolCall) and source.tool == "lookup" and not _same(source.arguments.get("entity"), name):
                yield f"it takes a number of {source.arguments.get('entity')} for one of {name}"


def _same(one: Any, other: Any) -> bool:
    return key_of(one) == key_of(other) if isinstance(one, str) and isinstance(other, str) else bool(one == other)


def unused(plan: Plan) -> Iterator[str]:
    if unused := [node for node in plan.sinks if node not in plan.returned]:
        yield f"nothing uses what node {unused[0]} finds"


def texts_in(*values: Any) -> Iterator[str]:
    for value in values:
        yield from [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
