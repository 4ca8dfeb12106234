"""Live traces that are made up by chance, with whatever a policy may need: tokens, confidences, uncertain steps, forced answers, judges.

Everything that is sampled is counted here, so that a run's account can be checked against it.
"""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass, field
from random import Random

from orchestra.engine.scores import Scores
from orchestra.errors import EngineError, ToolError
from orchestra.sample.bench import Bench
from orchestra.sample.decisions import Branch, Fresh, Revise
from orchestra.sample.events import Step
from orchestra.sample.judges.base import Opinion, Question
from orchestra.sample.policy import Needs
from orchestra.sample.source import Ending, LiveTrace, Usage

ANSWERS = ("7", "8", "9")


@dataclass
class MadeSource:
    """One for all arms of a run."""

    random: Random
    mute: bool = False
    """No trace states an answer."""
    failing: float = 0.0
    """The share of traces and probes that are lost."""
    silent_judge: bool = False
    """No judge ever has an opinion."""
    longest: int = 40
    sampled: int = 0
    """By traces, probes and judges."""
    running: int = 0
    aborted: int = 0
    ended: set[int] = field(default_factory=set)

    def bench(self, needs: Needs) -> Bench:
        return Bench(arms=dict.fromkeys(needs.arms, self), judges=dict.fromkeys(needs.judges, self._judge), judge_timeout_s=20)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self, trace: LiveTrace) -> Ending:
        self._check_start(trace)
        length, fails = self.random.randint(1, self.longest), self.random.random() < self.failing
        trace.scores = Scores(20) if trace.top_logprobs else None
        self.running += 1
        try:
            while trace.usage.sampled < length:
                count = min(self.random.choice([1, 5]), length - trace.usage.sampled)
                await asyncio.sleep(count * self.random.choice([0.5, 1.0]))
                self._sample(trace, count)
            if fails:
                raise EngineError("the server has gone")
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        finally:
            self.running -= 1
        self.ended.add(trace.id)
        steps = [Step(start, self.random.uniform(1, 9)) for start in sorted(self.random.sample(range(length), min(2, length)))]
        return Ending(answer=self._answer(), steps=steps)

    async def probe(self, trace: LiveTrace) -> tuple[str | None, Usage]:
        await asyncio.sleep(self.random.uniform(0, 3))
        if self.random.random() < self.failing:
            raise EngineError("the server has gone")
        self.sampled += 5
        return self._answer(), Usage(sampled=5)

    def words(self, trace: LiveTrace, tokens: int | None) -> str:
        return f"trace {trace.id}"

    def _check_start(self, trace: LiveTrace) -> None:
        """Only what has ended can be shown or continued."""
        assert all(shown.id in self.ended for shown in trace.shown)
        match trace.start:
            case Branch(tokens=tokens):
                assert 0 < tokens <= trace.shown[0].usage.sampled
            case Revise(traces=traces):
                assert len(traces) == len(set(traces)) == len(trace.shown)
            case Fresh():
                assert not trace.shown

    def _sample(self, trace: LiveTrace, count: int) -> None:
        new = None
        if trace.scores is not None:
            numbers = [self.random.uniform(0, 5) for _ in range(count)]
            new = Scores(20, array("f", numbers), array("f", numbers), array("f", [0.9] * count))
            trace.scores.extend(new)
        self.sampled += count
        trace.usage.sampled += count
        trace.usage.span += count
        if trace.watched:
            assert trace.on_tokens is not None
            trace.on_tokens(count, new)

    def _answer(self) -> str | None:
        return None if self.mute else self.random.choice([None, *ANSWERS])

    async def _judge(self, question: Question) -> Opinion:
        await asyncio.sleep(self.random.choice([0.0, 2.0, 30.0]))
        self.sampled += 3
        if self.silent_judge or self.random.random() < 0.2:
            assert question.on_lost is not None
            question.on_lost(3, 10)
            raise ToolError("unreadable")
        return Opinion(score=self.random.choice([0.0, 0.3, 0.6, 0.99]), sampled=3, prefill=10)
