"""Pruning of near copies. Traces are compared every 10 tokens; above 0.98 one of a pair is aborted."""

from __future__ import annotations

import math
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Abort, Decision, Judge, Launch, Stop
from orchestra.sample.events import Begun, Event, Judged, Progress
from orchestra.sample.policies.slim_sc import SlimSC
from orchestra.sample.policy import Needs
from tests.sample.policies.helpers import Trace, aborts, decide, end, judged_by, lose, run, seen, survives

SIMILAR = "similar"


def slim(n: int, prune: Literal["random", "diversity"] = "diversity", *, start: int = 0, seed: int = 0) -> SlimSC:
    return SlimSC(n=n, every=10, prune=prune, start=start, seed=seed)


def said(*scores: tuple[int, int, float | None]) -> Judged:
    return Judged(1.0, SIMILAR, {(one, other): score for one, other, score in scores})


def test_of_two_copies_the_later_goes_at_a_tie() -> None:
    decisions = decide(slim(2), Begun(0), Progress(1, {0: 10, 1: 10}), said((0, 1, 0.99)), end(0, "7"))
    assert decisions == [
        [Launch(2)],
        [Judge(SIMILAR, ((0, 1),), 10)],
        [Abort((1,))],
        [Stop("7", "1 finished, 1 pruned", 0)],
    ]


def test_the_one_that_is_more_like_the_rest_goes() -> None:
    # 0 is 0.99 and 0.9 similar, which is 0.945 on average; 1 is 0.99 and 0.1 similar, which is 0.545.
    events: list[Event] = [Begun(0), Progress(1, {0: 10, 1: 10, 2: 10})]
    assert decide(slim(3), *events)[-1] == [Judge(SIMILAR, ((0, 1), (0, 2), (1, 2)), 10)]
    assert decide(slim(3), *events, said((0, 1, 0.99), (0, 2, 0.9), (1, 2, 0.1)))[-1] == [Abort((0,))]


def test_one_of_many_copies_goes_on() -> None:
    events: list[Event] = [Begun(0), Progress(1, {0: 10, 1: 10, 2: 10}), said((0, 1, 0.99), (0, 2, 0.99), (1, 2, 0.99))]
    assert decide(slim(3), *events)[-1] == [Abort((1, 2))]


def test_chance_is_the_seeds() -> None:
    events: list[Event] = [Begun(0), Progress(1, {0: 10, 1: 10}), said((0, 1, 0.99))]
    fates: list[list[Decision]] = [decide(slim(2, "random", seed=seed), *events)[-1] for seed in range(12)]
    assert fates == [decide(slim(2, "random", seed=seed), *events)[-1] for seed in range(12)]
    assert [Abort((0,))] in fates and [Abort((1,))] in fates


@pytest.mark.parametrize("score", [0.98, None, math.nan])
def test_what_is_not_above_the_threshold_prunes_nothing(score: float | None) -> None:
    assert decide(slim(2), Begun(0), Progress(1, {0: 10, 1: 10}), said((0, 1, score)))[-1] == []


def test_a_pair_that_has_lost_one_is_passed_over() -> None:
    events: list[Event] = [Begun(0), Progress(1, {0: 10, 1: 10}), lose(0), said((0, 1, 0.99)), end(1, "7")]
    assert decide(slim(2), *events)[2:] == [[], [], [Stop("7", "1 finished, 0 pruned", 1)]]


def test_a_late_trace_is_compared_at_its_own_length() -> None:
    decisions = decide(slim(3), Begun(0), Progress(1, {0: 10}), Progress(2, {0: 20}), Progress(2, {1: 10}), Progress(3, {1: 20}))
    assert decisions[1:] == [[], [], [Judge(SIMILAR, ((0, 1),), 10)], [Judge(SIMILAR, ((0, 1),), 20)]]


def test_nothing_is_compared_before_the_start() -> None:
    decisions = decide(slim(2, start=20), Begun(0), Progress(1, {0: 10, 1: 10}), Progress(2, {0: 20, 1: 20}))
    assert decisions[1:] == [[], [Judge(SIMILAR, ((0, 1),), 20)]]


def test_survivors_have_one_vote_each() -> None:
    # 0, 1 and 2 are copies and only 0 is left at 10 tokens: 8 has two votes of three.
    traces: list[Trace] = [("7", 40), ("7", 40), ("7", 40), ("8", 25), ("8", 35)]
    outcome = run(slim(5), *traces, rules=judged_by(SIMILAR, lambda one, other: float(one.answer == other.answer == "7")))
    assert aborts(outcome) == [(10.0, (1, 2))]
    assert seen(outcome) == ("8", 40 + 25 + 35, 20, 40)
    # Ten pairs in the first round, three in the second, and at 30 only 0 and 4 still run.
    assert outcome.account.judge == 10 + 3 + 1


def test_all_lost_is_no_answer() -> None:
    (*_, last) = decide(slim(1), Begun(0), lose(0))
    assert last == [Stop(None, "0 finished, 0 pruned; no trace gave an answer that can be read")]


def test_it_needs_progress_and_the_judge() -> None:
    assert SlimSC().needs == Needs(tokens_every=500, judges=frozenset({SIMILAR}))


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="`n` and `every` must be at least 1, got 0 and 500"):
        SlimSC(n=0)
    with pytest.raises(ValueError, match="`threshold` must be a number"):
        SlimSC(threshold=math.nan)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.sampled_from(["random", "diversity"]), st.sampled_from([0, 20]))
def test_it_survives_anything(random: Random, n: int, prune: Literal["random", "diversity"], start: int) -> None:
    survives(slim(n, prune, start=start), random)
