"""Several machines that each test and revise their own attempt; the attempts that pass most tests come to a last selection."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Decision, Judge, Launch, Revise, Stop
from ..events import Begun, Event, Failed, Finished, Judged
from ..policy import Needs, Standing
from .rounds import REFINE, after

SELECT, TESTS = "select", "tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Monkeys:
    """`n` machines that each test and revise their own attempt, and a selection among those that pass most tests (CodeMonkeys, Ehrlich
    et al. 2025, arXiv 2501.14723).

    A machine makes up to `steps` attempts that revise the one before; the judge "tests" says how many tests each passes. Every machine
    puts up its best attempt; equal answers are one candidate; the `finalists` with most tests passed are shown to one more trace, which
    selects. The paper runs 10 machines of up to 8 calls, and selects among the top 3.

    Between candidates with as many tests passed, the one that more machines put up goes first, then the shortest: the paper goes by
    length alone. Where we differ otherwise: tests come from the judge, which runs them in whatever sandbox it likes, and are not
    written by a second machine here, so that an attempt is not run against the other machines' tests unless the judge does so; a
    machine ends when it passes `enough` tests, not when the model approves of its own work; the selection is one trace that writes no
    tests.

    Fall-backs: an attempt without the judge's opinion counts as passing fewer than any other, so that without any opinion the majority
    decides; attempts without an answer are revised, but never put up; a lost attempt uses up its step; when the selection is lost or
    answers something that was not put up, the first finalist is the answer.
    """

    n: int = 10
    steps: int = 8
    enough: float | None = None
    """Tests passed at which a machine is done; None: every machine makes all its steps."""
    finalists: int = 3

    def __post_init__(self) -> None:
        for name in ("n", "steps", "finalists"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}")

    @property
    def selects(self) -> bool:
        return self.n > 1 and self.finalists > 1

    @property
    def most(self) -> int:
        return self.n * self.steps + self.selects

    @property
    def needs(self) -> Needs:
        purposes = ({REFINE} if self.steps > 1 else set()) | ({SELECT} if self.selects else set())
        return Needs(judges=frozenset({TESTS}), purposes=frozenset(purposes))

    def decider(self) -> MonkeysDecider:
        return MonkeysDecider(self)


@dataclass
class _Machine:
    steps: int = 1
    """Launched so far."""
    ended: list[Finished] = field(default_factory=list)
    done: bool = False


@dataclass
class _Candidate:
    """An answer and the best attempt that gives it."""

    trace: Finished
    passed: float
    machines: int = 1


@dataclass
class MonkeysDecider:
    policy: Monkeys
    board: Board = field(default_factory=Board)
    machines: list[_Machine] = field(default_factory=list)
    machine_of: dict[int, _Machine] = field(default_factory=dict)
    passed: dict[int, float] = field(default_factory=dict)
    """Tests, by trace."""
    finalists: list[_Candidate] = field(default_factory=list)
    selection: int | None = None
    answer: _Candidate | None = None

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                self.machines = [_Machine() for _ in range(self.policy.n)]
                self.machine_of = dict(enumerate(self.machines))
                return [self.board.launch(Launch(self.policy.n))]
            case Finished() | Failed() if event.trace == self.selection:
                return [self._select(event.answer if isinstance(event, Finished) else None)]
            case Finished():
                self.machine_of[event.trace].ended.append(event)
                if event.answer is not None:
                    return [Judge(TESTS, ((event.trace,),))]
                return self._go_on(self.machine_of[event.trace])
            case Failed():
                return self._go_on(self.machine_of[event.trace])
            case Judged() if event.question == TESTS:
                for (trace, *_), score in event.scores.items():
                    if score is not None and not math.isnan(score):
                        self.passed[trace] = score
                return [decision for trace, *_ in event.scores for decision in self._go_on(self.machine_of[trace])]
            case _:
                return []

    def standing(self) -> Standing:
        best = self.answer or next(iter(self._candidates()), None)
        return Standing(answer=best.trace.answer, trace=best.trace.trace) if best else Standing(answer=None)

    def _go_on(self, machine: _Machine) -> list[Decision]:
        """The machine's next step, or the end of all machines when it was the last one at work."""
        policy = self.policy
        latest = machine.ended[-1:]
        enough = bool(latest) and policy.enough is not None and self._passes(latest[0]) >= policy.enough
        if machine.steps < policy.steps and not enough:
            machine.steps += 1
            self.machine_of[self.board.launched] = machine
            return [self.board.launch(Launch(start=after(latest)))]
        machine.done = True
        return [self._finish()] if all(machine.done for machine in self.machines) else []

    def _finish(self) -> Decision:
        self.finalists = self._candidates()[: self.policy.finalists]
        if len(self.finalists) < 2 or not self.policy.selects:
            return self._select(None)
        self.selection = self.board.launched
        return self.board.launch(Launch(start=Revise(tuple(finalist.trace.trace for finalist in self.finalists), SELECT)))

    def _candidates(self) -> list[_Candidate]:
        """Best first."""
        candidates: dict[str, _Candidate] = {}
        for machine in self.machines:
            # The latest of its best: a revision is kept unless it passes fewer tests.
            best = max((t for t in reversed(machine.ended) if t.answer is not None), key=self._passes, default=None)
            if best is None or best.answer is None:
                continue
            new = _Candidate(best, self._passes(best))
            if old := candidates.get(best.answer):
                new.machines = old.machines + 1
                if (-old.passed, old.trace.tokens) <= (-new.passed, new.trace.tokens):
                    new.trace, new.passed = old.trace, old.passed
            candidates[best.answer] = new
        return sorted(candidates.values(), key=lambda c: (-c.passed, -c.machines, c.trace.tokens, c.trace.trace))

    def _passes(self, trace: Finished) -> float:
        return self.passed.get(trace.trace, -math.inf)

    def _select(self, answer: str | None) -> Stop:
        if not self.finalists:
            return Stop(None, "no machine states an answer")
        chosen = next((finalist for finalist in self.finalists if finalist.trace.answer == answer), None)
        best = self.answer = chosen or self.finalists[0]
        tests = f"{best.passed:g} tests passed" if best.passed > -math.inf else "no test was run"
        if self.selection is None:
            why = tests
        elif chosen:
            why = f"selected among {len(self.finalists)}, {tests}"
        else:
            why = f"the selection chose none of {len(self.finalists)}, the first stands: {tests}"
        return Stop(best.trace.answer, why, best.trace.trace)
