"""A few fast traces tell how hard a problem is, and that decides how much thinking it gets.

SCALE (Xiao et al. 2025, arXiv 2512.00466, AAAI-26) decomposes a problem, scores the difficulty of each part, and works easy parts in
System 1 (no thinking), hard ones in System 2 (thinking). Two things of it are kept: the switch between the modes, and a budget by
difficulty. `Scale` switches once for the whole problem; `scale_steps.ScaleSteps` does it part by part, and `entropy.Seer` goes by the
fast answers alone. All tokens that find out the difficulty count, which the paper leaves out: fast traces are kept or summary work, the
judge's are judge work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ..board import Board
from ..decisions import Decision, Judge, Launch
from ..events import Begun, Event, Failed, Finished, Judged
from ..policy import Needs, Standing
from ..votes import Votes

FAST = "fast"
"""The arm of System 1; the main source is System 2."""
DIFFICULTY = "difficulty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`fast` traces without thinking; then, by how hard the problem looks, as many thinking ones as `levels` says, and these vote
    (after SCALE, Xiao et al. 2025, arXiv 2512.00466).

    signal "judge"      the judge "difficulty" (0 to 1) on the first fast trace to end
    signal "entropy"    semantic entropy of the fast answers, in bits; it needs no judge

    Fall-backs: where the difficulty is unknown (the judge has no opinion, or fewer than half of the fast traces state an answer for the
    entropy), the highest level is used; an easy problem to which no fast trace states an answer gets the lowest; when no thinking trace
    states an answer, the fast ones vote.
    """

    fast: int = 1
    levels: tuple[tuple[float, int], ...] = ((0.2, 1),)
    """Difficulties above which so many thinking traces are launched, upwards; at or below the first the fast traces answer. The paper's
    best threshold is 0.2."""
    signal: Literal["judge", "entropy"] = "judge"

    def __post_init__(self) -> None:
        if self.fast < 1:
            raise ValueError(f"`fast` must be at least 1, got {self.fast}")
        if self.signal == "entropy" and self.fast < 2:
            raise ValueError('the entropy of one answer is 0: use `signal="judge"`, or at least 2 fast traces')
        thresholds = [threshold for threshold, _ in self.levels]
        if not thresholds or thresholds != sorted(set(thresholds)) or not all(0 <= t < math.inf for t in thresholds):
            raise ValueError(f"`levels` need rising thresholds of at least 0, got {self.levels}")
        if any(slow < 1 for _, slow in self.levels):
            raise ValueError(f"every level launches at least one trace, got {self.levels}")

    @property
    def most(self) -> int:
        return self.fast + max(slow for _, slow in self.levels)

    @property
    def needs(self) -> Needs:
        return Needs(arms=frozenset({FAST}), judges=frozenset({DIFFICULTY} if self.signal == "judge" else ()))

    def slow(self, difficulty: float | None) -> int:
        """Thinking traces for this difficulty; None is unknown."""
        if difficulty is None or math.isnan(difficulty):
            return self.levels[-1][1]
        return next((slow for threshold, slow in reversed(self.levels) if difficulty > threshold), 0)

    def decider(self) -> ScaleDecider:
        return ScaleDecider(self)


@dataclass
class ScaleDecider:
    policy: Scale
    board: Board = field(default_factory=Board)
    quick: list[Finished] = field(default_factory=list)
    thought: list[Finished] = field(default_factory=list)
    difficulty: str = ""
    """In words, once it is known."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.fast, arm=FAST))]
            case Finished():
                (self.quick if event.trace < self.policy.fast else self.thought).append(event)
            case Failed():
                pass
            case Judged() if event.question == DIFFICULTY:
                return [self._think(next(iter(event.scores.values()), None))]
            case _:
                return []
        if self.board.running:
            return []
        if self.difficulty:
            return [self._vote()]
        if self.policy.signal == "judge" and self.quick:
            return [Judge(DIFFICULTY, ((self.quick[0].trace,),))]
        return [self._think(self._entropy())]

    def standing(self) -> Standing:
        votes = Votes.of(self.thought)
        return (votes if votes else Votes.of(self.quick)).standing()

    def _entropy(self) -> float | None:
        votes = Votes.of(self.quick)
        return votes.tally.entropy if 2 * votes.tally.total >= self.policy.fast else None

    def _think(self, difficulty: float | None) -> Decision:
        self.difficulty = "unknown difficulty" if difficulty is None else f"difficulty {difficulty:.3g}"
        votes = Votes.of(self.quick)
        slow = self.policy.slow(difficulty)
        if not slow and votes:
            return votes.stop(f"{self.difficulty}, no thinking")
        return self.board.launch(Launch(slow or self.policy.levels[0][1]))

    def _vote(self) -> Decision:
        votes = Votes.of(self.thought)
        if votes:
            return votes.stop(f"{self.difficulty}, thinking")
        return Votes.of(self.quick).stop(f"{self.difficulty}, thinking states no answer, the fast traces vote")
