"""Plans in Graphviz's DOT language."""

from __future__ import annotations

from collections.abc import Mapping

from ..plan import Plan
from .labels import cut, details, printable, title
from .layout import layout

_COLOURS = {
    "succeeded": ("#127a45", "#e3f4ea"),
    "failed": ("#b3261e", "#fbe6e4"),
    "skipped": ("#848e9b", "#f1f3f6"),
    "cancelled": ("#848e9b", "#f1f3f6"),
    "uncertain": ("#b07b00", "#fdf1d8"),
    "running": ("#1d5fd1", "#eaf1fd"),
}


def dot(plan: Plan, statuses: Mapping[str, str] | None = None) -> str:
    """`statuses` are what became of nodes, by id."""
    drawing = layout(plan)
    lines = [
        "digraph plan {",
        '  rankdir=LR; node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="sans-serif"];',
    ]
    for id, node in plan.by_id.items():
        stroke, fill = _COLOURS.get((statuses or {}).get(id, ""), ("#59636f", "#ffffff"))
        label = f"{_text(id)}  {_text(title(node))}\\n{_text(cut(details(node), 60))}"
        width = 3 if id in plan.returned else 1
        lines.append(f'  "{_text(id)}" [label="{label}", color="{stroke}", fillcolor="{fill}", penwidth={width}];')
    for edge in drawing.edges:
        style = "solid" if edge.data else "dashed"
        label = "" if edge.policy == "fail" else f', label="{edge.policy}"'
        bold = ", penwidth=2.5" if (edge.source, edge.target) in drawing.critical else ""
        lines.append(f'  "{_text(edge.source)}" -> "{_text(edge.target)}" [style={style}{label}{bold}];')
    return "\n".join([*lines, "}"]) + "\n"


def _text(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
