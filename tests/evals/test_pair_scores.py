"""Opinions about pairs: looked up, exchanged among traces, and cut where as many pairs lie above."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest

pytest.importorskip("tokenizers", reason="judges read tokens")

from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.pair_scores import PairScores, Said, oracle_scores, pair_scores, shuffled

from orchestra.sample.pool import PooledProblem, Recorded


def problem(*answers: str | None, tokens: int = 10) -> PooledProblem:
    traces = [Recorded(tokens=tokens + place, answer=answer, correct=False) for place, answer in enumerate(answers)]
    return PooledProblem(id="p", text="?", gold="1", traces=traces)


def numbered(scores: list[float]) -> PairScores:
    """Pairs of as many traces as it takes, all at 8 tokens."""
    return PairScores({("p", 8): {(0, place + 1): (score, 1) for place, score in enumerate(scores)}})


def test_both_orders_of_a_pair_are_one_opinion_here_and_in_another_process() -> None:
    posed = problem("1", "1", "2")
    scores = pair_scores([posed], [8], lambda _, pairs, tokens: [(float(10 * a + b), tokens) for a, b in pairs])
    again = pickle.loads(pickle.dumps(scores))
    for judge in (scores, again):
        opinions = [judge(posed, [posed.traces[a], posed.traces[b]], 8) for a, b in ((1, 2), (2, 1))]
        assert [(one.score, one.prefill, one.sampled) for one in opinions] == [(12.0, 8, 0)] * 2


def test_only_traces_that_come_so_far_are_asked_about() -> None:
    scores = oracle_scores([problem("1", "1", "1", tokens=10)], [10, 11, 13])
    assert {tokens: set(pairs) for (_, tokens), pairs in scores.said.items()} == {
        10: {(0, 1), (0, 2), (1, 2)},
        11: {(1, 2)},
        13: set(),
    }


def test_oracle_says_who_agrees_and_that_silence_does_not() -> None:
    [pairs] = oracle_scores([problem("1", "1", "2", None, None)], [5]).said.values()
    assert {pair for pair, (score, _) in pairs.items() if score} == {(0, 1)}


@given(st.lists(st.sampled_from([None, "1", "2", "3"]), min_size=2, max_size=7), st.integers(0, 3))
def test_shuffled_opinions_are_those_of_the_same_clusters_with_other_members(answers: list[str | None], seed: int) -> None:
    scores = oracle_scores([problem(*answers)], [5])
    before, after = scores.said["p", 5], shuffled(scores, seed=seed).said["p", 5]
    assert before.keys() == after.keys()

    def agreeing(pairs: dict[tuple[int, ...], Said], trace: int) -> int:
        return sum(score > 0 for pair, (score, _) in pairs.items() if trace in pair)

    places = range(len(answers))
    assert Counter(agreeing(dict(before), trace) for trace in places) == Counter(agreeing(dict(after), trace) for trace in places)


def test_thresholds_leave_the_share_above_that_ties_allow() -> None:
    scores = numbered([0.1, 0.2, 0.3, 0.4])
    assert [scores.above(scores.threshold(share, 8), 8) for share in (0.0, 0.25, 0.6, 1.0)] == [0.0, 0.25, 0.5, 1.0]
    tied = numbered([0.5, 0.5, 0.5, 0.9])
    assert [tied.above(tied.threshold(share, 8), 8) for share in (0.1, 0.5, 0.8)] == [0.0, 0.25, 1.0]
    assert (scores.above(0.5, 99), scores.threshold(0.5, 99)) == (0.0, 0.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_no_other_threshold_comes_nearer(scores: list[float], share: float) -> None:
    judge = numbered(scores)
    found = abs(judge.above(judge.threshold(share, 8), 8) - share)
    assert found <= min(abs(judge.above(tau, 8) - share) for tau in (-1.0, *scores)) + 1e-9
