"""Countdown's own searches as traces for sampling policies: each try of a trace is a serial or a forked search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestra.countdown import notation
from orchestra.countdown.attempt import Setup
from orchestra.countdown.source import CountdownSource
from orchestra.engine import Engine
from orchestra.sample.outcome import Outcome
from orchestra.sample.source import LiveTrace

from ..method import Costs
from ..problem import Problem
from .boxes import boxed
from .costs import costs_of_sample
from .countdown import game_of
from .sampled import Reading
from .seeds import epoch_seed


@dataclass(frozen=True, slots=True)
class Searches:
    """Makes the source of each try. Entering and leaving the engine is the caller's."""

    engine: Engine
    setup: Setup

    def __call__(self, problem: Problem, epoch: int) -> CountdownSource:
        setup = replace(self.setup, seed=epoch_seed(self.setup.seed, epoch))
        return CountdownSource(self.engine, game_of(problem), setup)


def _claim(trace: LiveTrace) -> str:
    return boxed(trace.answer_text) if trace.answer_text is not None else ""


def _costs(outcome: Outcome, traces: Sequence[LiveTrace]) -> Costs:
    trees = [trace.tree for trace in traces if trace.tree is not None]
    explored = sum(notation.explored(s.token_ids) for tree in trees for t in tree.threads for s in t.segments if s.sampled)
    return replace(costs_of_sample(outcome, traces), explored=explored)


READING = Reading(text=_claim, decode=notation.text, costs=_costs)
