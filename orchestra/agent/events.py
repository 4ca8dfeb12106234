"""What happens while an agent works, as typed values: the events of its plan's run, and these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..plan.finding import Finding
from ..plan.plan import Plan
from ..schedule.events import RunEvent
from ..schedule.outcome import NOTHING, Result, Usage
from .decision import ChangePlan, Finish


@dataclass(slots=True)
class Asking:
    """The planner or the joiner is at work from now on."""

    who: Literal["planner", "joiner"]
    traceparent: str | None = None
    """An observer that traces sets it: it goes with what is asked of the model meanwhile (`ChatRequest.traceparent`)."""


@dataclass(frozen=True, slots=True)
class PlannerText:
    """The next piece of what the planner writes."""

    text: str


@dataclass(frozen=True, slots=True)
class PlanReady:
    """The plan is whole and verified. Some of its nodes may be done already."""

    plan: Plan
    findings: tuple[Finding, ...]
    """Warnings, and the errors of a plan that had to be cut down."""
    note: str
    """What was done to make it runnable; empty when it is as written."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The joiner has decided."""

    decision: Finish | ChangePlan
    round: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A decision could not be read, or a change of the plan could not be made."""

    why: str
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What became of a task."""

    answer: Any
    status: Literal["succeeded", "partial", "failed"]
    """succeeded: there is an answer. partial: there is none, but some nodes have results."""
    error: str | None = None
    """Why there is no answer, and what to do next."""
    result: Result | None = None
    """Of the plan; None when there was no plan that could be run."""
    findings: tuple[Finding, ...] = ()
    plan_texts: tuple[str, ...] = ()
    """What the planner wrote, one text an attempt."""
    rounds: int = 0
    """Changes that the joiner made to the plan."""
    usage: Usage = NOTHING
    """Of planner, joiner and nodes together."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentFinished:
    result: AgentResult


AgentEvent: TypeAlias = RunEvent | Asking | PlannerText | PlanReady | Joined | Refused | AgentFinished
