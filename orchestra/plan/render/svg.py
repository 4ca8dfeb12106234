"""Plans as one self-contained SVG: a card a node, columns by distance from the start, the critical path drawn stronger."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from ..node import Node
from ..plan import Plan
from .labels import cut, details, printable, title
from .layout import Edge, Layout, layout

_WIDTH, _HEIGHT = 208, 58
_GAP_X, _GAP_Y = 72, 18
_MARGIN = 24
_CHARACTERS = 29
"""Of the details that fit on a card, in the small font."""
_STYLE = """
.plan { --paper: #f7f8fa; --card: #fff; --ink: #16191f; --soft: #59636f; --line: #c9d0d9; --edge: #a3adba; --critical: #d9570b;
  --succeeded: #127a45; --failed: #b3261e; --uncertain: #b07b00; --running: #1d5fd1; --gone: #848e9b;
  font: 13px/1 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
@media (prefers-color-scheme: dark) { .plan { --paper: #0e1116; --card: #161a21; --ink: #e7eaef; --soft: #9fa9b7; --line: #39424f; --edge: #566170;
  --critical: #ff9147; --succeeded: #4fce8f; --failed: #ff8078; --uncertain: #e3b341; --running: #7eb0ff; --gone: #76818f; } }
.paper { fill: var(--paper); } .card { fill: var(--card); stroke: var(--line); }
.title { fill: var(--ink); font-weight: 600; } .id, .details, .policy { fill: var(--soft); } .details, .policy { font-size: 11px; }
.id { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px; }
.edge { fill: none; stroke: var(--edge); stroke-width: 1.4; } .waits { stroke-dasharray: 5 4; } .arrow { fill: var(--edge); }
.critical .card { stroke: var(--critical); } .edge.critical { stroke: var(--critical); stroke-width: 2.2; }
.bar { fill: none; } .output .card { stroke-width: 2.4; }
.succeeded .bar { fill: var(--succeeded); } .failed .bar { fill: var(--failed); } .uncertain .bar { fill: var(--uncertain); }
.running .bar { fill: var(--running); } .skipped .bar, .cancelled .bar { fill: var(--gone); }
.skipped .title, .cancelled .title { fill: var(--gone); text-decoration: line-through; } .skipped .card, .cancelled .card { stroke-dasharray: 4 3; }
"""
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto">'
    '<path class="arrow" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
)
_STATUSES = frozenset({"succeeded", "failed", "skipped", "cancelled", "uncertain", "running"})


def svg(plan: Plan, statuses: Mapping[str, str] | None = None) -> str:
    """The picture, light or dark as its viewer likes. `statuses` are what became of nodes, by id. Works for wrong plans, too."""
    drawing = layout(plan)
    places = _places(drawing)
    width = _MARGIN * 2 + max((x + _WIDTH for x, _ in places.values()), default=220) - _MARGIN
    height = _MARGIN * 2 + max((y + _HEIGHT for _, y in places.values()), default=60) - _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plan" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        f"<title>{_text(plan.goal) or 'plan'}: {len(plan.by_id)} nodes</title>",
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect class="paper" width="{width}" height="{height}" rx="10"/>',
        *(_edge(edge, places, drawing) for edge in drawing.edges),
        *(_card(node, places[id], drawing, plan, (statuses or {}).get(id)) for id, node in plan.by_id.items()),
    ]
    if not places:
        parts.append(f'<text class="details" x="{_MARGIN}" y="48">an empty plan</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places(drawing: Layout) -> dict[str, tuple[int, int]]:
    """Upper left corners; columns are centred on each other."""
    tallest = max(map(len, drawing.columns), default=0)
    places = {}
    for column, ids in enumerate(drawing.columns):
        offset = (tallest - len(ids)) * (_HEIGHT + _GAP_Y) // 2
        for row, id in enumerate(ids):
            places[id] = (_MARGIN + column * (_WIDTH + _GAP_X), _MARGIN + offset + row * (_HEIGHT + _GAP_Y))
    return places


def _edge(edge: Edge, places: Mapping[str, tuple[int, int]], drawing: Layout) -> str:
    (left, top), (right, low) = places[edge.source], places[edge.target]
    x1, y1, x2, y2 = left + _WIDTH, top + _HEIGHT // 2, right - 2, low + _HEIGHT // 2
    bend = max((x2 - x1) // 2, 30)
    classes = ["edge", *([] if edge.data else ["waits"]), *(["critical"] if (edge.source, edge.target) in drawing.critical else [])]
    path = f'<path class="{" ".join(classes)}" marker-end="url(#tip)" d="M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'
    if edge.policy == "fail":
        return path
    return f'{path}<text class="policy" text-anchor="end" x="{x2 - 14}" y="{y2 - 7}">{edge.policy}</text>'


def _card(node: Node, place: tuple[int, int], drawing: Layout, plan: Plan, status: str | None) -> str:
    classes = ["node", *([status] if status in _STATUSES else []), *(["critical"] if node.id in drawing.critical_nodes else [])]
    classes += ["output"] if node.id in plan.returned else []
    x, y = place
    said = f"\n{status}" if status else ""
    name = cut(printable(title(node)), 22)
    return (
        f'<g class="{" ".join(classes)}" transform="translate({x} {y})"><title>{_text(node.id)}: {_text(cut(details(node), 400))}{_text(said)}</title>'
        f'<rect class="card" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/><rect class="bar" x="0" y="8" width="4" height="{_HEIGHT - 16}" rx="2"/>'
        f'<text class="title" x="14" y="24">{_text(name)}</text>'
        f'<text class="id" x="{_WIDTH - 12}" y="24" text-anchor="end">{_text(cut(node.id, 10))}</text>'
        f'<text class="details" x="14" y="44">{_text(cut(details(node), _CHARACTERS))}</text></g>'
    )


def _text(text: str) -> str:
    return escape(printable(text))
