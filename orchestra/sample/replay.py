"""Runs a policy on recorded traces in virtual time: no model, no tasks, microseconds an event.

Time advances in decoding steps, in each of which every running trace samples one token, a forked one evenly more. `clock` says how many seconds a
step takes with so many traces running; without one it is 1.0. Traces launched together stay in lockstep, so their progress comes as one event.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ..errors import ConfigError
from .decisions import Fresh, Judge, Launch, Probe, Wake
from .events import Begun, Finished, Judged, Measured, Probed, Progress, Woken
from .judges.base import Opinion
from .outcome import Outcome
from .policy import Needs, Policy
from .pool import Pool, PooledProblem, Recorded
from .run import Run, check_slots

PROBE_TOKENS = 20  # Dynasor and Parallel-Probe force about as many
_DONE = 1e-9


class PoolJudge(Protocol):
    """Scores recorded traces of one problem, each cut to its first `tokens` where that is given. None: no opinion."""

    def __call__(self, problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion | None: ...


def recorded_reward(problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion | None:
    """The reward model's score that the pool holds."""
    reward = traces[0].reward
    return None if reward is None else Opinion(score=reward)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a replay works, for all its runs."""

    slots: int | None = None
    """Traces that decode at once; further launches wait."""
    clock: Callable[[int], float] | None = None
    """Seconds of a decoding step with so many traces running."""
    judges: Mapping[str, PoolJudge] = field(default_factory=lambda: {"reward": recorded_reward})
    probe_tokens: int = PROBE_TOKENS
    """Charged for each probe of a trace."""

    def __post_init__(self) -> None:
        check_slots(self.slots)


def check(policy: Policy, pool: Pool, rules: Rules) -> None:
    """Raises `ConfigError` when this pool cannot express what `policy` needs."""
    if missing := lacking(policy.needs, pool, rules):
        raise ConfigError(f"the pool {pool.name} cannot express {policy}: it has no {', no '.join(missing)}")
    if policy.most > pool.depth:
        raise ConfigError(
            f"{policy} may launch {policy.most} traces, but {pool.name} has problems with only {pool.depth}: lower its `n`"
        )


def lacking(needs: Needs, pool: Pool, rules: Rules) -> list[str]:
    """What `needs` asks and the pool does not hold, in words."""
    holds = pool.holds
    return [
        what
        for what, absent in (
            (f"confidences of {needs.stride}-token pieces", needs.stride and needs.stride != holds.stride),
            ("confidence scores", needs.scores and not holds.scores),
            ("uncertain steps", needs.steps and not holds.steps),
            ("answers forced early", needs.probes and not holds.probes),
            ("texts that other traces could be shown or continue", needs.branches or needs.purposes),
            (f"judge for {', '.join(sorted(needs.judges - rules.judges.keys()))}", needs.judges - rules.judges.keys()),
            (
                "reward scores",
                "reward" in needs.judges and "reward" not in holds.judges and rules.judges.get("reward") is recorded_reward,
            ),
            (f"traces of the arm {', '.join(sorted(needs.arms - holds.arms))}", needs.arms - holds.arms),
        )
        if absent
    ]


def replay(
    policy: Policy, pool: Pool, problem: PooledProblem, order: Sequence[int], *, rules: Rules | None = None, log: bool = False
) -> Outcome:
    """Run `policy` on one problem. `order` says which recorded trace the first, second, … launch gets (of its arm).

    Raises `ConfigError` for what the pool cannot express.
    """
    return _PoolStage(policy, pool, problem, order, rules or Rules(), log=log).run_to_end()


class _Due(NamedTuple):
    step: float
    kind: int
    """0: milestones of a cohort, 1: a trace ends. At the same step, what it sampled is told before its end."""
    number: int
    """Of the trace, or of the cohort."""


@dataclass(slots=True)
class _Cohort:
    """Traces that began at the same step and sample as many tokens a step."""

    traces: list[int]
    began: float
    pace: tuple[int, int]
    """So many tokens in so many steps."""
    passed: int = 0
    """Milestones passed."""

    def steps(self, tokens: int) -> int:
        """From the beginning until so many tokens are sampled."""
        return -(-tokens * self.pace[1] // self.pace[0])


class _PoolStage:
    def __init__(
        self, policy: Policy, pool: Pool, problem: PooledProblem, order: Sequence[int], rules: Rules, *, log: bool
    ) -> None:
        self._pool = pool
        self._problem = problem
        self._rules = rules
        self._order: dict[str, Iterator[Recorded]] = {
            arm: iter([problem.traces[index] for index in order if problem.traces[index].arm == arm])
            for arm in {problem.traces[index].arm for index in order}
        }
        needs = policy.needs
        self._milestone = needs.tokens_every or needs.stride
        if needs.tokens_every and needs.stride:
            self._milestone = math.gcd(needs.tokens_every, needs.stride)
        self._needs = needs
        self._traces: list[Recorded] = []
        self._began: dict[int, float] = {}
        """Step at which each decoding trace began."""
        self._queue: list[int] = []
        self._cohorts: list[_Cohort] = []
        self._due: list[_Due] = []
        self._wakes: list[float] = []
        self._step = 0.0
        self._seconds = 0.0
        self._run = Run(policy, self, log=log)

    def run_to_end(self) -> Outcome:
        run = self._run
        run.post(Begun(0.0))
        while run.stop is None:
            if not self._advance():
                break
        run.account.span, run.account.seconds = run.span, self._seconds
        run.account.prefill = run.account.cached = None
        return run.outcome()

    def _advance(self) -> bool:
        """Move to the next moment at which something happens, and tell it."""
        while self._due and self._stale(self._due[0]):
            heapq.heappop(self._due)
        if not self._due and not self._wakes:
            return False
        pace = self._rules.clock(len(self._began)) if self._rules.clock else 1.0
        target = self._due[0].step if self._due else math.inf
        arrival = self._seconds + (target - self._step) * pace if self._due else math.inf
        if self._wakes and self._wakes[0] < arrival:
            wake = max(heapq.heappop(self._wakes), self._seconds)
            if self._began:
                self._step += (wake - self._seconds) / pace
            self._seconds = wake
            self._run.pending -= 1
            self._run.post(Woken(wake))
            return True
        self._seconds, self._step = arrival, target
        due = heapq.heappop(self._due)
        if due.kind:
            self._end(due.number)
        else:
            self._milestones(self._cohorts[due.number], due)
        return True

    def _stale(self, due: _Due) -> bool:
        if due.kind:
            return due.number not in self._began
        cohort = self._cohorts[due.number]
        cohort.traces = [trace for trace in cohort.traces if trace in self._began]
        return not cohort.traces

    def _milestones(self, cohort: _Cohort, due: _Due) -> None:
        cohort.passed += 1
        tokens = cohort.passed * self._milestone
        heapq.heappush(self._due, due._replace(step=cohort.began + cohort.steps(tokens + self._milestone)))
        for trace in cohort.traces:
            self._run.reached(trace, cohort.steps(tokens))
        stride, every = self._needs.stride, self._needs.tokens_every
        if stride and tokens % stride == 0:
            piece = tokens // stride - 1
            pieces = {t: [c[piece]] for t in cohort.traces if (c := self._traces[t].confidence) and piece < len(c)}
            self._run.post(Measured(self._seconds, pieces))
        if every and tokens % every == 0 and self._run.stop is None:
            self._run.post(Progress(self._seconds, {trace: tokens for trace in cohort.traces if trace in self._began}))

    def _end(self, trace: int) -> None:
        recorded = self._traces[trace]
        del self._began[trace]
        self._run.account.kept += recorded.tokens
        self._run.reached(trace, recorded.steps_taken)
        self._fill()
        needs = self._needs
        self._run.post(
            Finished(
                self._seconds,
                trace,
                recorded.answer,
                recorded.tokens,
                recorded.cut,
                recorded.scores if needs.scores else None,
                recorded.steps or () if needs.steps else (),
            )
        )

    def _sampled(self, trace: int) -> int:
        """Tokens that a decoding trace has by now; in a forked one they are taken to come evenly."""
        recorded = self._traces[trace]
        steps = self._step - self._began[trace]
        if recorded.span is None:
            return min(recorded.tokens, int(steps + _DONE))
        return int(recorded.tokens * steps / max(1, recorded.span) + _DONE)

    # The stage: decisions come in here.

    def launch(self, first: int, launch: Launch) -> None:
        if not isinstance(launch.start, Fresh):
            raise ConfigError(f"the pool {self._pool.name} holds whole traces: {launch.start} needs a live engine")
        for trace in range(first, first + launch.count):
            recorded = next(self._order.get(launch.arm, iter(())), None)
            if recorded is None:
                raise ConfigError(f"the pool {self._pool.name} has no more traces for {self._problem.id}: lower the policy's `n`")
            self._traces.append(recorded)
            self._queue.append(trace)
        self._fill()

    def _fill(self) -> None:
        slots = self._rules.slots
        free = len(self._queue) if slots is None else slots - len(self._began)
        starting, self._queue = self._queue[: max(0, free)], self._queue[max(0, free) :]
        if not starting:
            return
        paces: dict[tuple[int, int], list[int]] = {}
        for trace in starting:
            recorded = self._traces[trace]
            self._began[trace] = self._step
            heapq.heappush(self._due, _Due(self._step + recorded.steps_taken, 1, trace))
            pace = (recorded.tokens, recorded.span) if recorded.span and recorded.tokens else (1, 1)
            paces.setdefault(pace, []).append(trace)
        for pace, traces in paces.items() if self._milestone else ():
            cohort = _Cohort(traces, self._step, pace)
            heapq.heappush(self._due, _Due(self._step + cohort.steps(self._milestone), 0, len(self._cohorts)))
            self._cohorts.append(cohort)

    def abort(self, trace: int) -> None:
        if trace in self._began:
            self._run.account.aborted += self._sampled(trace)
            del self._began[trace]
            if self._run.stop is None:
                self._fill()
        else:
            self._queue.remove(trace)

    def probe(self, probe: Probe) -> None:
        answers: dict[int, str | None] = {}
        for trace in probe.traces:
            if trace in self._began:
                probes = self._traces[trace].probes or ()
                taken = self._sampled(trace) // self._pool.probe_every
                answers[trace] = probes[min(taken, len(probes)) - 1] if taken and probes else None
        self._run.account.probe += self._rules.probe_tokens * len(answers)
        self._run.post(Probed(self._seconds, answers))

    def judge(self, judge: Judge) -> None:
        score = self._rules.judges.get(judge.question)
        if score is None:
            raise ConfigError(f"no judge for {judge.question!r}: give one in `judges`")
        scores: dict[tuple[int, ...], float | None] = {}
        longest = 0
        for group in judge.groups:
            opinion = score(self._problem, [self._traces[trace] for trace in group], judge.tokens)
            scores[group] = opinion.score if opinion else None
            if opinion:
                longest = max(longest, opinion.sampled)
                self._run.account.judge += opinion.sampled
                self._run.account.judge_read += opinion.prefill
        self._run.waited(self._run.span, longest)
        self._run.post(Judged(self._seconds, judge.question, scores))

    def wake(self, wake: Wake) -> None:
        self._run.pending += 1
        heapq.heappush(self._wakes, wake.at)
