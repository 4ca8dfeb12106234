"""A plan before your eyes: a live view for the observers of agents and executions.

In a terminal every node is a row whose bar grows along one time axis, nodes of sub-plans below the node that holds them; elsewhere each event
is one plain line. It shows the run that happens.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape

from ..plan.changes import one_line
from ..plan.node import Node
from ..plan.render.labels import printable
from ..schedule.events import LimitReached, NodeAdded, NodeFinished, NodeHedged, NodeRetried, NodeStarted, PlanPatched, RunFinished
from .decision import Finish
from .events import AgentEvent, Joined, PlannerText, PlanReady, Refused
from .live_rows import Row, Rows, mark, result_text

FRAMES_A_SECOND = 10


class LivePlan:
    """A context manager; `observe` is the observer. A thread draws, so that bars also grow while nothing happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._changing = threading.Lock()
        # Everything below is read and written while holding `_changing`.
        self._rows = Rows()
        self._notes: list[str] = []
        self._text = ""
        self._now = 0.0
        self._seen = time.monotonic()
        """When `_now` was told: between events the clock of the run goes on as ours does."""
        self._ended = False
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self.frame, refresh_per_second=FRAMES_A_SECOND)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changing:
            self._text, self._ended = "", True
        if self._live:
            self._live.stop()  # draws the last frame

    def observe(self, event: AgentEvent) -> None:
        with self._changing:
            line = self._take(event)
        if line and self._live is None:
            self._console.print(line, highlight=False, soft_wrap=True)

    def _take(self, event: AgentEvent) -> str | None:
        """Remembers what the view needs; returns the event as a line."""
        if isinstance(event, NodeAdded | NodeStarted | NodeFinished | NodeRetried | NodeHedged | PlanPatched | RunFinished):
            self._now, self._seen = event.at, time.monotonic()
        match event:
            case PlannerText(text):
                self._text = (self._text + text)[-400:]
            case NodeAdded(node, at, scope):
                self._rows.began = at if self._rows.began is None else self._rows.began
                self._add(node, scope)
            case NodeStarted(id, attempt):
                row = self._rows[id]
                row.started, row.outcome = self._now if row.started is None else row.started, None
                return f"[cyan]{id}[/] starts: {escape(row.call)}" if attempt == 1 else None
            case NodeFinished(id, outcome):
                self._rows[id].end(outcome)
                return f"{mark(outcome.status)} [cyan]{id}[/] {escape(result_text(outcome))}"
            case NodeRetried(id, attempt, error, wait_s):
                return self._note(f"[yellow]{id}: attempt {attempt} failed[/] ({_plain(error)}), again in {wait_s:.1f} s")
            case NodeHedged(id, after_s):
                return self._note(f"{id}: unusually slow after {after_s:.1f} s, a second copy starts")
            case PlanPatched(plan):
                for node in plan.nodes:
                    if node.id in event.replaced:
                        self._rows.forget(node.id)
                        self._add(node, "")
                for id in event.removed:
                    self._rows.forget(id)
                changed = [
                    f"{sign}{id}" for sign, ids in (("+", event.added), ("~", event.replaced), ("-", event.removed)) for id in ids
                ]
                return self._note(f"plan, version {plan.version}: {' '.join(changed)} {_plain(event.reason)}".rstrip())
            case PlanReady(_, _, note):
                self._text = ""
                return self._note(f"the plan was mended: {_plain(note)}") if note else None
            case Joined(decision) if not isinstance(decision, Finish):
                return self._note(f"joiner: {_plain(decision.thought)}") if decision.thought else None
            case Refused(why):
                return self._note(f"[yellow]not carried out[/]: {_plain(why)}")
            case LimitReached(limit, action):
                return self._note(f"[yellow]limit reached[/]: {limit} ({action})")
            case RunFinished():
                self._ended = True
        return None

    def _add(self, node: Node, scope: str) -> None:
        self._rows.add(f"{scope}{node.id}", Row(printable(one_line(node))))

    def _note(self, text: str) -> str:
        self._notes.append(text)
        return text

    def frame(self) -> RenderableType:
        """All of it, as it is now."""
        with self._changing:
            now = self._now if self._ended else self._now + time.monotonic() - self._seen
            return self._rows.view(
                width=self._console.width,
                height=None if self._ended else self._console.height,
                now=now,
                planner=self._text,
                notes=self._notes if self._ended else self._notes[-4:],
            )


def _plain(text: str) -> str:
    """What a model or a tool wrote, as rich's markup of itself."""
    return escape(printable(text))
