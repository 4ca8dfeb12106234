"""Threads before your eyes: a live view for the observers of `run_tree`.

In a terminal every thread is a lane that grows while its tokens come; elsewhere each event is one plain line. It shows the run that
happens: nothing is replayed, and a frame is drawn at most ten times a second, from the loop that decodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..thread import Event, Status, Thread

SECONDS_A_FRAME = 0.1
_BAR_CELLS = 24
_GLYPHS: dict[Status, tuple[str, str]] = {
    "running": ("●", "cyan"),
    "finished": ("✓", "green"),
    "cut": ("✂", "yellow"),
    "cancelled": ("✗", "bright_black"),
    "refused": ("⊘", "yellow"),
    "failed": ("!", "bold red"),
}


@dataclass(slots=True)
class _Lane:
    thread: Thread
    token_ids: list[int] = field(default_factory=list)


class LiveThreads:
    """A context manager that shows the threads of the runs that it observes.

    Args:
        decode: token ids to the text that people read.
        console: where to draw; a terminal gets a live view, anything else gets lines.
        window: tokens that fill a lane's bar.
    """

    def __init__(self, *, decode: Callable[[Sequence[int]], str], console: Console, window: int = 160) -> None:
        self._decode = decode
        self._console = console
        self._window = window
        # By identity: threads of several runs have the same ids. A lane keeps its thread, so that its identity stays its own.
        self._lanes: dict[int, _Lane] = {}
        self._live: Live | None = None
        self._drawn = 0.0
        self._widest_id = 6

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.update(self.frame(), refresh=True)
            self._live.stop()

    def observe(self, event: Event) -> None:
        """The observer of any number of runs."""
        lane = self._lanes.setdefault(id(event.thread), _Lane(event.thread))
        lane.token_ids.extend(event.token_ids)
        if self._live is None:
            self._print(event, lane)
        elif (now := time.monotonic()) - self._drawn >= SECONDS_A_FRAME:
            self._drawn = now
            self._live.update(self.frame(), refresh=True)

    def _print(self, event: Event, lane: _Lane) -> None:
        thread = event.thread
        match event.kind:
            case "started":
                words = f"started   {self._decode(thread.prompt)}"
            case "joined":
                fork = next(reversed(list(thread.forks)))
                returned = sum(child.status == "finished" for child in fork.children)
                words = f"joined    {returned} of {len(fork.children)} children returned" + (
                    f", {fork.winner.id} was first to succeed" if fork.winner else ""
                )
            case "ended":
                words = f"{thread.status:<9} " + (
                    thread.error or "" if thread.status == "refused" else f"{len(lane.token_ids)} tokens: … {self._tail(lane, 48)}"
                )
            case "tokens":
                return
        self._widest_id = max(self._widest_id, len(thread.id))
        self._console.print(f"{thread.id:<{self._widest_id}} {words}", markup=False, highlight=False, soft_wrap=True)

    def frame(self) -> RenderableType:
        """One line a thread, as many as fit: those that run or returned something before those that were cancelled."""
        room = max(3, self._console.height - 3)
        lanes = self._in_tree_order()
        shown = lanes
        if len(lanes) > room:
            order = {"running": 0, "failed": 1, "finished": 1, "cut": 2, "refused": 3, "cancelled": 3}
            kept = sorted(range(len(lanes)), key=lambda i: (lanes[i].thread.depth, order[lanes[i].thread.status], i))[:room]
            shown = [lanes[i] for i in sorted(kept)]
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, width=_BAR_CELLS)
        grid.add_column(no_wrap=True, justify="right", min_width=4)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for lane in shown:
            glyph, style = _GLYPHS[lane.thread.status]
            cells = min(_BAR_CELLS, round(_BAR_CELLS * len(lane.token_ids) / self._window))
            tail = (
                lane.thread.error or ""
                if lane.thread.status == "refused"
                else self._tail(lane, max(8, self._console.width - _BAR_CELLS - 20))
            )
            grid.add_row(
                Text(glyph, style),
                Text(("  " * lane.thread.depth) + lane.thread.id, style),
                Text("━" * cells, style) + Text("─" * (_BAR_CELLS - cells), "bright_black"),
                Text(str(len(lane.token_ids)), "dim"),
                Text(tail, "" if lane.thread.status == "running" else "dim"),
            )
        running = sum(lane.thread.status == "running" for lane in lanes)
        tokens = sum(len(lane.token_ids) for lane in lanes)
        hidden = f", {len(lanes) - len(shown)} not shown" if len(shown) < len(lanes) else ""
        return Group(grid, Text(f"{len(lanes)} threads, {running} running{hidden}, {tokens:,} tokens sampled", "dim"))

    def _in_tree_order(self) -> list[_Lane]:
        """Every run's lanes, children below their parent."""
        lanes: list[_Lane] = []

        def add(thread: Thread) -> None:
            if lane := self._lanes.get(id(thread)):
                lanes.append(lane)
                for child in (child for fork in thread.forks for child in fork.children):
                    add(child)

        for lane in self._lanes.values():
            if lane.thread.depth == 0:
                add(lane.thread)
        return lanes

    def _tail(self, lane: _Lane, width: int) -> str:
        """The last words that a thread wrote, at most `width` characters."""
        words = self._decode(lane.token_ids[-width:])
        return words if len(words) <= width else words[-width:].partition(" ")[2]
