"""The method seam: a way to solve problems, whatever the benchmark, and what one try gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestra.trace.record import TraceRecord

from .problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a try has taken; the fields of a `Row` with these names are these."""

    work: int = 0
    span: int = 0
    wasted: int = 0
    unobserved: int = 0
    injected: int = 0
    cached: int | None = None
    prefilled: int | None = None
    judged: int = 0
    context: int | None = None
    requests: int = 0
    threads: int = 1
    refused: int = 0
    cut: int = 0
    explored: int | None = None
    engine_seconds: float = 0.0
    wall_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOutcome:
    """What became of a plan's node. Times are seconds since the plan began to run."""

    status: str
    """succeeded, failed, skipped, cancelled or uncertain, as `orchestra.schedule.outcome.Status` has them."""
    started: float | None = None
    """None when it never ran."""
    finished: float | None = None
    output: str | None = None
    """The beginning of its value as text; None where it has none."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of a try for looking at it: one entry of `traces.jsonl.gz`."""

    problem: str | None = None
    """What was asked, in words: the runner fills it in."""
    text: str | None = None
    """The final text, which was graded."""
    tree: TraceRecord | None = None
    """Threads, traces or model calls on one clock; None where nothing was decoded by threads of ours."""
    plan: Mapping[str, Any] | None = None
    """The plan as it ran, in the JSON format of `orchestra.plan`."""
    outcomes: Mapping[str, NodeOutcome] = field(default_factory=dict)
    """Of the plan's nodes, by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One try."""

    text: str | None
    """What is graded; None when nothing was said."""
    status: str
    costs: Costs
    error: str | None = None
    """An infrastructure failure: the try is never graded."""
    flaw: str | None = None
    """Why there is nothing to grade, where the method can say; a grader's word goes first."""
    timed_out: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    keep: Callable[[], Kept] = Kept
    """Makes what is kept of it: called for few tries, and costs more than all the rest of a row."""


class Method(Protocol):
    """Made once for a run, entered with its engines and models by whoever runs it, asked for many problems at a time."""

    @property
    def label(self) -> str:
        """What tables call it: "serial", "fork (first)", "weave (all)", "short_m:n=8,m=4"."""
        ...

    async def attempt(self, problem: Problem, *, epoch: int) -> Attempted:
        """Engine, network and tool-server failures are in `error`; what is raised ends the run. Cancelling aborts everything first."""
        ...
