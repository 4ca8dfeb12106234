"""Plans as Mermaid flowcharts, which GitHub and many editors draw."""

from __future__ import annotations

from collections.abc import Mapping

from ..plan import Plan
from .labels import cut, details, printable, title
from .layout import layout

_STYLES = {
    "succeeded": "fill:#e3f4ea,stroke:#127a45",
    "failed": "fill:#fbe6e4,stroke:#b3261e",
    "skipped": "fill:#f1f3f6,stroke:#848e9b,stroke-dasharray:4 3",
    "cancelled": "fill:#f1f3f6,stroke:#848e9b",
    "uncertain": "fill:#fdf1d8,stroke:#b07b00",
    "running": "fill:#eaf1fd,stroke:#1d5fd1",
}
_ESCAPED = str.maketrans({character: f"#{ord(character)};" for character in "#&<>\"'`{}[]()|;:@%*_~\\$"})


def mermaid(plan: Plan, statuses: Mapping[str, str] | None = None) -> str:
    """`statuses` are what became of nodes, by id."""
    # Names of our own: "end" and others mean something to Mermaid.
    names = {id: f"n{index}" for index, id in enumerate(plan.by_id)}
    lines = ["flowchart LR"]
    for id, node in plan.by_id.items():
        label = f"<b>{_text(id)}</b> {_text(title(node))}<br/>{_text(cut(details(node), 60))}"
        lines.append(f'  {names[id]}["{label}"]')
    for edge in layout(plan).edges:
        arrow = "-->" if edge.data else "-.->"
        label = "" if edge.policy == "fail" else f"|{_text(edge.policy)}|"
        lines.append(f"  {names[edge.source]} {arrow}{label} {names[edge.target]}")
    for status, style in _STYLES.items():
        if members := [names[id] for id in plan.by_id if (statuses or {}).get(id) == status]:
            lines += [f"  classDef {status} {style}", f"  class {','.join(members)} {status}"]
    if plan.returned & names.keys():
        lines += [f"  style {names[id]} stroke-width:3px" for id in plan.by_id if id in plan.returned]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Every character that Mermaid or HTML could read as its own is written as an entity."""
    return printable(text).translate(_ESCAPED)
