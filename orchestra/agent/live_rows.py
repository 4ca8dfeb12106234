"""The rows of the live view: what is known of every node, and how it is drawn into the width and height of a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..plan.render.labels import cut, printable
from ..schedule.outcome import Outcome, Status

_GLYPHS: dict[Status, tuple[str, str]] = {
    "succeeded": ("✓", "green"),
    "failed": ("!", "bold red"),
    "skipped": ("⊘", "yellow"),
    "cancelled": ("✗", "bright_black"),
    "uncertain": ("?", "bold yellow"),
}
_LOUD: tuple[Status, ...] = ("failed", "uncertain")
_BARS = ((100, 24), (80, 16), (0, 8))
"""The cells of a bar, by how wide the terminal is at least."""
_SECONDS_CELLS = 7
_MOST_OF_A_VALUE, _MOST_OF_AN_ERROR = 200, 2000
"""Characters."""
_MOST_ROWS = 200
"""In the last frame, which may be longer than the terminal."""


@dataclass(slots=True)
class Row:
    call: str
    started: float | None = None
    outcome: Outcome | None = None
    text: str = ""
    """What became of it; made once, because outputs may be long and frames are many."""

    def end(self, outcome: Outcome) -> None:
        self.outcome, self.text = outcome, result_text(outcome)

    @property
    def state(self) -> str:
        if self.outcome is not None:
            return self.outcome.status
        return "waiting" if self.started is None else "running"


class Rows:
    """Nodes by id, in the order of the plan; those of a sub-plan ("outer/inner") below the node that holds them."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self.began: float | None = None

    def __getitem__(self, id: str) -> Row:
        return self._rows.setdefault(id, Row(""))

    def add(self, id: str, row: Row) -> None:
        self._rows[id] = row

    def forget(self, id: str) -> None:
        """A node that a patch removes or replaces, and those inside it."""
        for other in [other for other in self._rows if other == id or other.startswith(f"{id}/")]:
            del self._rows[other]

    def view(self, *, width: int, height: int | None, now: float, planner: str, notes: Sequence[str]) -> RenderableType:
        """A frame. `height` None: all there is, with the whole text of failures."""
        rows = self._in_place()
        room = _MOST_ROWS if height is None else max(3, height - len(notes) - 4)
        shown = _most_telling(rows, room)
        parts: list[RenderableType] = [self._table(shown, width, now)] if shown else []
        if rows:
            parts.append(Text(_summary(rows, len(rows) - len(shown), now - (self.began or 0.0)), style="dim", no_wrap=True))
        if planner:
            parts.append(Text(f"planner: …{printable(planner)[-max(width - 11, 10) :]}", style="dim", no_wrap=True))
        if height is None:
            for id, row in rows:
                if row.outcome is not None and row.outcome.status in _LOUD:
                    parts.append(Padding(Text(f"{id} {row.text}", style="red"), (0, 0, 0, 2)))
        lines = [Text.from_markup(note) for note in notes]
        for line in lines:
            if height is not None:
                line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*parts, *(Padding(line, (0, 0, 0, 2)) for line in lines))

    def _in_place(self) -> list[tuple[str, Row]]:
        numbers = {id: number for number, id in enumerate(self._rows)}

        def place(item: tuple[str, Row]) -> list[int]:
            parts = item[0].split("/")
            return [numbers.get("/".join(parts[: depth + 1]), -1) for depth in range(len(parts))]

        return sorted(self._rows.items(), key=place)

    def _table(self, rows: Sequence[tuple[str, Row]], width: int, now: float) -> Table:
        began = self.began if self.began is not None else now
        whole = max(now - began, 1e-6)
        bar = next(cells for least, cells in _BARS if width >= least)
        ids = [Text(f"{'  ' * id.count('/')}{id.rpartition('/')[2]}", style="cyan") for id, _ in rows]
        longest_id = min(max(len(id) for id in ids), 20)
        rest = width - 1 - longest_id - bar - _SECONDS_CELLS - 5  # a glyph, and spaces between six columns
        call = max(8, min(max(len(row.call) for _, row in rows), rest // 2))
        table = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
        for wide, justify in ((1, "left"), (longest_id, "left"), (call, "left"), (bar, "left"), (_SECONDS_CELLS, "right")):
            table.add_column(width=wide, no_wrap=True, overflow="ellipsis", justify=justify)  # type: ignore[arg-type]
        table.add_column(width=max(8, rest - call), no_wrap=True, overflow="ellipsis")
        for id, (_, row) in zip(ids, rows, strict=True):
            text = Text(row.text if row.outcome else "", style=_style(row))
            table.add_row(_glyph(row), id, Text(row.call), _bar(row, began, whole, now, bar), _seconds(row, now), text)
        return table


def mark(status: Status) -> str:
    """The status as a glyph, in rich's markup."""
    glyph, style = _GLYPHS[status]
    return f"[{style}]{glyph}[/]"


def result_text(outcome: Outcome) -> str:
    """What became of a node, on one line of printable characters: what a tool returns must not steer the terminal."""
    if not outcome.ok:
        return cut(printable(f"{outcome.status}: {outcome.error}"), _MOST_OF_AN_ERROR)
    source = "" if outcome.source == "run" else f" ({outcome.source})"
    return f"{printable(str(outcome.value)[:_MOST_OF_A_VALUE])}{source}"


def _most_telling(rows: Sequence[tuple[str, Row]], room: int) -> Sequence[tuple[str, Row]]:
    """At most `room` rows in their order: what runs and what has failed before the latest that have ended and the next that will start."""
    if len(rows) <= room:
        return rows
    rank = {"running": 0, "failed": 1, "uncertain": 1}
    ended = [at for at, (_, row) in enumerate(rows) if row.outcome is not None]
    near = ended[-1] if ended else 0
    chosen = sorted(range(len(rows)), key=lambda at: (rank.get(rows[at][1].state, 2), abs(at - near)))[:room]
    return [rows[at] for at in sorted(chosen)]


def _summary(rows: Sequence[tuple[str, Row]], num_hidden: int, seconds: float) -> str:
    counts = Counter(row.state for _, row in rows)
    said = [f"{counts[state]} {state}" for state in ("running", "waiting", *_GLYPHS) if counts[state]]
    hidden = f" ({num_hidden} not shown)" if num_hidden else ""
    return f"  {seconds:.1f} s: {', '.join(said)}{hidden}"


def _glyph(row: Row) -> Text:
    if row.outcome is not None:
        return Text(*_GLYPHS[row.outcome.status])
    return Text("·", style="dim") if row.started is None else Text("●", style="cyan")


def _style(row: Row) -> str:
    return "dim" if row.outcome is None or row.outcome.ok else _GLYPHS[row.outcome.status][1]


def _span(row: Row, now: float) -> tuple[float, float] | None:
    if row.started is None:
        return None
    ended = row.outcome.finished if row.outcome is not None else None
    return row.started, now if ended is None else ended


def _bar(row: Row, began: float, whole: float, now: float, cells: int) -> Text:
    if (span := _span(row, now)) is None:
        return Text("")
    start, end = span
    left = min(int((start - began) / whole * cells), cells - 1)
    length = max(1, min(round((end - start) / whole * cells), cells - left))
    return Text(" " * left + "━" * length, style=_GLYPHS[row.outcome.status][1] if row.outcome else "cyan")


def _seconds(row: Row, now: float) -> Text:
    span = _span(row, now)
    return Text(f"{span[1] - span[0]:.1f} s" if span else "", style="dim")
