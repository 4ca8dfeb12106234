"""Slim-SC: of two running traces that think alike, one is enough."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..board import Board
from ..decisions import Abort, Decision, Judge, Launch
from ..events import Begun, Event, Failed, Finished, Group, Judged, Progress
from ..policy import Needs, Standing
from ..votes import Votes


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimSC:
    """Self-consistency in which of two traces that think alike one is aborted (Slim-SC, Hong et al. 2025, arXiv 2509.13990, section 4).

    From `start` tokens on, whenever a trace passes a multiple of `every`, the judge "similar" compares it with all running traces that
    have come as far. Of a pair above `threshold`, one is aborted; those that finish have one vote each.

    "random"       either, by `seed`
    "diversity"    the one that is more similar to the rest, by its mean over this round's pairs; at a tie the later one

    The paper compares thoughts as they end, by an embedding, and its "diversity" looks at the thoughts inside a chain; here the judge
    is shown the traces up to the same multiple of `every`, and may be any. The paper tunes `threshold` on each data set: there is no
    good one for all. A score of None is unknown and prunes nothing. A pair that has lost one of its two to another pair, or to its end,
    is passed over, so that one trace always goes on. n=64 means up to 2,016 pairs a round.
    """

    n: int = 64
    threshold: float = 0.98
    every: int = 500
    start: int = 0
    prune: Literal["random", "diversity"] = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 1 or self.every < 1:
            raise ValueError(f"`n` and `every` must be at least 1, got {self.n} and {self.every}")
        if math.isnan(self.threshold):
            raise ValueError("`threshold` must be a number, got nan")

    @property
    def most(self) -> int:
        return self.n

    @property
    def needs(self) -> Needs:
        return Needs(tokens_every=self.every, judges=frozenset({"similar"}))

    def decider(self) -> SlimSCDecider:
        return SlimSCDecider(self)


@dataclass
class SlimSCDecider:
    policy: SlimSC
    board: Board = field(default_factory=Board)
    votes: Votes = field(default_factory=Votes)
    passed: dict[int, int] = field(default_factory=dict)
    """By trace, the last multiple of `every` that it was told to have passed."""
    rounds: int = 0
    """Judgements so far; each has random numbers of its own."""

    def on(self, event: Event) -> Iterable[Decision]:
        self.board.see(event)
        match event:
            case Begun():
                return [self.board.launch(Launch(self.policy.n))]
            case Progress():
                return self._ask(event.tokens)
            case Judged():
                return self._prune(event.scores)
            case Finished():
                self.votes.add(event.trace, event.answer)
            case Failed():
                pass
            case _:
                return []
        if self.board.running:
            return []
        return [self.votes.stop(f"{len(self.board.finished)} finished, {len(self.board.aborted)} pruned")]

    def standing(self) -> Standing:
        return self.votes.standing()

    def _ask(self, tokens: Mapping[int, int]) -> list[Decision]:
        rounds: dict[int, list[Group]] = defaultdict(list)
        for trace, length in tokens.items():
            if length >= self.policy.start and trace in self.board.running:
                rounds[length] += [
                    (other, trace) for other in self.board.running if other != trace and self.passed.get(other, 0) >= length
                ]
            self.passed[trace] = length
        return [Judge("similar", tuple(groups), length) for length, groups in rounds.items() if groups]

    def _prune(self, scores: Mapping[Group, float | None]) -> list[Decision]:
        chance = random.Random(f"{self.policy.seed} {self.rounds}")
        self.rounds += 1
        alike: dict[int, list[float]] = defaultdict(list)
        known = {pair: score for pair, score in scores.items() if score is not None and not math.isnan(score)}
        for pair, score in known.items():
            for trace in pair:
                alike[trace].append(score)
        pruned: list[int] = []
        for pair, score in known.items():
            if score > self.policy.threshold and all(trace in self.board.running for trace in pair):
                if self.policy.prune == "random":
                    trace = chance.choice(pair)
                else:
                    trace = max(pair, key=lambda trace: (math.fsum(alike[trace]) / len(alike[trace]), trace))
                self.board.abort(trace)
                pruned.append(trace)
        return [Abort(tuple(pruned))] if pruned else []
