"""Small pools, written-out events, and an arena in which anything legal may happen next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random

from orchestra.sample.again import decide_again
from orchestra.sample.decisions import Abort, Decision, Judge, Launch, Probe, Stop, Wake
from orchestra.sample.events import Begun, Event, Failed, Finished, Judged, Measured, Probed, Progress, Woken
from orchestra.sample.judges.base import Opinion
from orchestra.sample.outcome import Outcome
from orchestra.sample.policy import Policy
from orchestra.sample.pool import Pool, PooledProblem, Recorded
from orchestra.sample.replay import PoolJudge, Rules, replay
from orchestra.sample.run import Run
from orchestra.sample.scores import TraceScores

Trace = Recorded | tuple[str | None, int]
"""A recorded trace, or just its answer and tokens."""


def run(policy: Policy, *traces: Trace, probe_every: int = 0, stride: int = 0, rules: Rules | None = None) -> Outcome:
    """Replay on one problem with these traces, in this order. One decoding step is one second."""
    recorded = [
        trace if isinstance(trace, Recorded) else Recorded(answer=trace[0], tokens=trace[1], correct=False) for trace in traces
    ]
    problem = PooledProblem(id="p", text="", gold=None, traces=recorded)
    pool = Pool("made", [problem], probe_every=probe_every, stride=stride)
    return replay(policy, pool, problem, range(len(traces)), rules=rules, log=True)


def seen(outcome: Outcome) -> tuple[str | None, int, int, int]:
    """Answer, kept, aborted, span."""
    account = outcome.account
    return outcome.answer, account.kept, account.aborted, account.span


def decide(policy: Policy, *events: Event) -> list[list[Decision]]:
    """What a fresh decider says to each event."""
    decider = policy.decider()
    return [list(decider.on(event)) for event in events]


def end(trace: int, answer: str | None, *, at: float = 0.0, tokens: int = 10, scores: TraceScores | None = None) -> Finished:
    return Finished(at, trace, answer, tokens, scores=scores)


def lose(trace: int, *, at: float = 0.0) -> Failed:
    return Failed(at, trace, "the engine is gone")


def launches(outcome: Outcome) -> list[int]:
    """How many traces each launch began."""
    return [decision.count for turn in outcome.turns for decision in turn.decisions if isinstance(decision, Launch)]


def aborts(outcome: Outcome) -> list[tuple[float, tuple[int, ...]]]:
    """When which traces were aborted, but for those at the stop."""
    return [
        (turn.event.at, decision.traces) for turn in outcome.turns for decision in turn.decisions if isinstance(decision, Abort)
    ]


def judged_by(question: str, score: Callable[[Recorded, Recorded], float | None]) -> Rules:
    """Rules with a judge of pairs."""

    def judge(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion | None:
        opinion = score(traces[0], traces[1])
        return None if opinion is None else Opinion(score=opinion, sampled=1)

    judges: Mapping[str, PoolJudge] = {question: judge}
    return Rules(judges=judges)


def survives(policy: Policy, random: Random) -> None:
    """Whatever legal events come: it stops, keeps the rules that `Run` checks, `most` among them, and decides the same again."""
    outcome = Arena(policy, random).fight()
    stops = [decision for turn in outcome.turns for decision in turn.decisions if isinstance(decision, Stop)]
    assert len(stops) == 1
    assert outcome.account.launched <= policy.most
    assert outcome.answer in {None, *ANSWERS}
    assert decide_again(policy, outcome.turns) is None


ANSWERS = ("7", "8", "9")


class Arena:
    """A stage for one run. Traces progress, end and fail, and probes, judges and alarms come back, in any order and late."""

    def __init__(self, policy: Policy, random: Random) -> None:
        self.random = random
        self.policy = policy
        self.tokens: dict[int, int] = {}
        """Of traces that run."""
        self.side: list[Callable[[], Event]] = []
        self.now = 0.0
        self.judge_fails = random.random() < 0.2
        self.engine_fails = random.choice([0.0, 0.2, 1.0])
        self.mute = random.random() < 0.2
        """No trace states an answer."""
        self.run = Run(policy, self, log=True)

    def fight(self) -> Outcome:
        self.run.post(Begun(0.0))
        while self.run.stop is None:
            self.now += self.random.random()
            if self.side and (not self.tokens or self.random.random() < 0.5):
                self.run.pending -= 1
                self.run.post(self.side.pop(self.random.randrange(len(self.side)))())
            elif self.random.random() < 0.3:
                self._end(self.random.choice(list(self.tokens)))
            else:
                self._decode()
        assert not self.tokens
        return self.run.outcome()

    def _end(self, trace: int) -> None:
        tokens = self.tokens.pop(trace)
        if self.random.random() < self.engine_fails:
            self.run.post(lose(trace, at=self.now))
            return
        scores = None
        if self.policy.needs.scores and self.random.random() < 0.8:
            scores = TraceScores(**{name: self.random.random() for name in TraceScores.__dataclass_fields__})
        self.run.post(end(trace, self._answer(), at=self.now, tokens=max(1, tokens), scores=scores))

    def _decode(self) -> None:
        """Some traces come a step of random length further."""
        needs = self.policy.needs
        step = needs.tokens_every or needs.stride or 1
        moved = [trace for trace in self.tokens if self.random.random() < 0.5]
        for trace in moved:
            self.tokens[trace] += step * self.random.choice([1, 1, 2])
        if moved and needs.stride:
            self.run.post(Measured(self.now, {trace: [self.random.choice([0.0, 1.0, 2.0, math.inf])] for trace in moved}))
        if moved and needs.tokens_every:
            self.run.post(Progress(self.now, {trace: self.tokens[trace] for trace in moved if trace in self.tokens}))

    def _answer(self) -> str | None:
        return None if self.mute else self.random.choice([None, *ANSWERS])

    def _later(self, event: Callable[[], Event]) -> None:
        self.run.pending += 1
        self.side.append(event)

    def launch(self, first: int, launch: Launch) -> None:
        self.tokens.update(dict.fromkeys(range(first, first + launch.count), 0))

    def abort(self, trace: int) -> None:
        del self.tokens[trace]

    def probe(self, probe: Probe) -> None:
        assert self.policy.needs.probes
        self._later(lambda: Probed(self.now, {trace: self._answer() for trace in probe.traces}))

    def judge(self, judge: Judge) -> None:
        assert judge.question in self.policy.needs.judges
        scores = [None] if self.judge_fails else [None, 0.0, 0.4, 0.6, 1.0, math.nan]
        self._later(lambda: Judged(self.now, judge.question, {group: self.random.choice(scores) for group in judge.groups}))

    def wake(self, wake: Wake) -> None:
        self._later(lambda: Woken(self.now))
