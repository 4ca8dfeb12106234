"""Greedy clustering by a judge of pairs. Traces are judged after 10 tokens; scores above 0.5 join."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Abort, Decision, Judge, Launch, Stop
from orchestra.sample.events import Begun, Event, Judged, Progress
from orchestra.sample.policies.deep_prune import DeepPrune
from orchestra.sample.policy import Needs
from orchestra.sample.pool import Recorded
from tests.sample.policies.helpers import Trace, aborts, decide, end, judged_by, lose, run, seen, survives

SAME = "same_answer"


def prune(n: int, *, sample: int = 4, clusters: int = 16, largest: int = 0, max_pairs: int = 99, tau: float = 0.5) -> DeepPrune:
    return DeepPrune(n=n, judge_tokens=10, tau=tau, sample=sample, clusters=clusters, largest=largest, max_pairs=max_pairs)


def at_ten(*traces: int) -> Progress:
    return Progress(1.0, dict.fromkeys(traces, 10))


def said(*scores: tuple[int, int, float | None]) -> Judged:
    return Judged(1.0, SAME, {(trace, member): score for trace, member, score in scores})


def ask(*pairs: tuple[int, int]) -> list[Decision]:
    return [Judge(SAME, pairs, 10)]


def agree(one: Recorded, other: Recorded) -> float:
    return float(one.answer == other.answer)


def test_a_trace_that_joins_is_aborted_and_votes_with_its_cluster() -> None:
    # At 10 tokens: 0 founds, 1 joins it, 2 founds, 3 founds. Cluster 0 has 2 votes.
    traces: list[Trace] = [("7", 40), ("7", 50), ("8", 20), ("9", 30)]
    outcome = run(prune(4), *traces, rules=judged_by(SAME, agree))
    assert aborts(outcome) == [(10.0, (1,))]
    assert seen(outcome) == ("7", 40 + 20 + 30, 10, 40)
    # Pairs: 1 with 0, 2 with 0 and 1, 3 with 0, 1 and 2; a token each.
    assert outcome.why == "3 finished, 1 pruned, 3 clusters, 6 pairs judged"
    assert outcome.account.judge == 6


def test_the_most_similar_cluster_is_joined() -> None:
    decisions = decide(
        prune(3),
        Begun(0),
        at_ten(0),
        at_ten(1),
        said((1, 0, 0.5)),
        at_ten(2),
        said((2, 0, 0.6), (2, 1, 0.8)),
        end(1, "9"),
        end(0, "8"),
    )
    # 0.5 is not above tau. 2 joins 1 with 0.8, and 1 votes for both.
    assert decisions[:6] == [[Launch(3)], [], ask((1, 0)), [], ask((2, 0), (2, 1)), [Abort((2,))]]
    assert decisions[7] == [Stop("9", "2 finished, 1 pruned, 2 clusters, 3 pairs judged", 1)]


def test_similarity_is_a_mean_over_members() -> None:
    # Nobody is aborted before the second stage. 2 with 0 and 1: 0.2 and 0.9 are 0.55 on average; 0.2 and 0.7 are 0.45.
    before: list[Event] = [Begun(0), at_ten(0), at_ten(1), said((1, 0, 0.9)), at_ten(2)]
    assert decide(prune(3, largest=1), *before)[-1] == ask((2, 0), (2, 1))
    joined = decide(prune(3, largest=1), *before, said((2, 0, 0.2), (2, 1, 0.9)), end(0, "7"))
    assert joined[-2:] == [[Abort((1, 2))], [Stop("7", "1 finished, 2 pruned, 1 clusters, 3 pairs judged", 0)]]
    alone = decide(prune(3, largest=1), *before, said((2, 0, 0.2), (2, 1, 0.7)), end(0, "7"))
    assert alone[-2:] == [[Abort((1, 2))], [Stop("7", "1 finished, 2 pruned, 2 clusters, 3 pairs judged", 0)]]


def test_no_more_members_are_compared_than_sampled() -> None:
    events: list[Event] = [Begun(0), at_ten(0), at_ten(1), said((1, 0, 0.9)), at_ten(2)]
    (judge,) = decide(prune(9, sample=1, largest=1), *events)[-1]
    assert isinstance(judge, Judge) and judge.groups in [((2, 0),), ((2, 1),)]


def test_the_largest_cluster_goes_on_with_some_of_its_members() -> None:
    # 7, 8, 8, 8: the second stage keeps 1 and 2 of the cluster {1, 2, 3}, and the single founder 0 is given up.
    traces: list[Trace] = [("7", 40), ("8", 40), ("8", 40), ("8", 40)]
    outcome = run(prune(4, largest=2), *traces, rules=judged_by(SAME, agree))
    assert aborts(outcome) == [(10.0, (0, 3))]
    assert seen(outcome) == ("8", 80, 20, 40)


def test_where_no_two_agree_the_first_founders_go_on() -> None:
    traces: list[Trace] = [("7", 40), ("8", 40), ("9", 40)]
    assert aborts(run(prune(3, largest=2), *traces, rules=judged_by(SAME, agree))) == [(10.0, (2,))]


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_what_the_judge_does_not_know_prunes_nothing_and_founds_nothing(unknown: float | None) -> None:
    decisions = decide(prune(2), Begun(0), at_ten(0, 1), said((1, 0, unknown)), end(0, "7"), end(1, "7"))
    assert decisions[1:] == [ask((1, 0)), [], [], [Stop("7", "2 finished, 0 pruned, 1 clusters, 1 pairs judged", 0)]]


def test_unknown_scores_are_left_out_of_the_mean() -> None:
    events: list[Event] = [
        Begun(0),
        at_ten(0),
        at_ten(1),
        said((1, 0, 0.9)),
        at_ten(2),
        said((2, 0, None), (2, 1, 0.6)),
        end(0, "7"),
    ]
    assert decide(prune(3, largest=1), *events)[-1] == [Stop("7", "1 finished, 2 pruned, 1 clusters, 3 pairs judged", 0)]


def test_no_cluster_is_founded_beyond_the_last() -> None:
    decisions = decide(prune(3, clusters=1), Begun(0), at_ten(0, 1, 2), said((1, 0, 0.1)))
    assert decisions[-1] == ask((2, 0))  # 1 founded none


def test_pairs_are_bounded() -> None:
    decisions = decide(prune(3, max_pairs=2), Begun(0), at_ten(0, 1, 2), said((1, 0, 0.1)), end(0, "7"), end(1, "7"), end(2, "8"))
    assert decisions[2:] == [[], [], [], [Stop("7", "3 finished, 0 pruned, 2 clusters, 2 pairs judged", 0)]]


def test_a_trace_that_ended_before_its_turn_is_not_judged() -> None:
    decisions = decide(prune(3), Begun(0), at_ten(0, 1, 2), end(2, "8"), said((1, 0, 0.9)), end(0, "7"))
    assert decisions[2:4] == [[], [Abort((1,))]]
    assert decisions[4] == [Stop("7", "2 finished, 1 pruned, 1 clusters, 1 pairs judged", 0)]


def test_votes_are_lost_with_the_last_of_a_cluster() -> None:
    decisions = decide(prune(3), Begun(0), at_ten(0, 1), said((1, 0, 0.9)), lose(0), end(2, "8"))
    assert decisions[-1] == [Stop("8", "1 finished, 1 pruned, 1 clusters, 1 pairs judged", 2)]


def test_one_trace_is_judged_by_nobody() -> None:
    assert seen(run(prune(1), ("7", 40), rules=judged_by(SAME, agree))) == ("7", 40, 0, 40)


def test_it_needs_progress_and_the_judge() -> None:
    assert DeepPrune().needs == Needs(tokens_every=8000, judges=frozenset({SAME}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "`n` must be at least 1, got 0"),
        ({"judge_tokens": 0}, "`judge_tokens` must be at least 1, got 0"),
        ({"largest": -1}, "`largest` must be at least 0, got -1"),
        ({"tau": math.nan}, "`tau` must be a number"),
    ],
)
def test_parameters_are_checked(settings: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        DeepPrune(**settings)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(1, 3), st.integers(0, 3), st.sampled_from([0, 2, 99]))
def test_it_survives_anything(random: Random, n: int, few: int, largest: int, max_pairs: int) -> None:
    survives(prune(n, sample=few, clusters=few, largest=largest, max_pairs=max_pairs), random)
