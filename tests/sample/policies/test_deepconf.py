"""Confidence by pieces. Window 4 and stride 2: a group is the mean of two neighbouring pieces."""

from __future__ import annotations

import math
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Abort, Launch, Stop
from orchestra.sample.events import Begun, Measured
from orchestra.sample.policies.deepconf import DeepConf, DeepConfOffline, Stream, percentile
from orchestra.sample.policy import Needs
from orchestra.sample.pool import Recorded
from orchestra.sample.scores import TraceScores
from tests.sample.policies.helpers import aborts, decide, end, launches, lose, run, seen, survives


def sure(answer: str | None, *pieces: float) -> Recorded:
    """Two tokens a piece."""
    return Recorded(answer=answer, tokens=2 * len(pieces), correct=False, confidence=pieces)


def scored(answer: str | None, tail: float) -> Recorded:
    scores = TraceScores(confidence=0, entropy=0, tail=tail, lowest=0, bottom=0, certainty=0)
    return Recorded(answer=answer, tokens=10, correct=False, scores=scores)


def small(
    warmup: Literal["rolling", "barrier"] = "rolling", *, n: int = 4, eta: float = 50, first: int = 2, tau: float = 1.0
) -> DeepConf:
    return DeepConf(n=n, eta=eta, warmup=warmup, first=first, window=4, stride=2, tau=tau)


def test_percentiles_lie_between_neighbours() -> None:
    assert percentile([3.0, 1.0], 50) == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 90) == pytest.approx(3.7)
    assert percentile([5.0], 10) == 5.0


def test_a_stream_knows_its_lowest_group() -> None:
    stream = Stream(2)
    stream.add([3.0])
    assert (stream.lowest, stream.score) == (None, 3.0)  # shorter than a window: one group, at the end
    stream.add([1.0, 5.0])
    assert (stream.lowest, stream.score) == (2.0, 2.0)
    stream.add([math.inf, math.nan])
    assert stream.lowest == 2.0


def test_behind_the_barrier_a_trace_ends_at_its_first_low_group() -> None:
    # Warm-up: lowest groups 4 and 2, so that the median 3 is the bar. Then 2 falls to 2.5 after its third piece, and 3 keeps to 5.
    outcome = run(
        small("barrier"),
        sure("7", 4, 4, 4),
        sure("8", 2, 2),
        sure("8", 5, 4, 1, 5, 5),
        sure("9", 5, 5, 5, 5),
        stride=2,
    )
    assert launches(outcome) == [2, 2]
    assert aborts(outcome) == [(6.0 + 6.0, (2,))]
    # Votes: 7 with 4 and 9 with 5; 8 of the warm-up lies below the bar.
    assert seen(outcome) == ("9", 6 + 4 + 8, 6, 6 + 8)
    assert outcome.why == "2 of 4 traces vote at a threshold of 3"


def test_consensus_of_the_warm_up_launches_nobody_else() -> None:
    outcome = run(small("barrier", tau=0.95), *[sure("7", 4, 4)] * 4, stride=2)
    assert (launches(outcome), seen(outcome)) == ([2], ("7", 8, 0, 4))
    assert outcome.why.startswith("1.00 of the confidence is for one answer")


def test_consensus_is_a_share_of_confidence() -> None:
    # 7 has 6 of 9, which is two thirds.
    traces = [sure("7", 6, 6), sure("8", 3, 3, 3), sure("8", 4, 4, 4, 4), sure("8", 4, 4, 4, 4)]
    assert seen(run(small(eta=100, tau=0.66), *traces, stride=2)) == ("7", 10, 12, 6)
    assert seen(run(small(eta=100, tau=0.67), *traces, stride=2))[0] == "8"


def test_the_leader_of_the_surest_must_have_the_confidence_of_all() -> None:
    # The bar over 4 and 2 is 3, so that 7 has all that vote, but only 4 / 6 of the confidence.
    traces = [sure("7", 4, 4), sure("8", 2, 2, 2), sure("8", 4, 4, 4, 4), sure("8", 4, 4, 4, 4)]
    assert seen(run(small(tau=0.66), *traces, stride=2)) == ("7", 10, 12, 6)
    assert seen(run(small(tau=0.67), *traces, stride=2))[0] == "8"


def test_rolling_launches_all_and_learns_from_those_that_have_ended() -> None:
    # At step 6 two have ended with lowest groups 4 and 2: the bar is 3, and 2, whose lowest is 1, falls at once. The bar is then taken over 4, 2 and 1.
    outcome = run(
        small(),
        sure("7", 4, 4),
        sure("8", 2, 2, 2),
        sure("8", 1, 1, 9, 9, 9, 9),
        sure("9", 3, 3, 3, 3, 3),
        stride=2,
    )
    assert launches(outcome) == [4]
    assert aborts(outcome) == [(6.0, (2,))]
    # The last end: lowest groups 4, 3, 2 and the aborted 1, so that the bar is 2.5.
    assert outcome.why == "2 of 4 traces vote at a threshold of 2.5"
    assert seen(outcome) == ("7", 4 + 6 + 10, 6, 10)


