"""Whole traces first, then continuations from where the model was unsure, and an answer from reports on all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ..board import Board
from ..decisions import Branch, Decision, Fresh, Launch, Revise, Stop
from ..events import Begun, Event, Failed, Finished
from ..policy import Needs, Standing
from ..votes import Votes

REPORT, INTEGRATE = "report", "integrate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Muse:
    """Whole traces, continuations from their most uncertain steps, and one answer from reports on all of them (ParallelMuse, Li et al.
    2025, arXiv 2510.24698).

    `initial` traces; then from each of their `top` most uncertain steps `branches` continuations, up to `budget` traces in all
    ("partial rollout"); then one report on each, and one trace that integrates the reports ("compressed reasoning aggregation"). The
    paper has 1, 2, 3 and 8.

    A continuation shares its origin's prefix up to the step, which a prefix cache holds. Steps are taken in the order of their
    uncertainty over all initial traces. Where we differ: one phase of branching; steps are the source's, not split by kind (thinking,
    tool call); reports are written as soon as their trace ends, not one after the other; uncertainty is exp of the mean entropy of the
    renormalised top candidates (`Step.uncertainty`), where the released code mixes renormalised and plain probabilities. `aggregate`
    "vote" takes the majority instead.

    Fall-backs: continuations for which there are too few steps are fresh traces; a lost report is replaced by the trace itself; with
    fewer than two traces to integrate, or an integration that is lost or states no answer, the traces vote.
    """

    budget: int = 8
    initial: int = 1
    top: int = 2
    branches: int = 3
    aggregate: Literal["report", "vote"] = "report"

    def __post_init__(self) -> None:
        for name in ("budget", "initial", "top", "branches"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")
        if self.initial > self.budget:
            raise ValueError(f"`initial` traces must fit into the `budget`, got {self.initial} and {self.budget}")

    @property
    def traces(self) -> int:
        """Initial traces and their continuations."""
        return self.initial + min(self.budget - self.initial, self.initial * self.top * self.branches)

    @property
    def reports(self) -> bool:
        return self.aggregate == "report" and self.traces > 1

    @property
    def most(self) -> int:
        return 2 * self.traces + 1 if self.reports else self.traces

    @property
    def needs(self) -> Needs:
        branches = self.traces > self.initial
        return Needs(steps=branches, branches=branches, purposes=frozenset({REPORT, INTEGRATE} if self.reports else ()))

    def decider(self) -> MuseDecider:
        return MuseDecider(self)


@dataclass
class MuseDecider:
    policy: Muse
    board: Board = field(default_factory=Board)
    traces: list[Finished] = field(default_factory=list)
    """Without reports and integration."""
    waiting: set[int] = field(default_factory=set)
    """Initial traces that run."""
    report_on: dict[int, int] = field(default_factory=dict)
    """Traces by the numbers of their reports."""
    report_of: dict[int, int] = field(default_factory=dict)
    """Finished reports by the numbers of their traces."""
    integration: int | None = None
    answer: Finished | None = None

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                self.waiting = set(range(self.policy.initial))
                return [self.board.launch(Launch(self.policy.initial))]
            case Finished() | Failed() if event.trace == self.integration:
                return [self._integrated(event)]
            case Finished() | Failed():
                return self._ended(event)
            case _:
                return []

    def standing(self) -> Standing:
        if self.answer is not None:
            return Standing(answer=self.answer.answer, trace=self.answer.trace)
        return Votes.of(self.traces).standing()

    def _ended(self, event: Finished | Failed) -> list[Decision]:
        decisions: list[Decision] = []
        if event.trace in self.report_on:
            if isinstance(event, Finished):
                self.report_of[self.report_on[event.trace]] = event.trace
        elif isinstance(event, Finished):
            self.traces.append(event)
            if self.policy.reports:
                self.report_on[self.board.launched] = event.trace
                decisions.append(self.board.launch(Launch(start=Revise((event.trace,), REPORT))))
        if event.trace in self.waiting:
            self.waiting.discard(event.trace)
            if not self.waiting:
                decisions += self._branch()
        return decisions or ([] if self.board.running else [self._aggregate()])

    def _branch(self) -> list[Decision]:
        policy = self.policy
        left = policy.traces - policy.initial
        points: list[tuple[float, int, int]] = []
        for trace in self.traces:
            steps = sorted(trace.steps, key=lambda step: (-step.uncertainty, step.start))
            points += [(-step.uncertainty, trace.trace, step.start) for step in steps[: policy.top]]
        decisions: list[Decision] = []
        for _, origin, start in sorted(points):
            if not left:
                break
            count = min(policy.branches, left)
            left -= count
            decisions.append(self.board.launch(Launch(count, start=Branch(origin, start) if start else Fresh())))
        if left:
            decisions.append(self.board.launch(Launch(left)))
        return decisions

    def _aggregate(self) -> Decision:
        if not self.policy.reports or len(self.traces) < 2:
            return Votes.of(self.traces).stop(f"{len(self.traces)} of {self.policy.traces} traces ended")
        self.integration = self.board.launched
        ordered = sorted(trace.trace for trace in self.traces)
        shown = tuple(self.report_of.get(trace, trace) for trace in ordered)
        return self.board.launch(Launch(start=Revise(shown, INTEGRATE)))

    def _integrated(self, event: Finished | Failed) -> Stop:
        if isinstance(event, Finished) and event.answer is not None:
            self.answer = event
            return Stop(event.answer, f"integrates reports on {len(self.traces)} traces", event.trace)
        lost = "is lost" if isinstance(event, Failed) else "states no answer"
        return Votes.of(self.traces).stop(f"the integration {lost}, the traces vote")
