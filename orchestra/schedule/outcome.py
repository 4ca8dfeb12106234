"""What becomes of a node, and of a whole run. A failure is data here: nothing in this file is raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import PlanError
from ..plan.plan import Plan

Status = Literal["succeeded", "failed", "skipped", "cancelled", "uncertain"]
"""skipped: something that it needs failed, or the budget ended. uncertain: an effect that must not be repeated was begun by an earlier process
and nobody knows whether it happened."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent."""

    calls: int = 0
    """Of tools and models, retries and hedges included."""
    tokens: int = 0
    """Sampled by models."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    money: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.money + other.money,
        )


NOTHING = Usage()
ONE_CALL = Usage(calls=1)


@dataclass(slots=True)
class Outcome:
    """What became of one node. Times are seconds on the event loop's clock."""

    status: Status
    value: Any = None
    error: str | None = None
    """Why there is no value, with the next step where there is one; None when it succeeded."""
    started: float | None = None
    """When its first attempt began; None when it never ran here."""
    finished: float | None = None
    """None until it has ended."""
    attempts: int = 0
    source: Literal["run", "cache", "shared", "journal", "none"] = "run"
    """Where the value comes from: shared is another node's identical call that was in flight; journal is an earlier process."""
    usage: Usage = NOTHING

    @property
    def ok(self) -> bool:
        return self.status == "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run leaves behind, whatever happened. Finished nodes' outcomes are never lost."""

    status: Literal["succeeded", "partial", "failed"]
    """partial: the output could not be made, but some nodes succeeded."""
    output: Any = field(repr=False)
    error: str | None = None
    """Why there is no output."""
    plan: Plan = field(repr=False)
    """As it was at the end, patches included."""
    outcomes: Mapping[str, Outcome] = field(repr=False)
    usage: Usage
    started: float
    finished: float
    stopped: str | None = None
    """The limit or decision that ended the run early."""
    left_behind: tuple[str, ...] = ()
    """Ids of nodes whose tool ignored its cancellation and may still be running in a thread or task of its own."""

    @property
    def seconds(self) -> float:
        return self.finished - self.started

    def of(self, status: Status) -> list[str]:
        return [node for node, outcome in self.outcomes.items() if outcome.status == status]

    def checked(self) -> Any:
        """The output; raises `PlanError` with the reason when there is none."""
        if self.status != "succeeded":
            failures = "".join(
                f"\n- {node}: {outcome.error}" for node, outcome in self.outcomes.items() if outcome.status == "failed"
            )
            raise PlanError(f"{self.error}{failures}")
        return self.output


class SubPlanFailed(PlanError):
    """A plan inside a plan has no output. `usage` is what it had spent all the same."""

    def __init__(self, message: str, usage: Usage) -> None:
        super().__init__(message)
        self.usage = usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often a failed call is tried again, and when. Calls with effect "once" are never repeated."""

    attempts: int = 2
    """Including the first."""
    wait_s: float = 0.5
    """Before the second attempt; doubled each time, with jitter, at most `max_wait_s`."""
    max_wait_s: float = 20.0
    on: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)
    """Exceptions that another try can help against. Engines and endpoints retry on their own before they raise `EngineError`."""