def test_before_enough_have_ended_nothing_is_aborted() -> None:
    outcome = run(small(first=5), sure("7", 9, 9), *[sure("8", 1, 1, 1)] * 3, stride=2)
    assert (aborts(outcome), outcome.why) == ([], "4 of 4 traces vote")
    assert outcome.answer == "7"


def test_an_abort_of_all_that_run_is_the_end() -> None:
    decisions = decide(
        small(n=3),
        Begun(0),
        Measured(2, {0: [4, 4], 1: [4, 4], 2: [1]}),
        end(0, "7"),
        end(1, "7"),
        Measured(3, {2: [1]}),
    )
    assert decisions[3] == [Stop("7", "1.00 of the confidence is for one answer: 2 of 3 traces vote at a threshold of 4", 0)]
    late = decide(
        small(n=3), Begun(0), Measured(2, {0: [4, 4], 1: [4, 4], 2: [1]}), end(0, "7"), end(1, "8"), Measured(3, {2: [1]})
    )
    assert late[3:] == [[], [Abort((2,)), Stop("7", "2 of 3 traces vote at a threshold of 4", 0)]]


def test_traces_that_nobody_measured_vote_only_when_none_was() -> None:
    mixed = decide(small(n=2), Begun(0), end(0, "8"), Measured(1, {1: [4, 4]}), end(1, "7"))
    assert mixed[-1][-1] == Stop("7", "1.00 of the confidence is for one answer: 1 of 2 traces vote", 1)
    blind = decide(small(n=3), Begun(0), end(0, "8"), end(1, "7"), end(2, "7"))
    assert blind[-1] == [Stop("7", "no confidence is known, so the majority answers", 1)]


def test_a_warm_up_that_was_lost_aborts_nothing() -> None:
    decisions = decide(small("barrier", n=3), Begun(0), lose(0), lose(1), Measured(1, {2: [0, 0]}), end(2, "7"))
    assert decisions == [[Launch(2)], [], [Launch(1)], [], [Stop("7", "1 of 3 traces vote", 2)]]


def test_no_answer_above_the_threshold_lets_all_vote() -> None:
    # The median of 9 and 2 keeps only the silent trace.
    assert seen(run(small(n=2), sure(None, 9, 9), sure("7", 2, 2), stride=2)) == ("7", 8, 0, 4)


def test_it_needs_pieces_and_no_scores() -> None:
    assert DeepConf().needs == Needs(stride=128)


def test_offline_the_surest_vote_by_their_score() -> None:
    # The 60th percentile of 1, 2, 3, 4, 9 is 3.4.
    traces = [scored("7", 1), scored("7", 2), scored("7", 3), scored("8", 4), scored("9", 9)]
    outcome = run(DeepConfOffline(n=5, eta=40), *traces)
    assert (outcome.answer, outcome.why) == ("9", "the surest 2 of 5 traces vote")
    assert run(DeepConfOffline(n=5, eta=100), *traces[:3], scored("8", 4), scored("9", 5)).answer == "7"


def test_offline_silent_traces_take_nobodys_place() -> None:
    assert run(DeepConfOffline(n=2, eta=10), scored(None, 9), scored("7", 1)).answer == "7"


def test_offline_without_scores_the_majority_answers_and_says_so() -> None:
    decisions = decide(DeepConfOffline(n=3), Begun(0), end(0, "8"), end(1, "7"), end(2, "7"))
    assert decisions[-1] == [Stop("7", "no confidence is known, so the majority answers", 1)]


def test_offline_all_lost_is_no_answer() -> None:
    (*_, last) = decide(DeepConfOffline(n=1), Begun(0), lose(0))
    assert isinstance(last[0], Stop) and last[0].answer is None


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="`window` must be a multiple of `stride`, got 5 and 2"):
        DeepConf(window=5, stride=2)
    with pytest.raises(ValueError, match="`eta` is a percentage above 0, got 0"):
        DeepConfOffline(n=1, eta=0)
    with pytest.raises(ValueError, match="`tau`"):
        DeepConf(tau=0.5)
    with pytest.raises(ValueError, match="`first`"):
        DeepConf(first=0)


@settings(deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.integers(1, 6),
    st.sampled_from(["rolling", "barrier"]),
    st.sampled_from([1, 10, 50, 90, 100]),
)
def test_it_survives_anything(random: Random, n: int, warmup: Literal["rolling", "barrier"], eta: float) -> None:
    survives(small(warmup, n=n, eta=eta, tau=0.9), random)
    survives(DeepConfOffline(n=n, eta=eta), random)
