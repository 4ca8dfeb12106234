"""A problem is outlined, and each step of the outline is worked with or without thinking, by how hard it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Decision, Fresh, Judge, Launch, Revise, Start, Stop
from ..events import Begun, Event, Failed, Finished, Judged
from ..policy import Needs, Standing
from .scale import DIFFICULTY, FAST
from .summary import SUMMARISE

OUTLINE, CHOOSE, STEP = "outline", "choose_outline", "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSteps:
    """The problem is outlined, and each step of the outline is worked with or without thinking, by how hard a judge finds it (SCALE,
    Xiao et al. 2025, arXiv 2512.00466).

    `outlines` decompositions, of which one is chosen; then step by step: the judge "difficulty" scores the next step (0 to 1), up to
    `threshold` the arm "fast" works it, above it the main source, which thinks, and either sees the outline and all steps before.

    Where we differ: a policy reads no text and cannot count the outline's steps, so that the first step that states an answer is the
    last; the judge sees the steps worked so far and not titles alone; no score is forced on the last step; a lost call is not repeated
    for ever. Outlines, the choice and the scores are counted.

    The judge's group is the outline's trace and those of the steps so far, in this order; the prompts "step" and "difficulty" take the
    first text as the outline.

    Fall-backs: without any outline the main source solves the problem at once; when the choice is lost, the first outline to end is
    used; without an opinion a step is worked by thinking; a lost step uses up its turn; when `steps` are over without an answer, the
    main source reads everything ("summarise") and has the last word.
    """

    steps: int = 8
    """The most that are worked."""
    outlines: int = 8
    threshold: float = 0.2

    def __post_init__(self) -> None:
        if self.steps < 1 or self.outlines < 1:
            raise ValueError(f"`steps` and `outlines` must be at least 1, got {self.steps} and {self.outlines}")
        if not 0 <= self.threshold < math.inf:
            raise ValueError(f"`threshold` must be at least 0, got {self.threshold}")

    @property
    def most(self) -> int:
        return self.outlines + (self.outlines > 1) + self.steps + 1

    @property
    def needs(self) -> Needs:
        purposes = {OUTLINE, STEP, SUMMARISE} | ({CHOOSE} if self.outlines > 1 else set())
        return Needs(arms=frozenset({FAST}), judges=frozenset({DIFFICULTY}), purposes=frozenset(purposes))

    def decider(self) -> ScaleStepsDecider:
        return ScaleStepsDecider(self)


@dataclass
class ScaleStepsDecider:
    policy: ScaleSteps
    board: Board = field(default_factory=Board)
    outlines: list[Finished] = field(default_factory=list)
    choosing: bool = False
    chain: list[int] = field(default_factory=list)
    """The outline's trace and those of the steps worked; empty until an outline is chosen."""
    steps: int = 0
    """Launched so far."""
    thinking: int = 0
    last: int | None = None
    """The trace with the last word."""
    answer: Finished | None = None

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self._launch(Revise((), OUTLINE), arm=FAST, count=self.policy.outlines)]
            case Judged() if event.question == DIFFICULTY:
                return [self._work(next(iter(event.scores.values()), None))]
            case Finished() | Failed():
                return [decision] if (decision := self._ended(event)) else []
            case _:
                return []

    def standing(self) -> Standing:
        return Standing(answer=self.answer.answer, trace=self.answer.trace) if self.answer else Standing(answer=None)

    def _ended(self, event: Finished | Failed) -> Decision | None:
        done = event if isinstance(event, Finished) else None
        if event.trace == self.last or (self.chain and done and done.answer is not None):
            return self._stop(done)
        if self.choosing:
            self.choosing = False
            self.chain = [done.trace if done else self.outlines[0].trace]
        elif self.chain:
            self.chain += [done.trace] if done else []
        else:
            self.outlines += [done] if done else []
            if self.board.running:
                return None
            if len(self.outlines) != 1:
                return self._choose()
            self.chain = [self.outlines[0].trace]
        return self._next()

    def _choose(self) -> Decision:
        if not self.outlines:
            return self._last(Fresh())
        self.choosing = True
        return self._launch(Revise(tuple(sorted(outline.trace for outline in self.outlines)), CHOOSE), arm=FAST)

    def _next(self) -> Decision:
        if self.steps == self.policy.steps:
            return self._last(Revise(tuple(self.chain), SUMMARISE))
        return Judge(DIFFICULTY, (tuple(self.chain),))

    def _work(self, difficulty: float | None) -> Decision:
        self.steps += 1
        easy = difficulty is not None and difficulty <= self.policy.threshold
        self.thinking += not easy
        return self._launch(Revise(tuple(self.chain), STEP), arm=FAST if easy else "")

    def _last(self, start: Start) -> Decision:
        self.last = self.board.launched
        return self._launch(start)

    def _launch(self, start: Start, *, arm: str = "", count: int = 1) -> Decision:
        return self.board.launch(Launch(count, arm, start))

    def _stop(self, done: Finished | None) -> Stop:
        why = f"{self.steps} steps, {self.thinking} of them with thinking" if self.chain else "no outline: solved at once"
        if done is None or done.answer is None:
            return Stop(None, f"{why}; no answer came of it")
        self.answer = done
        return Stop(done.answer, why, done.trace)
