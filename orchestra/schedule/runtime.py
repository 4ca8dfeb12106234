"""What runs are executed with: tools, models, limits, and how failures are met."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..chat.ladder import Ladder
from ..plan.node import Effect, Node
from ..tools.tool import ToolSet
from .budget import Budget
from .estimates import Durations
from .events import RunEvent
from .outcome import Outcome, Retry
from .resources import Resources

Uncertain = Callable[[Node, str], Awaitable[Literal["did not happen", "unknown"]]]
"""Asked about an effect that must not be repeated and that an earlier process began: its node, and the content key of the call."""


class Past(Protocol):
    """What a journal knows of a node from before."""

    @property
    def outcome(self) -> Outcome | None:
        """None: it was begun and nobody knows how it ended."""
        ...


class JournalLike(Protocol):
    """What the execution needs of a journal (`Journal`). Calls are synchronous and take microseconds; values of outcomes are JSON."""

    def past(self, id: str, key: str) -> Past | None: ...

    def orphan(self, key: str, known: Container[str]) -> Past | None: ...

    def begin(self, id: str, key: str, effect: Effect) -> str: ...

    def finish(self, id: str, key: str, outcome: Outcome) -> None: ...

    def flush(self) -> None: ...


class CacheLike(Protocol):
    """Values of pure calls by content key, as JSON (`MemoryCache`, `FileCache`). A hit is wrapped, because None is a value, too."""

    def get(self, key: str) -> tuple[Any] | None: ...

    def put(self, key: str, value: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """When a call without lasting effect takes unusually long, a second copy starts; the first to succeed wins and the other is cancelled
    (Dean & Barroso, The Tail at Scale, 2013)."""

    quantile: float = 0.95
    """Unusual: longer than this share of the calls of its kind took …"""
    factor: float = 1.5
    """… times this."""
    min_calls: int = 8
    """Calls that must have been seen before."""


@dataclass(slots=True, kw_only=True)
class Runtime:
    """One may serve many runs at once; `budget` and `journal` then belong to all of them together.

    `observer` is told everything that happens, in order, on the event loop. It must be quick; what it raises ends the run.
    """

    tools: ToolSet = field(default_factory=ToolSet)
    models: Ladder | None = None
    """For model calls and samples."""
    resources: Resources = field(default_factory=Resources)
    budget: Budget | None = None
    durations: Durations = field(default_factory=Durations)
    """What is known about how long calls take; learns from every call."""
    journal: JournalLike | None = None
    """Keeps outcomes, so that a later process goes on where this one died."""
    cache: CacheLike | None = None
    """Outputs of pure calls from before."""
    retry: Retry = field(default_factory=Retry)
    hedge: Hedge | None = None
    observer: Callable[[RunEvent], None] | None = None
    on_uncertain: Uncertain | None = None
    grace_s: float = 5.0
    """How long a cancelled call may take to end before it is left behind."""
    flights: dict[str, asyncio.Future[Outcome]] = field(default_factory=dict, init=False)
    """Pure calls that are being made, by content key."""
