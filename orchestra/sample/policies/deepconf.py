"""DeepConf: the model's own confidence filters votes, and ends traces that have become unsure (Fu et al. 2025, arXiv 2508.15260).

Confidence is minus the mean log-probability of the top candidates of a token; a group is a window that slides over tokens, and a trace
is as good as its lowest group.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..board import Board
from ..decisions import Abort, Decision, Launch
from ..events import Begun, Event, Failed, Finished, Measured
from ..policy import Needs, Standing
from ..votes import Votes
from ..weights import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepConfOffline:
    """Offline DeepConf: of `n` finished traces the most confident vote, weighted by their confidence (Fu et al. 2025, arXiv 2508.15260,
    section 3.2).

    The `eta` percent with the highest `score` vote, each with its score ("tail" and eta=10 is the paper's best; eta=100 is the weighted
    vote alone). We differ in that the percentile is taken over traces with an answer: others cannot vote, and should not take the place
    of one that can. When no trace has a score, the plain majority answers, and `why` says so.
    """

    n: int
    eta: float = 10.0
    score: Literal["confidence", "tail", "lowest", "bottom"] = "tail"

    def __post_init__(self) -> None:
        _check(self.n, self.eta)

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Weight(self.score).needs

    def decider(self) -> DeepConfOfflineDecider:
        return DeepConfOfflineDecider(self)


@dataclass
class DeepConfOfflineDecider:
    policy: DeepConfOffline
    board: Board = field(default_factory=Board)

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Finished() | Failed() if not self.board.running:
                votes, why = self._vote()
                return [votes.stop(why)]
        return []

    def standing(self) -> Standing:
        return self._vote()[0].standing()

    def _vote(self) -> tuple[Votes, str]:
        readable = [trace for trace in self.board.finished if trace.answer is not None and trace.scores is not None]
        scored = [trace for trace in readable if math.isfinite(getattr(trace.scores, self.policy.score))]
        if not scored:
            return Votes.of(self.board.finished), "no confidence is known, so the majority answers"
        weights = Weight(self.policy.score).of(scored)
        bar = percentile(weights, 100 - self.policy.eta)
        kept = [number for number, score in enumerate(weights) if score >= bar]
        votes = Votes.of([scored[number] for number in kept], [weights[number] for number in kept])
        return votes, f"the surest {len(kept)} of {len(scored)} traces vote"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepConf:
    """Online DeepConf: a trace is ended as soon as a group of its tokens is less confident than the threshold (Fu et al. 2025, arXiv
    2508.15260, section 3.3, algorithm 2).

    The threshold is the percentile 100 - `eta` of lowest-group confidences, so that about `eta` percent of traces stay: the paper's
    "low" is 10, its "high" 90. Traces at or above it vote, each with its lowest group; when their leader has a share of `tau` of the
    confidence of all that have ended with an answer, the rest is aborted. It is a share of all, because at a small `eta` one or two
    traces are left to vote, and they agree too easily.

    "barrier"    the paper: `first` complete traces set the threshold, then the rest of the `n` is launched at once. Two longest traces in a row.
    "rolling"    ours: all `n` at once, and no barrier. From `first` finished traces on, the threshold follows every end; it is taken over
                 finished traces and over aborted ones at the lowest that they had come to, without which each abort would raise it.
                 Until then nothing is aborted or stopped, so that with fewer than `first` ends it is a vote by confidence. Short traces
                 end first and are surer than long ones, so that an early threshold is strict.

    We differ from the paper in that groups slide by `stride` tokens and not by 1, which needs one number for each `stride`, and that
    the last piece of a trace counts only when it is whole. A trace shorter than `window` is one group, known at its end. A trace that
    was never measured votes only when none was; then the plain majority answers, and `why` says so. When no trace at or above the
    threshold has an answer, all that have ended vote. When the warm-up measured nothing, nothing is aborted. The released code leaves
    `tau` out; it is here as in the paper.
    """

    n: int = 256
    eta: float = 10.0
    warmup: Literal["rolling", "barrier"] = "rolling"
    first: int = 16
    window: int = 2048
    stride: int = 128
    tau: float = 0.95

    def __post_init__(self) -> None:
        _check(self.n, self.eta)
        if self.first < 1:
            raise ValueError(f"`first` must be at least 1, got {self.first}")
        if self.stride < 1 or self.window < self.stride or self.window % self.stride:
            raise ValueError(f"`window` must be a multiple of `stride`, got {self.window} and {self.stride}")
        if not 0.5 < self.tau <= 1:
            raise ValueError(f"`tau` must lie in (0.5, 1], got {self.tau}")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs(stride=self.stride)

    def decider(self) -> DeepConfDecider:
        return DeepConfDecider(self)


class Stream:
    """Groups of one trace, piece by piece."""

    def __init__(self, pieces: int) -> None:
        self._recent: deque[float] = deque(maxlen=pieces)
        self.lowest: float | None = None
        """Of the groups so far; None before the first is whole."""

    def add(self, pieces: Sequence[float]) -> None:
        for piece in pieces:
            if not math.isfinite(piece):
                continue  # a candidate without probability says nothing about the others
            self._recent.append(piece)
            if len(self._recent) == self._recent.maxlen:
                group = math.fsum(self._recent) / len(self._recent)
                self.lowest = group if self.lowest is None else min(self.lowest, group)

    @property
    def score(self) -> float | None:
        """The lowest group of a trace that has ended; None when nothing was measured."""
        if self.lowest is not None or not self._recent:
            return self.lowest
        return math.fsum(self._recent) / len(self._recent)


@dataclass
class DeepConfDecider:
    policy: DeepConf
    board: Board = field(default_factory=Board)
    streams: dict[int, Stream] = field(default_factory=dict)
    cut: list[float] = field(default_factory=list)
    """Lowest groups of aborted traces."""
    threshold: float | None = None

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        policy, board = self.policy, self.board
        match event:
            case Begun():
                return [board.launch(Launch(min(policy.first, policy.n) if policy.warmup == "barrier" else policy.n))]
            case Measured():
                for trace, pieces in event.confidence.items():
                    self._stream(trace).add(pieces)
                return self._abort(event.confidence)
            case Finished() | Failed():
                return self._ended()
        return []

    def standing(self) -> Standing:
        return self._vote()[0].standing()

    def _ended(self) -> list[Decision]:
        policy, board = self.policy, self.board
        in_warmup = board.launched < policy.n and policy.warmup == "barrier"
        if in_warmup and board.running:
            return []
        if in_warmup or policy.warmup == "rolling":
            self._learn()
        decisions = self._abort(list(board.running)) if board.running else []
        if any(not isinstance(decision, Abort) for decision in decisions):
            return decisions  # the aborts left nothing to wait for
        votes, why = self._vote()
        share = self._share(votes.tally.leader)
        if len(board.finished) >= policy.first and share >= policy.tau:
            return [*decisions, votes.stop(f"{share:.2f} of the confidence is for one answer: {why}")]
        if in_warmup:
            return [board.launch(Launch(policy.n - board.launched))]
        return decisions if board.running else [*decisions, votes.stop(why)]

    def _learn(self) -> None:
        known = [score for trace in self.board.finished if (score := self._stream(trace.trace).score) is not None]
        if known and (self.policy.warmup == "barrier" or len(known) >= self.policy.first):
            self.threshold = percentile(known + self.cut, 100 - self.policy.eta)

    def _abort(self, traces: Iterable[int]) -> list[Decision]:
        """End those that have fallen below the threshold, and stop when nothing else runs."""
        fallen = []
        for trace in traces:
            lowest = self._stream(trace).lowest
            if self.threshold is not None and lowest is not None and lowest < self.threshold and trace in self.board.running:
                fallen.append(trace)
                self.cut.append(lowest)
        if not fallen:
            return []
        self.board.abort(*fallen)
        if self.board.running:
            return [Abort(tuple(fallen))]
        votes, why = self._vote()
        return [Abort(tuple(fallen)), votes.stop(why)]

    def _vote(self) -> tuple[Votes, str]:
        """The votes of all that have ended, and what it is."""
        scores = {trace.trace: self._stream(trace.trace).score for trace in self.board.finished}
        readable = [trace for trace in self.board.finished if trace.answer is not None]
        measured = [(trace, score) for trace in readable if (score := scores[trace.trace]) is not None]
        kept = [(trace, score) for trace, score in measured if self.threshold is None or score >= self.threshold]
        voters = kept or measured
        if not voters:
            return Votes.of(readable), "no confidence is known, so the majority answers"
        votes = Votes.of([trace for trace, _ in voters], [max(0.0, score) for _, score in voters])
        bar = "" if self.threshold is None else f" at a threshold of {self.threshold:.3g}"
        return votes, f"{len(voters)} of {self.board.launched} traces vote{bar}"

    def _share(self, answer: str | None) -> float:
        """Of the confidence of all that have ended with an answer, the part that is for this one."""
        scores = [
            (trace.answer, max(0.0, score))
            for trace in self.board.finished
            if trace.answer is not None and (score := self._stream(trace.trace).score) is not None
        ]
        total = math.fsum(score for _, score in scores)
        return math.fsum(score for given, score in scores if given == answer) / total if total else 0.0

    def _stream(self, trace: int) -> Stream:
        stream = self.streams.get(trace)
        if stream is None:
            stream = self.streams[trace] = Stream(self.policy.window // self.policy.stride)
        return stream


def percentile(values: Sequence[float], percent: float) -> float:
    """Of at least one value, interpolated between neighbours."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    # `min`: rounding must not lift the percentile over the highest value, which always passes.
    return min(ordered[above], ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def _check(n: int, eta: float) -> None:
    if n < 1:
        raise ValueError(f"`n` must be at least 1, got {n}")
    if not 0 < eta <= 100:
        raise ValueError(f"`eta` is a percentage above 0, got {eta}")
