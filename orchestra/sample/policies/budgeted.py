"""A budget around any policy: when it runs out, the policy's answer of the moment is the answer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..decisions import Abort, Decision, Launch, Stop, Wake
from ..events import Begun, Event, Failed, Finished, Progress, Woken
from ..policy import Decider, Needs, Policy, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgeted:
    """`policy` until a limit is reached.

    `tokens` counts what traces have sampled, known at every `tokens_every` tokens of each, so that it may be passed by as much as
    `tokens_every` for each trace that runs. `seconds` is by the run's clock. `traces` caps launches, and what a policy would launch beyond is not launched.
    """

    policy: Policy
    tokens: int | None = None
    seconds: float | None = None
    traces: int | None = None
    tokens_every: int = 256

    def __post_init__(self) -> None:
        if self.tokens is None and self.seconds is None and self.traces is None:
            raise ValueError("a budget limits something: give `tokens`, `seconds` or `traces`")
        for name in ("tokens", "seconds", "traces", "tokens_every"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"`{name}` must be positive, got {value}")

    @property
    def needs(self) -> Needs:
        needs = self.policy.needs
        if self.tokens is None or needs.tokens_every:
            return needs
        return dataclasses.replace(needs, tokens_every=self.tokens_every)

    @property
    def most(self) -> int:
        return self.policy.most if self.traces is None else min(self.traces, self.policy.most)

    def decider(self) -> BudgetedDecider:
        return BudgetedDecider(self, self.policy.decider())


@dataclass
class BudgetedDecider:
    policy: Budgeted
    inner: Decider
    sampled: dict[int, int] = field(default_factory=dict)
    launched: int = 0
    deadline: float = math.inf
    ended: set[int] = field(default_factory=set)
    refused: bool = False

    def on(self, event: Event) -> Iterable[Decision]:
        match event:
            case Begun() if self.policy.seconds is not None:
                self.deadline = event.at + self.policy.seconds
                return [*self._ask(event), Wake(self.deadline)]
            case Progress():
                self.sampled.update(event.tokens)
            case Finished():
                self.sampled[event.trace] = event.tokens
                self.ended.add(event.trace)
            case Failed():
                self.ended.add(event.trace)
            case Woken() if event.at >= self.deadline:
                return [self._stop(f"{self.policy.seconds:g} s are over")]
        decisions = self._ask(event) if self._concerns(event) else []
        if any(isinstance(decision, Stop) for decision in decisions):
            return decisions
        if self.policy.tokens is not None and (spent := sum(self.sampled.values())) >= self.policy.tokens:
            return [*decisions, self._stop(f"{spent} of {self.policy.tokens} tokens are spent")]
        if self.refused and len(self.ended) == self.launched:
            return [*decisions, self._stop(f"no more than {self.policy.traces} traces may be launched")]
        return decisions

    def standing(self) -> Standing:
        return self.inner.standing()

    def _concerns(self, event: Event) -> bool:
        """Whether the policy inside asked for such events."""
        return not isinstance(event, Progress) or bool(self.policy.policy.needs.tokens_every)

    def _ask(self, event: Event) -> list[Decision]:
        return [kept for decision in self.inner.on(event) if (kept := self._within(decision))]

    def _within(self, decision: Decision) -> Decision | None:
        match decision:
            case Launch():
                left = self.policy.most - self.launched
                if decision.count > left:
                    self.refused = True
                    decision = dataclasses.replace(decision, count=left)
                self.launched += decision.count
                return decision if decision.count else None
            case Abort():
                self.ended.update(decision.traces)
        return decision

    def _stop(self, why: str) -> Stop:
        standing = self.inner.standing()
        return Stop(standing.answer, f"budget: {why}", standing.trace)
