"""A plan as the page draws it: where its nodes stand, what stands on them, what became of them, which edges are critical. Texts stay texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from orchestra.plan.formats.node_objects import read_object
from orchestra.plan.formats.reading import Unreadable
from orchestra.plan.node import Node
from orchestra.plan.plan import Plan
from orchestra.plan.render.labels import cut, details, printable, title
from orchestra.plan.render.layout import layout

from ..method import NodeOutcome
from .safe_json import moment

_DETAILS = 400
"""Characters of what a node works on; its JSON has the rest."""


def drawing(plan: Mapping[str, Any], outcomes: Mapping[str, NodeOutcome]) -> dict[str, Any]:
    """Columns, edges and nodes; `{"unread": …}` for what is no plan, which the page shows as JSON."""
    nodes = plan.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        return {"unread": dict(plan)}
    try:
        # A plan that was dumped without its defaults does not say of what kinds its nodes are.
        read = Plan.model_validate({**plan, "nodes": [read_object(node, {}) for node in nodes]})
    except (ValidationError, Unreadable):
        return {"unread": dict(plan)}
    placed = layout(read)
    return {
        "goal": printable(read.goal),
        "columns": placed.columns,
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "data": edge.data,
                "policy": edge.policy,
                "critical": (edge.source, edge.target) in placed.critical,
            }
            for edge in placed.edges
        ],
        "nodes": {
            id: _node(node, outcomes.get(id), critical=id in placed.critical_nodes, output=id in read.returned)
            for id, node in read.by_id.items()
        },
    }


def _node(node: Node, outcome: NodeOutcome | None, *, critical: bool, output: bool) -> dict[str, Any]:
    return {
        "title": printable(title(node)),
        "details": cut(details(node), _DETAILS),
        "critical": critical,
        "output": output,
        "outcome": _outcome(outcome) if outcome is not None else None,
        "data": node.model_dump(mode="json", exclude_defaults=True),
    }


def _outcome(outcome: NodeOutcome) -> dict[str, Any]:
    return {
        "status": outcome.status,
        "started": moment(outcome.started),
        "finished": moment(outcome.finished),
        "output": outcome.output,
        "error": outcome.error,
    }
