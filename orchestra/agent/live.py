"""A plan before your eyes: a live view for the observers of agents and executions.

In a terminal every node is a row whose bar grows along one time axis; elsewhere each event is one plain line. It shows the run that happens.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..plan.changes import one_line
from ..schedule.events import LimitReached, NodeAdded, NodeFinished, NodeHedged, NodeRetried, NodeStarted, PlanPatched
from ..schedule.outcome import Outcome, Status
from .decision import Finish
from .events import AgentEvent, Joined, PlannerText, PlanReady, Refused

SECONDS_A_FRAME = 0.1
_BAR_CELLS = 28
_GLYPHS: dict[Status, tuple[str, str]] = {
    "succeeded": ("✓", "green"),
    "failed": ("!", "bold red"),
    "skipped": ("⊘", "yellow"),
    "cancelled": ("✗", "bright_black"),
    "uncertain": ("?", "bold yellow"),
}


@dataclass(slots=True)
class _Row:
    call: str
    started: float | None = None
    outcome: Outcome | None = None


class LivePlan:
    """A context manager; `observe` is the observer."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: dict[str, _Row] = {}
        self._notes: list[str] = []
        self._text = ""
        self._now = 0.0
        self._began: float | None = None
        self._live: Live | None = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._text = ""
        if self._live:
            self._live.update(self._view(), refresh=True)
            self._live.stop()

    def observe(self, event: AgentEvent) -> None:
        line = self._take(event)
        if self._live is None:
            if line:
                self._console.print(line, highlight=False)
        elif (now := time.monotonic()) - self._drawn >= SECONDS_A_FRAME:
            self._drawn = now
            self._live.update(self._view(), refresh=True)

    def _take(self, event: AgentEvent) -> str | None:
        """Remembers what the view needs; returns the event as a line."""
        if not isinstance(event, (PlannerText, PlanReady, Joined, Refused)) and hasattr(event, "at"):
            self._now = event.at
            self._began = event.at if self._began is None else self._began
        match event:
            case PlannerText(text):
                self._text = (self._text + text)[-400:]
            case NodeAdded(node):
                self._rows[node.id] = _Row(one_line(node))
            case NodeStarted(id, attempt):
                row = self._rows.setdefault(id, _Row(""))
                row.started = self._now if row.started is None else row.started
                return f"[cyan]{id}[/] starts: {escape(row.call)}" if attempt == 1 else None
            case NodeFinished(id, outcome):
                row = self._rows.setdefault(id, _Row(""))
                row.outcome = outcome
                return f"{_mark(outcome.status)} [cyan]{id}[/] {escape(_result(outcome))}"
            case NodeRetried(id, attempt, error, wait_s):
                return self._note(f"{id}: attempt {attempt} failed ({escape(error)}), again in {wait_s:.1f} s")
            case NodeHedged(id, after_s):
                return self._note(f"{id}: unusually slow after {after_s:.1f} s, a second copy starts")
            case PlanPatched(plan):
                for node in plan.nodes:
                    if node.id not in self._rows or node.id in event.replaced:
                        self._rows[node.id] = _Row(one_line(node))
                changed = [
                    f"{sign}{id}" for sign, ids in (("+", event.added), ("~", event.replaced), ("-", event.removed)) for id in ids
                ]
                return self._note(f"plan, version {plan.version}: {' '.join(changed)} {escape(event.reason)}")
            case PlanReady(plan, _, note):
                self._text = ""
                return self._note(f"the plan was mended: {escape(note)}") if note else None
            case Joined(decision) if not isinstance(decision, Finish):
                return self._note(f"joiner: {escape(decision.thought)}")
            case Refused(why):
                return self._note(f"[yellow]not carried out[/]: {escape(why)}")
            case LimitReached(limit, action):
                return self._note(f"[yellow]limit reached[/]: {limit} ({action})")
        return None

    def _note(self, text: str) -> str:
        self._notes.append(text)
        return text

    def _view(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        began = self._began or 0.0
        whole = max(self._now - began, 1e-6)
        for id, row in list(self._rows.items())[-40:]:
            glyph = _mark(row.outcome.status) if row.outcome else "[cyan]●[/]" if row.started is not None else "[dim]·[/]"
            result = _result(row.outcome) if row.outcome else ""
            call = Text(row.call, overflow="ellipsis", no_wrap=True)
            call.truncate(44, overflow="ellipsis")
            table.add_row(glyph, f"[cyan]{id}[/]", call, self._bar(row, began, whole), Text(result[:48], style="dim", no_wrap=True))
        parts: list[RenderableType] = [table]
        if self._text:
            parts.append(Text(f"planner: …{' '.join(self._text.split())[-100:]}", style="dim", no_wrap=True))
        parts += [Text.from_markup(f"  {note}") for note in self._notes[-4:]]
        return Group(*parts)

    def _bar(self, row: _Row, began: float, whole: float) -> Text:
        if row.started is None:
            return Text(" " * _BAR_CELLS)
        end = row.outcome.finished if row.outcome and row.outcome.finished is not None else self._now
        left = min(int((row.started - began) / whole * _BAR_CELLS), _BAR_CELLS - 1)
        width = max(1, min(round((end - row.started) / whole * _BAR_CELLS), _BAR_CELLS - left))
        return Text(" " * left + "━" * width + " " * (_BAR_CELLS - left - width), style="green" if row.outcome else "cyan")


def _mark(status: Status) -> str:
    glyph, style = _GLYPHS[status]
    return f"[{style}]{glyph}[/]"


def _result(outcome: Outcome) -> str:
    if not outcome.ok:
        return f"{outcome.status}: {outcome.error}"
    text = " ".join(str(outcome.value).split())
    source = "" if outcome.source == "run" else f" ({outcome.source})"
    return f"{text[:200]}{source}"
