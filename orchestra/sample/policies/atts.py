"""A small model drafts, a large one scores the drafts and rewrites those that look too strange to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..board import Board
from ..decisions import Abort, Decision, Judge, Launch
from ..events import Begun, Event, Failed, Finished, Judged, Progress
from ..policy import Needs, Standing
from ..votes import Votes

TARGET = "target"
"""The arm of the large model; drafts come from the main source."""
ACCEPT = "accept"


def percentile(score: float, calibration: Sequence[float]) -> float:
    """The share of calibration scores below `score`, counting it among them: #{c < score} / (N + 1), in [0, 1)."""
    return sum(known < score for known in calibration) / (len(calibration) + 1)


def p_value(score: float, calibration: Sequence[float]) -> float:
    """Conformal p-value of a score of which high ones are strange: (1 + #{c >= score}) / (N + 1), in (0, 1].

    Of scores exchangeable with the calibration's, at most a share α have a p-value of at most α. It is 1 - `percentile`.
    """
    return (1 + sum(known >= score for known in calibration)) / (len(calibration) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Atts:
    """A small model writes `n` drafts, and a large one rewrites those that look too strange to it (ATTS: Asynchronous Test-Time Scaling
    via Conformal Prediction, Xiong et al. 2025, arXiv 2509.15148).

    Drafts come from the main source; the judge "accept" gives the target's score of each (its perplexity: higher is stranger), and a
    draft whose percentile among the `calibration` scores reaches `reject` is written anew by the arm "target". Accepted drafts and the
    target's traces vote. The released code rejects at 0.6. Each draft goes its own way: nothing waits for another.

    With `prefix`, drafts are scored while they write, on their first so many tokens (the paper's turns have 500), and rejected ones are
    aborted; shorter drafts, and all of them without `prefix`, are scored when they end.

    Where we differ: the paper scores every turn of at most 500 tokens and lets the target write only the rejected turn; here one score
    decides on a whole trace, which is also the only one of the turns for which scores and calibration are exchangeable, as the
    rejection rate of at most 1 - `reject` requires. Calibration scores are given (take them from drafts of other problems of the same
    kind, cut to `prefix`), not gathered on the way. Percentiles have the conformal + 1.

    Fall-backs: a draft on which the judge has no opinion stands; a draft that is lost or states no answer is written by the target,
    whatever its score; when no accepted trace states an answer, the rejected drafts that ended vote.
    """

    n: int
    calibration: tuple[float, ...]
    reject: float = 0.6
    prefix: int | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"`n` must be at least 1, got {self.n}")
        if not self.calibration or not all(math.isfinite(score) for score in self.calibration):
            raise ValueError(f"`calibration` needs at least one score, all of them finite, got {self.calibration[:5]}")
        if not 0 < self.reject <= 1:
            raise ValueError(f"`reject` must lie in (0, 1], got {self.reject}")
        if self.prefix is not None and self.prefix < 1:
            raise ValueError(f"`prefix` must be at least 1 token, got {self.prefix}")

    @property
    def most(self) -> int:
        return 2 * self.n

    @property
    def needs(self) -> Needs:
        return Needs(tokens_every=self.prefix or 0, judges=frozenset({ACCEPT}), arms=frozenset({TARGET}))

    def decider(self) -> AttsDecider:
        return AttsDecider(self)


@dataclass
class AttsDecider:
    policy: Atts
    board: Board = field(default_factory=Board)
    asked: set[int] = field(default_factory=set)
    """Drafts that the judge was asked about."""
    awaited: set[int] = field(default_factory=set)
    """Those on which it has not spoken."""
    rejected: set[int] = field(default_factory=set)

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Progress() if self.policy.prefix:
                return self._ask([trace for trace in event.tokens if self._is_open(trace)])
            case Judged() if event.question == ACCEPT:
                judged = {group[0]: score for group, score in event.scores.items()}
                self.awaited -= judged.keys()
                strange = [trace for trace, score in judged.items() if score is not None and self._is_strange(score)]
                return self._rewrite(strange) or self._end()
            case Finished() if event.answer is not None:
                return self._ask([event.trace] if self._is_open(event.trace) else []) or self._end()
            case Finished() | Failed():
                return self._rewrite([event.trace] if event.trace < self.policy.n else []) or self._end()
        return []

    def standing(self) -> Standing:
        return self._vote().standing()

    def _is_open(self, trace: int) -> bool:
        return trace < self.policy.n and trace not in self.asked | self.rejected

    def _is_strange(self, score: float) -> bool:
        return percentile(score, self.policy.calibration) >= self.policy.reject

    def _ask(self, traces: list[int]) -> list[Decision]:
        if not traces:
            return []
        self.asked.update(traces)
        self.awaited.update(traces)
        return [Judge(ACCEPT, tuple((trace,) for trace in traces), self.policy.prefix)]

    def _rewrite(self, traces: list[int]) -> list[Decision]:
        """Launch the target in place of these drafts, unless it has been."""
        fresh = [trace for trace in traces if trace not in self.rejected]
        if not fresh:
            return []
        self.rejected.update(fresh)
        late = tuple(trace for trace in fresh if trace in self.board.running)
        self.board.abort(*late)
        launch = self.board.launch(Launch(len(fresh), TARGET))
        return [Abort(late), launch] if late else [launch]

    def _end(self) -> list[Decision]:
        if self.board.running or self.awaited:
            return []
        because = f"{len(self.rejected)} of {self.policy.n} drafts rejected"
        votes = self._vote()
        if not any(trace.trace not in self.rejected and trace.answer is not None for trace in self.board.finished):
            because += ", which vote as nothing else states an answer"
        return [votes.stop(because)]

    def _vote(self) -> Votes:
        votes = Votes.of(trace for trace in self.board.finished if trace.trace not in self.rejected)
        return votes if votes else Votes.of(self.board.finished)
