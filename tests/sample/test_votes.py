"""Votes and who speaks for them; weights where scores are missing or strange."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Stop
from orchestra.sample.events import Finished
from orchestra.sample.policy import Standing
from orchestra.sample.scores import TraceScores
from orchestra.sample.votes import Votes
from orchestra.sample.weights import Kind, Weight


def trace(number: int, answer: str | None, score: float | None = None) -> Finished:
    scores = None
    if score is not None:
        scores = TraceScores(confidence=score, entropy=score, tail=score, lowest=score, bottom=score, certainty=score)
    return Finished(0.0, number, answer, 10, scores=scores)


def test_the_heaviest_speaks_for_an_answer_and_the_first_of_equals() -> None:
    votes = Votes()
    for number, weight in [(4, 1.0), (2, 2.0), (3, 2.0)]:
        votes.add(number, "7", weight)
    assert votes.standing().trace == 2


def test_one_vote_is_ahead_with_three_quarters() -> None:
    votes = Votes.of([trace(5, "7"), trace(6, None)])
    assert votes.standing() == Standing(answer="7", trace=5, posterior=0.75)


def test_weights_are_scaled_to_votes() -> None:
    # 1 + 2 + 5 = 8 in three votes: 3/8 for each unit.
    votes = Votes.of([trace(0, "7"), trace(1, "8"), trace(2, "7")], [1, 2, 5])
    assert votes.tally.mass == pytest.approx({"7": 6 * 3 / 8, "8": 2 * 3 / 8})
    assert votes.tally.total == pytest.approx(3)
    assert votes.standing().trace == 2


def test_weights_that_are_all_zero_count_every_vote_once() -> None:
    votes = Votes.of([trace(0, "8"), trace(1, "7"), trace(2, "7")], [0, 0, 0])
    assert votes.tally.mass == {"8": 1, "7": 2}


def test_silent_traces_take_their_weight_with_them() -> None:
    votes = Votes.of([trace(0, None), trace(1, "7")], [3, 1])
    assert votes.tally.mass == {"7": 0.5}


def test_a_vote_of_nobody_says_so() -> None:
    votes = Votes.of([trace(0, None)])
    assert not votes
    assert votes.standing() == Standing(answer=None)
    assert votes.stop("all have ended") == Stop(None, "all have ended; no trace gave an answer that can be read")


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([None, "7", "8"]), st.floats(0, 1e6)), max_size=8))
def test_masses_are_never_more_than_the_votes(cast: list[tuple[str | None, float]]) -> None:
    traces = [trace(number, answer) for number, (answer, _) in enumerate(cast)]
    votes = Votes.of(traces, [weight for _, weight in cast])
    assert 0 <= votes.tally.total <= len(traces) + 1e-6
    leader = votes.standing()
    assert leader.trace is None or traces[leader.trace].answer == leader.answer


@pytest.mark.parametrize("kind", ["entropy", "confidence", "tail", "lowest", "bottom", "certainty", "borda"])
@pytest.mark.parametrize("score", [None, math.nan, math.inf, -math.inf])
def test_a_score_that_is_missing_or_no_number_weighs_nothing(kind: Kind, score: float | None) -> None:
    strange, sound = Weight(kind).of([trace(0, "7", score), trace(1, "8", 1.0)])
    assert (strange, sound) == (0, 1)


def test_borda_ranks_those_that_have_a_score() -> None:
    traces = [trace(0, "7", 1.0), trace(1, "7"), trace(2, "8", 5.0), trace(3, "8", 3.0)]
    assert Weight("borda").of(traces) == [1, 0, 3, 2]
    assert Weight("borda", 2).of(traces) == [1, 0, 9, 4]


def test_certainty_below_nothing_is_nothing() -> None:
    assert Weight("certainty").of([trace(0, "7", -0.5), trace(1, "8", 2.0)]) == [0, 2]


@pytest.mark.parametrize("power", [-1, 17, math.nan, math.inf])
def test_powers_that_only_lose_digits_are_refused(power: float) -> None:
    with pytest.raises(ValueError, match=r"the power of a weight must lie between 0 and 16"):
        Weight("length", power)
