"""Votes, their posterior, and weights, against values worked out by hand."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.scores import Scores
from orchestra.sample.events import Finished
from orchestra.sample.scores import TraceScores, sliding_means
from orchestra.sample.tally import Tally, ahead
from orchestra.sample.weights import Kind, Weight


def tally(*votes: str) -> Tally:
    result = Tally()
    for vote in votes:
        result.add(vote)
    return result


def test_the_first_of_equal_leaders_leads() -> None:
    assert tally("8", "7", "7", "8").leader == "8"
    assert Tally().leader is None


@pytest.mark.parametrize(
    ("first", "second", "posterior"),
    [
        (0, 0, 1 / 2),
        (1, 0, 3 / 4),  # 1 - (1/2)^2
        (2, 0, 7 / 8),
        (3, 0, 15 / 16),
        (4, 0, 31 / 32),  # the first unanimous vote above 0.95
        (1, 1, 1 / 2),
        (2, 1, 11 / 16),  # P(Bin(4, 1/2) <= 2)
        (5, 1, 120 / 128),  # P(Bin(7, 1/2) <= 5)
    ],
)
def test_the_posterior_is_the_binomial_tail(first: int, second: int, posterior: float) -> None:
    assert ahead(first, second) == pytest.approx(posterior)


@given(st.integers(0, 64), st.integers(0, 64))
def test_fractional_votes_lie_between_whole_ones(first: int, second: int) -> None:
    assert ahead(first + 1e-9, second) == pytest.approx(ahead(first, second), abs=1e-7)
    low, middle, high = ahead(first, second), ahead(first + 0.5, second), ahead(first + 1, second)
    assert low <= middle + 1e-12 <= high + 2e-12


@given(st.floats(0, 80), st.floats(0, 80))
def test_what_is_ahead_is_behind_from_the_other_side(first: float, second: float) -> None:
    assert ahead(first, second) + ahead(second, first) == pytest.approx(1)


def test_semantic_entropy_is_in_bits() -> None:
    assert tally("7", "7", "8", "9").entropy == pytest.approx(1.5)
    assert tally("7", "7").entropy == 0
    assert Tally().entropy == 0


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_weight_that_is_no_weight_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="a vote's weight"):
        Tally().add("7", weight)


def finished(tokens: int, confidence: float = 1.0, entropy: float = 0.5) -> Finished:
    scores = TraceScores(
        confidence=confidence, entropy=entropy, tail=confidence, lowest=confidence, bottom=confidence, certainty=confidence
    )
    return Finished(0.0, 0, "7", tokens, scores=scores)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (Weight("uniform"), [1, 1, 1]),
        (Weight("length"), [1 / 100, 1 / 200, 1 / 400]),
        (Weight("length", 2), [1e-4, 1 / 40_000, 1 / 160_000]),
        (Weight("entropy"), [1, 2, 4]),
        (Weight("confidence"), [3, 9, 6]),
        (Weight("tail", 2), [9, 81, 36]),
        (Weight("borda"), [1, 3, 2]),
        (Weight("borda", 0.5), [1, math.sqrt(3), math.sqrt(2)]),
    ],
)
def test_weights_by_hand(weight: Weight, expected: list[float]) -> None:
    traces = [finished(100, 3, 1), finished(200, 9, 0.5), finished(400, 6, 0.25)]
    assert weight.of(traces) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["entropy", "confidence", "certainty"])
def test_a_trace_without_scores_weighs_nothing_where_scores_are_needed(kind: Kind) -> None:
    assert Weight(kind).needs.logprobs
    assert Weight(kind).of([Finished(0.0, 0, "7", 100)]) == [0.0]


def test_scores_of_a_trace_by_hand() -> None:
    scores = Scores(20, array("f", [4, 2, 6, 8]), array("f", [1, 1, 0, 0]), array("f", [1, 1, 1, 1]))
    found = TraceScores.of(scores, group=2)
    assert found is not None
    assert (found.confidence, found.entropy, found.tail) == (5, 0.5, 7)
    assert (found.lowest, found.bottom) == (3, 3)  # groups: 3, 4, 7
    assert found.certainty == pytest.approx(5 - math.log(20))
    assert TraceScores.of(Scores(20)) is None


def test_sliding_means_of_few_values_are_the_mean_of_all() -> None:
    assert sliding_means([1, 2, 3], 5) == [2]
    assert sliding_means([], 5) == []
