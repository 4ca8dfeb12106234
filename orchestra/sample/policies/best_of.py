"""Best of N: a reward model chooses among finished traces, or weighs their votes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ..board import Board
from ..decisions import Decision, Judge, Launch, Stop
from ..events import Begun, Event, Failed, Finished, Judged
from ..policy import Needs, Standing
from ..votes import Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOf:
    """A reward model chooses one of `n` traces, or weighs their votes (best-of-N: Cobbe et al. 2021, arXiv 2110.14168; DiVeRSe: Li et
    al. 2023, arXiv 2206.02336).

    The judge "reward" scores each trace as soon as it ends.

    "best"      the answer of the trace with the highest reward (best-of-N, section 4)
    "weighted"  a vote weighted by reward (DiVeRSe, section 3.2). The paper's verifier gives probabilities; as reward models give any
                number, a vote weighs the logistic function of its reward.

    Ties go to the trace that was launched first. Traces without an answer are not judged. A trace whose judge failed can be neither
    chosen nor weighed; when no trace was scored, the plain majority answers, and `why` says so.
    """

    n: int = 8
    choose: Literal["best", "weighted"] = "best"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"`n` must be at least 1, got {self.n}")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs(judges=frozenset({"reward"}))

    def decider(self) -> BestOfDecider:
        return BestOfDecider(self)


@dataclass
class BestOfDecider:
    policy: BestOf
    board: Board = field(default_factory=Board)
    waiting: set[int] = field(default_factory=set)
    """Traces that the judge has not yet scored."""
    rewards: dict[int, float] = field(default_factory=dict)

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Finished(answer=str()):
                self.waiting.add(event.trace)
                return [Judge("reward", ((event.trace,),))]
            case Finished() | Failed():
                pass
            case Judged():
                for (trace,), reward in event.scores.items():
                    self.waiting.discard(trace)
                    if reward is not None and math.isfinite(reward):
                        self.rewards[trace] = reward
            case _:
                return []
        return [] if self.board.running or self.waiting else [self._stop()]

    def standing(self) -> Standing:
        scored = sorted((trace for trace in self.board.finished if trace.trace in self.rewards), key=lambda trace: trace.trace)
        if not scored:
            return Votes.of(self.board.finished).standing()
        if self.policy.choose == "weighted":
            return Votes.of(scored, [_logistic(self.rewards[trace.trace]) for trace in scored]).standing()
        best = max(scored, key=lambda trace: self.rewards[trace.trace])
        return Standing(answer=best.answer, trace=best.trace)

    def _stop(self) -> Stop:
        standing, ended = self.standing(), len(self.board.finished)
        if not self.rewards:
            return Votes.of(self.board.finished).stop(f"no reward for any of {ended} traces, so the majority answers")
        if self.policy.choose == "weighted":
            return Stop(standing.answer, f"vote weighted by {len(self.rewards)} rewards of {ended} traces", standing.trace)
        assert standing.trace is not None
        return Stop(standing.answer, f"highest reward, {self.rewards[standing.trace]:.3g}, of {ended} traces", standing.trace)


def _logistic(reward: float) -> float:
    """Without an overflow at either end."""
    return (1 + math.tanh(reward / 2)) / 2
