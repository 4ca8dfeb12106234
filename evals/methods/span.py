"""A budget of span around any policy: when the critical path has taken so many tokens, the policy's answer of the moment is the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestra.sample.decisions import Decision, Launch, Stop
from orchestra.sample.events import Event, Finished, Measured, Progress
from orchestra.sample.policies.milestones import Milestones, more_often
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
        return more_often(self.policy.needs, min(self.every, self.span))

    @property
    def most(self) -> int:
        return self.policy.most

    def decider(self) -> SpanDecider:
        return SpanDecider(self, self.policy.decider(), Milestones(self.policy.needs.tokens_every))


@dataclass
class SpanDecider:
    policy: SpanBudget
    inner: Decider
    milestones: Milestones
    origin: list[int] = field(default_factory=list)
    """By trace: how far the critical path had come when it was launched."""
    reached: int = 0

    def on(self, event: Event) -> Iterable[Decision]:
        match event:
            case Progress(tokens=tokens):
                for trace, sampled in tokens.items():
                    self.reached = max(self.reached, self.origin[trace] + sampled)
            case Finished(trace=trace, tokens=sampled):
                self.reached = max(self.reached, self.origin[trace] + sampled)
            case Measured():
                pass  # a `Progress` follows where it matters
        heard = self.milestones.heard(event)
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
