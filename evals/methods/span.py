"""A budget of span around any policy: when the critical path has taken so many tokens, the policy's answer of the moment is the answer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestra.sample.decisions import Decision, Launch, Stop
from orchestra.sample.events import Event, Finished, Measured, Progress
from orchestra.sample.policy import Decider, Needs, Policy, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanBudget:
    """`policy` until a chain of traces, each launched after what the policy had learned from the one before, has sampled `span` tokens.

    It is told of progress every `every` tokens of a trace, and may be passed by as much. Traces are serial: the tokens of one that forks
    would count as if they had been sampled one after the other.
    """

    policy: Policy
    span: int
    every: int = 256

    @property
    def needs(self) -> Needs:
        needs, every = self.policy.needs, min(self.every, self.span)
        parts = math.ceil(needs.tokens_every / every)
        # Multiples of the policy's own distance stay among those that it is told of, as in `Budgeted`.
        return dataclasses.replace(needs, tokens_every=math.ceil(needs.tokens_every / parts) if parts else every)

    @property
    def most(self) -> int:
        return self.policy.most

    def decider(self) -> SpanDecider:
        return SpanDecider(self, self.policy.decider())


@dataclass
class SpanDecider:
    policy: SpanBudget
    inner: Decider
    origin: list[int] = field(default_factory=list)
    """By trace: how far the critical path had come when it was launched."""
    reached: int = 0
    told: dict[int, int] = field(default_factory=dict)

    def on(self, event: Event) -> Iterable[Decision]:
        match event:
            case Progress(tokens=tokens):
                for trace, sampled in tokens.items():
                    self.reached = max(self.reached, self.origin[trace] + sampled)
            case Finished(trace=trace, tokens=sampled):
                self.reached = max(self.reached, self.origin[trace] + sampled)
            case Measured():
                pass  # a `Progress` follows where it matters
        heard = self._heard(event)
        decisions = list(self.inner.on(heard)) if heard is not None else []
        if any(isinstance(decision, Stop) for decision in decisions):
            return decisions
        if self.reached >= self.policy.span:
            standing = self.inner.standing()
            return [
                Stop(standing.answer, f"budget: the span has reached {self.reached} of {self.policy.span} tokens", standing.trace)
            ]
        for decision in decisions:
            if isinstance(decision, Launch):
                self.origin += [self.reached] * decision.count
        return decisions

    def standing(self) -> Standing:
        return self.inner.standing()

    def _heard(self, event: Event) -> Event | None:
        """The event as the policy inside asked for it; None for what it did not."""
        if not isinstance(event, Progress):
            return event
        every = self.policy.policy.needs.tokens_every
        passed = {trace: tokens // every * every for trace, tokens in event.tokens.items()} if every else {}
        news = {trace: tokens for trace, tokens in passed.items() if tokens > self.told.get(trace, 0)}
        self.told.update(news)
        return Progress(event.at, news) if news else None
