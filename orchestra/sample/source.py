"""Where live traces come from: the seam between policies and engines, chats or whole fork–join runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ..engine.scores import Scores
from ..thread import RunTree
from .decisions import FRESH, Start
from .events import Step


@dataclass(slots=True, kw_only=True)
class Usage:
    """What a request, or several, has taken. Tokens."""

    sampled: int = 0
    span: int = 0
    """Sampled on the critical path."""
    overshoot: int = 0
    """Upper bound on what the engine sampled after an abort and never reported."""
    prefill: int | None = 0
    """None when the engine does not say; the same for `cached`."""
    cached: int | None = 0


@dataclass(slots=True, kw_only=True)
class LiveTrace:
    """One trace on its way. The runner makes it, the source fills it in."""

    id: int
    session: str
    start: Start = FRESH
    shown: Sequence[LiveTrace] = ()
    """The traces that `start` names, in its order."""
    watched: bool = False
    """Tokens are to be told as they come; without it the engine is spared the streaming."""
    continued: bool = False
    """A probe or a branch may go on from its tokens: sources that cannot, refuse it before they sample."""
    top_logprobs: int = 0
    """Candidates to be scored a token; 0 when nobody asks."""
    on_tokens: Callable[[int, Scores | None], None] | None = field(default=None, repr=False)
    """To be called with the number of newly sampled tokens and their scores, where `watched`."""
    scores: Scores | None = field(default=None, repr=False)
    """Of all its tokens so far, where asked for."""
    span: int | None = None
    """Sampled so far on its critical path, which sources of watched forked traces tell; None where that is all it has sampled."""
    usage: Usage = field(default_factory=Usage)
    """Up to date when `run` has returned or raised, cancellation included."""
    lost_probes: Usage = field(default_factory=Usage)
    """Of probes that were cancelled or lost, and so could not return what they took; no part of `usage`."""
    text: str = ""
    """What it has written; up to date when `run` has returned, and where `watched`."""
    answer_text: str | None = None
    """Its answer in its own words."""
    tree: RunTree | None = field(default=None, repr=False)
    """Its run tree, from its start on, where the source has one: chats and recordings have not."""
    traceparent: str | None = field(default=None, repr=False)
    """Goes with its requests, and with those of its threads (`engine.Request.traceparent`)."""
    state: object = field(default=None, repr=False)
    """The source's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A trace has come to its end by itself."""

    answer: str | None
    """Canonical."""
    cut: bool = False
    steps: Sequence[Step] = ()


@runtime_checkable
class Source(Protocol):
    """Runs traces of one problem, concurrently. Cancelling `run` aborts the trace in the engine; an engine failure raises `EngineError`."""

    def now(self) -> float:
        """Seconds on the engine's clock."""
        ...

    async def run(self, trace: LiveTrace) -> Ending: ...

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        """The canonical answer that a running trace is made to give now, beside its decoding. Sources that cannot raise `ConfigError`."""
        ...

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        """The text of its first `tokens` sampled tokens, or of all, for judges."""
        ...
