"""What happens in a run, as typed values in the order in which it happens. Times are seconds on the event loop's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..plan.node import Node
from ..plan.plan import Plan
from .outcome import Outcome, Result


@dataclass(slots=True)
class NodeAdded:
    node: Node
    at: float
    scope: str = ""
    """Of a node in a sub-plan: what stands before its id in the other events ("outer/")."""


@dataclass(slots=True)
class NodeStarted:
    id: str
    """Nodes of a sub-plan have its id before theirs: "outer/inner"."""
    attempt: int
    at: float
    traceparent: str | None = None
    """An observer that traces sets it: it goes with what the attempt asks of models (`ChatRequest.traceparent`)."""


@dataclass(slots=True)
class NodeRetried:
    """An attempt failed and another one will be made."""

    id: str
    attempt: int
    """The one that failed."""
    error: str
    wait_s: float
    at: float


@dataclass(slots=True)
class NodeHedged:
    """A straggler got a second copy of its call."""

    id: str
    after_s: float
    at: float


@dataclass(slots=True)
class NodeFinished:
    id: str
    outcome: Outcome
    at: float


@dataclass(slots=True)
class PlanPatched:
    plan: Plan
    """As it is now."""
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    reason: str
    at: float


@dataclass(slots=True)
class LimitReached:
    limit: str
    """What ran out, in words: "2,000 tokens"."""
    action: str
    at: float


@dataclass(slots=True)
class RunFinished:
    result: Result
    at: float


RunEvent: TypeAlias = NodeAdded | NodeStarted | NodeRetried | NodeHedged | NodeFinished | PlanPatched | LimitReached | RunFinished
