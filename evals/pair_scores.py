"""What judges say about pairs of recorded traces, computed once and looked up in replays, in any number of processes.

A trained judge stands among four others. `similar_scores` compares words and needs no model. `shuffled` says what the trained judge says, about
other traces of the same problem: it prunes as many traces into clusters of the same sizes and knows the problem as well, but not the traces, so
what separates the two is what the judge reads in them. `oracle_scores` know the answers.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

from orchestra.sample.events import Group
from orchestra.sample.judges.base import Opinion
from orchestra.sample.judges.classifier import PoolClassifier
from orchestra.sample.judges.reading import Reader
from orchestra.sample.judges.similar import similarity
from orchestra.sample.pool import PooledProblem, Recorded

Asked = tuple[str, int]
"""A problem's id, and of how many tokens the beginnings are."""
Said = tuple[float, int]
"""A score, and how many tokens were read for it."""


class PairScores:
    """A `PoolJudge` that looks its opinions up, by the places of two traces in their problem, the lower first."""

    def __init__(self, said: Mapping[Asked, Mapping[Group, Said]]) -> None:
        self.said = said
        self._places: dict[str, dict[int, int]] = {}

    def __reduce__(self) -> tuple[type[PairScores], tuple[Mapping[Asked, Mapping[Group, Said]]]]:
        return PairScores, (self.said,)  # places go by identity, which is another in each process

    def __call__(self, problem: PooledProblem, traces: Sequence[Recorded], tokens: int | None) -> Opinion:
        assert tokens is not None, "a judge of beginnings"
        places = self._places.get(problem.id)
        if places is None:
            places = self._places[problem.id] = {id(trace): place for place, trace in enumerate(problem.traces)}
        score, read = self.said[problem.id, tokens][_in_order(*(places[id(trace)] for trace in traces))]
        return Opinion(score=score, prefill=read)

    def above(self, tau: float, tokens: int) -> float:
        """Share of the pairs at `tokens` that are taken to agree; 0 where there are no pairs."""
        scores = self._sorted(tokens)
        return 1 - bisect_right(scores, tau) / len(scores) if scores else 0.0

    def threshold(self, share: float, tokens: int) -> float:
        """Above it lies as near that share of the pairs at `tokens` as ties allow. 0 where there are no pairs."""
        scores = self._sorted(tokens)
        if not scores:
            return 0.0
        most = (1 - share) * len(scores)
        at = scores[min(round(most), len(scores) - 1)]
        first, after = bisect_left(scores, at), bisect_right(scores, at)
        if abs(after - most) <= abs(first - most):
            return at
        return scores[first - 1] if first else at - 1.0

    def _sorted(self, tokens: int) -> list[float]:
        return sorted(score for (_, length), pairs in self.said.items() if length == tokens for score, _ in pairs.values())


def still_running(problem: PooledProblem, tokens: int) -> list[int]:
    """Places of the traces that come to `tokens` tokens: those that a policy can ask about."""
    return [place for place, trace in enumerate(problem.traces) if trace.tokens >= tokens]


def pair_scores(
    problems: Iterable[PooledProblem], lengths: Sequence[int], ask: Callable[[PooledProblem, list[Group], int], Sequence[Said]]
) -> PairScores:
    """What `ask` says about all pairs that a policy can ask about."""
    said: dict[Asked, dict[Group, Said]] = {}
    for problem in problems:
        for tokens in lengths:
            pairs: list[Group] = list(combinations(still_running(problem, tokens), 2))
            said[problem.id, tokens] = dict(zip(pairs, ask(problem, pairs, tokens) if pairs else (), strict=True))
    return PairScores(said)


def trained_scores(
    problems: Iterable[PooledProblem], lengths: Sequence[int], judge_of: Callable[[PooledProblem], PoolClassifier]
) -> PairScores:
    """`judge_of` says which judge was not trained on a problem."""

    def ask(problem: PooledProblem, pairs: list[Group], tokens: int) -> list[Said]:
        return [(opinion.score, opinion.prefill) for opinion in judge_of(problem).ask(problem, pairs, tokens)]

    return pair_scores(problems, lengths, ask)


def similar_scores(problems: Iterable[PooledProblem], lengths: Sequence[int], reader: Reader) -> PairScores:
    """Of the beginnings that `reader` shows to its judge. Nothing is read by a model, so nothing is charged."""

    def ask(problem: PooledProblem, pairs: list[Group], tokens: int) -> list[Said]:
        return [(score, 0) for score in similarities(problem, pairs, tokens, reader)]

    return pair_scores(problems, lengths, ask)


def similarities(problem: PooledProblem, pairs: Sequence[Group], length: float, reader: Reader) -> list[float]:
    texts = {place: reader.spell(problem.traces[place], length) for place in {place for pair in pairs for place in pair}}
    return [similarity(*(texts[place] for place in pair)) for pair in pairs]


def oracle_scores(problems: Iterable[PooledProblem], lengths: Sequence[int]) -> PairScores:
    """1 for equal answers, else 0. A trace without an answer agrees with nobody."""

    def ask(problem: PooledProblem, pairs: list[Group], tokens: int) -> list[Said]:
        answers = [trace.answer for trace in problem.traces]
        return [(float(answers[one] is not None and answers[one] == answers[other]), 0) for one, other in pairs]

    return pair_scores(problems, lengths, ask)


def shuffled(scores: PairScores, *, seed: int) -> PairScores:
    """The same opinions with the traces of each problem exchanged at random among those that are asked about."""
    said: dict[Asked, dict[Group, Said]] = {}
    for (problem, tokens), pairs in scores.said.items():
        places = sorted({place for pair in pairs for place in pair})
        drawn = random.Random(f"{seed} {problem} {tokens}").sample(places, len(places))
        other = dict(zip(places, drawn, strict=True))
        said[problem, tokens] = {(a, b): pairs[_in_order(other[a], other[b])] for a, b in pairs}
    return PairScores(said)


def _in_order(one: int, other: int) -> Group:
    return (one, other) if one < other else (other, one)
