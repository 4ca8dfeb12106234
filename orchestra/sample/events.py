"""What a policy is told, in the order in which it happened.

Events carry counts, canonical answers and scores, never text: whatever reads text (answers, judges, prompts) sits outside, so that a recorded
pool can say exactly what a live engine says. `at` is seconds on the run's clock; in a replay one decoding step is one second unless a clock
says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .scores import TraceScores

Group = tuple[int, ...]
"""What a judge scores: one trace, or a pair in the order asked."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The problem is posed; always the first event."""

    at: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Traces whose sampled tokens have just passed a multiple of `Needs.tokens_every`, with that multiple."""

    at: float
    tokens: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Measured:
    """New log-probability windows: for each trace the mean confidences of its next pieces of `Needs.stride` tokens."""

    at: float
    confidence: Mapping[int, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Probed:
    """Answers that traces were made to give now (canonical; None when unreadable or when the probe failed)."""

    at: float
    answers: Mapping[int, str | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said. None: it failed or took too long."""

    at: float
    question: str
    scores: Mapping[Group, float | None]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a finished trace's reasoning and how unsure the model was in it."""

    start: int
    """Tokens of the trace before it."""
    uncertainty: float
    """exp of the mean renormalised entropy of its tokens, in nats (ParallelMuse, arXiv 2510.24698)."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A trace has ended by itself."""

    at: float
    trace: int
    answer: str | None
    """Canonical; None when it states none that can be read, and such a trace never votes."""
    tokens: int
    """Sampled by it, in all its threads."""
    cut: bool = False
    """It ran into a token limit."""
    scores: TraceScores | None = None
    """Only where `Needs.scores`."""
    steps: Sequence[Step] = ()
    """Only where `Needs.steps`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A trace was lost to an engine failure. It says nothing about the answer."""

    at: float
    trace: int
    error: str


@dataclass(frozen=True, slots=True)
class Woken:
    """The time of a `Wake` has come."""

    at: float


Event = Begun | Progress | Measured | Probed | Judged | Finished | Failed | Woken
