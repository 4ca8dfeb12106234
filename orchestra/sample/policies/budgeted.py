"""A budget around any policy: when it runs out, the policy's answer of the moment is the answer."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..decisions import Abort, Decision, Launch, Stop, Wake
from ..events import Begun, Event, Failed, Finished, Progress, Woken
from ..policy import Decider, Needs, Policy, Standing
from .milestones import Milestones, more_often


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgeted:
    """`policy` until a limit is reached.

    `tokens` counts what traces have sampled, told about every `tokens_every` tokens of each, so that it may be passed by as much for
    each trace that runs; what probes and judges sample is not in it. `seconds` is by the run's clock. `traces` caps launches: what the
    policy would launch beyond is lost to it at once, so that its own fall-backs for lost traces take over.

    A policy that launches all its traces at once may spend `tokens` before the first of them has ended, and then there is no answer:
    launch few, or in stages, within a tight budget.

    A policy that has `Progress` of its own hears of its multiples of tokens as without a budget, or up to `tokens_every` tokens later
    where these do not divide.
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
        return self.policy.needs if self.tokens is None else more_often(self.policy.needs, self.tokens_every)

    @property
    def most(self) -> int:
        return self.policy.most if self.traces is None else min(self.traces, self.policy.most)

    def decider(self) -> BudgetedDecider:
        return BudgetedDecider(self, self.policy.decider(), Milestones(self.policy.needs.tokens_every))


@dataclass
class BudgetedDecider:
    policy: Budgeted
    inner: Decider
    milestones: Milestones
    sampled: dict[int, int] = field(default_factory=dict)
    launched: int = 0
    numbered: int = 0
    """Launched as the policy inside counts: those from `launched` on were refused."""
    deadline: float = math.inf

    def on(self, event: Event) -> Iterable[Decision]:
        match event:
            case Begun() if self.policy.seconds is not None:
                self.deadline = event.at + self.policy.seconds
            case Progress():
                self.sampled.update(event.tokens)
            case Finished():
                self.sampled[event.trace] = event.tokens
            case Woken() if event.at >= self.deadline:
                return [self._stop(f"{self.policy.seconds:g} s are over")]
        heard = self.milestones.heard(event)
        decisions = self._ask(heard) if heard else []
        if any(isinstance(decision, Stop) for decision in decisions):
            return decisions
        if isinstance(event, Begun) and self.policy.seconds is not None:
            decisions.append(Wake(self.deadline))
        if self.policy.tokens is not None and (spent := sum(self.sampled.values())) >= self.policy.tokens:
            decisions.append(self._stop(f"{spent} of {self.policy.tokens} tokens are spent"))
        return decisions

    def standing(self) -> Standing:
        return self.inner.standing()

    def _ask(self, event: Event) -> list[Decision]:
        """What the policy inside decides, within the cap on launches."""
        decisions: list[Decision] = []
        waiting = deque([event])
        while waiting:
            now = waiting.popleft()
            for decision in self.inner.on(now):
                match decision:
                    case Launch():
                        fits = min(decision.count, self.policy.most - self.launched)
                        refused = range(self.numbered + fits, self.numbered + decision.count)
                        waiting.extend(Failed(event.at, trace, "refused by the budget") for trace in refused)
                        self.launched += fits
                        self.numbered += decision.count
                        if fits:
                            decisions.append(dataclasses.replace(decision, count=fits))
                    case Abort():
                        if real := tuple(trace for trace in decision.traces if trace < self.launched):
                            decisions.append(Abort(real))
                    case Stop():
                        if now is not event:
                            why = f"budget: no more than {self.policy.traces} traces may be launched: {decision.why}"
                            decision = dataclasses.replace(decision, why=why)
                        return [*decisions, decision]
                    case _:
                        decisions.append(decision)
        return decisions

    def _stop(self, why: str) -> Stop:
        standing = self.inner.standing()
        return Stop(standing.answer, f"budget: {why}", standing.trace)
