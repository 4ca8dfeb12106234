"""`display`: whatever runs, before your eyes, in a terminal, in a notebook, or as plain lines.

with trace.display(decode=notation.text) as show:
    await attempt(engine, problem, setup, observer=show)         # threads
    await Agent(model, tools).run(task, observer=show)           # a plan and its nodes
    await sample(problem, model, policy="adaptive", observer=show)  # votes
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from importlib import import_module
from io import StringIO
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType

from ..errors import ConfigError
from ..thread import Event
from .live import SECONDS_A_FRAME, LiveThreads

NOTEBOOK = 110, 40
"""Columns and lines of a frame in a notebook."""
_PRE = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:1.25;font-family:ui-monospace,Menlo,Consolas,monospace">{code}</pre>'
)


class View(Protocol):
    """What shows one kind of event, and has an `observe` for it. Entering it takes the terminal, where there is one."""

    def frame(self) -> RenderableType:
        """All of it, as it is now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


# By name, as the command line finds its commands: agents and samples are built on traces, not the other way round.
_VIEWS = {
    "sample": ("sample.display", "LiveSample"),
    "schedule": ("agent.live", "LivePlan"),
    "agent": ("agent.live", "LivePlan"),
}


class Display:
    """An observer of anything that tells what it does; made by `display`."""

    def __init__(self, decode: Callable[[Sequence[int]], str], console: Console, window: int) -> None:
        self._decode = decode
        self._console = console
        self._window = window
        self._page = _Notebook() if console.is_jupyter else None
        self._views: dict[str, View] = {}
        self._observers: dict[str, Callable[..., None]] = {}
        self._stack = ExitStack()

    def __call__(self, event: object, decider: object = None) -> None:
        """Take one event: of `run_tree`, of an agent, of an execution, or of a sample, which brings its decider."""
        kind = "thread" if isinstance(event, Event) else self._kind(event)
        if kind not in self._observers:
            self._open(kind)
        if decider is None:
            self._observers[kind](event)
        else:
            self._observers[kind](event, decider)
        if self._page is not None:
            self._page.draw(self._views.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()
        if self._page is not None:
            self._page.draw(self._views.values(), last=True)
        elif "sample" in self._views:  # its live view goes away at the end, and elsewhere than in a terminal it never shows
            self._console.print(self._views["sample"].frame())

    def _kind(self, event: object) -> str:
        package, _, path = type(event).__module__.partition(".")
        kind = path.partition(".")[0]
        if package != __package__.partition(".")[0] or kind not in _VIEWS:
            raise ConfigError(f"a display shows events of run trees, samples, plans and agents, got {event!r}")
        return "agent" if kind == "schedule" else kind

    def _open(self, kind: str) -> None:
        console = self._page.console if self._page is not None else self._console
        if kind == "thread":
            threads = LiveThreads(decode=self._decode, console=console, window=self._window)
            self._views[kind], self._observers[kind] = threads, threads.observe
        else:
            module, name = _VIEWS[kind]
            view = getattr(import_module(f"{__package__.partition('.')[0]}.{module}"), name)(console)
            self._views[kind], self._observers[kind] = view, view.observe
        self._stack.enter_context(self._views[kind])


def display(*, decode: Callable[[Sequence[int]], str] | None = None, console: Console | None = None, window: int = 160) -> Display:
    """A context manager that gives an observer; one serves any number of runs, one after the other or at once.

    Args:
        decode: token ids to the text that people read; None shows the ids.
        console: where; None takes standard output, or the notebook that the program runs in.
        window: tokens that fill a thread's bar.
    """
    return Display(decode or _ids, console or Console(), window)


def _ids(token_ids: Sequence[int]) -> str:
    return " ".join(map(str, token_ids))


class _Notebook:
    """A cell's output that is replaced by every frame."""

    def __init__(self) -> None:
        try:
            ipython = import_module("IPython.display")
        except ImportError as error:
            raise ConfigError("a display in a notebook needs IPython, which runs it: pip install ipython") from error
        width, height = NOTEBOOK
        self.console = Console(quiet=True, force_jupyter=False, force_terminal=False, width=width, height=height)
        """Of the views: their lines go nowhere."""
        self._html = ipython.HTML
        # None where nobody displays: then nothing is drawn either.
        self._handle = ipython.display(ipython.HTML(""), display_id=True)
        self._drawn = 0.0

    def draw(self, views: Iterable[View], *, last: bool = False) -> None:
        """Show them, at most ten times a second."""
        if self._handle is None or (time.monotonic() - self._drawn < SECONDS_A_FRAME and not last):
            return
        self._drawn = time.monotonic()
        width, height = NOTEBOOK
        paper = Console(file=StringIO(), record=True, force_jupyter=False, force_terminal=True, width=width, height=height)
        paper.print(Group(*(view.frame() for view in views)))
        self._handle.update(self._html(paper.export_html(inline_styles=True, code_format=_PRE)))
