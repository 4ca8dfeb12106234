"""A reward model chooses."""

from __future__ import annotations

import math
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Judge, Stop
from orchestra.sample.events import Begun, Judged
from orchestra.sample.outcome import Outcome
from orchestra.sample.policies.best_of import BestOf
from orchestra.sample.pool import Recorded
from tests.sample.policies.helpers import decide, end, lose, run, survives


def rewarded(policy: BestOf, *traces: tuple[str | None, int, float | None]) -> Outcome:
    made = [Recorded(answer=answer, tokens=tokens, correct=False, reward=reward) for answer, tokens, reward in traces]
    return run(policy, *made)


SCATTER = [("7", 30, 0.5), ("8", 10, 2.0), ("7", 20, 1.0)]


def test_the_highest_reward_answers() -> None:
    outcome = rewarded(BestOf(n=3), *SCATTER)
    assert (outcome.answer, outcome.trace, outcome.why) == ("8", 1, "highest reward, 2, of 3 traces")
    assert (outcome.account.kept, outcome.account.span) == (60, 30)


def test_weighted_votes_add_up() -> None:
    # σ(0.5) + σ(1) = 0.622 + 0.731 > σ(2) = 0.881
    outcome = rewarded(BestOf(n=3, choose="weighted"), *SCATTER)
    assert (outcome.answer, outcome.trace) == ("7", 2)
    # σ(-3) + σ(-3) = 0.095 < σ(2)
    assert rewarded(BestOf(n=3, choose="weighted"), ("7", 30, -3), ("8", 10, 2), ("7", 20, -3)).answer == "8"


def test_rewards_of_any_size_can_weigh() -> None:
    assert rewarded(BestOf(n=2, choose="weighted"), ("7", 10, -1e9), ("8", 10, 1e9)).answer == "8"
    assert rewarded(BestOf(n=2, choose="weighted"), ("7", 10, -1e9), ("8", 10, -1e9)).answer == "7"


def test_each_trace_is_judged_as_it_ends_unless_it_is_silent() -> None:
    decisions = decide(BestOf(n=2), Begun(0), end(1, "7"), end(0, None))
    assert decisions[1:] == [[Judge("reward", ((1,),))], []]


def test_it_waits_for_the_last_reward() -> None:
    events = [Begun(0), end(0, "7"), end(1, "8"), Judged(0, "reward", {(1,): 1.0}), Judged(0, "reward", {(0,): 2.0})]
    decisions = decide(BestOf(n=2), *events)
    assert decisions[3] == []
    assert decisions[4] == [Stop("7", "highest reward, 2, of 2 traces", 0)]


def test_a_failed_judge_takes_its_trace_out_of_the_choice() -> None:
    assert rewarded(BestOf(n=3), ("7", 10, None), ("7", 10, None), ("8", 10, -5)).answer == "8"
    assert rewarded(BestOf(n=2), ("7", 10, math.nan), ("8", 10, -5)).answer == "8"


@pytest.mark.parametrize("choose", ["best", "weighted"])
def test_without_rewards_the_majority_answers_and_says_so(choose: Literal["best", "weighted"]) -> None:
    outcome = rewarded(BestOf(n=3, choose=choose), ("8", 10, None), ("7", 20, None), ("7", 30, None))
    assert (outcome.answer, outcome.why) == ("7", "no reward for any of 3 traces, so the majority answers")


def test_without_answers_there_is_none() -> None:
    *_, last = decide(BestOf(n=2), Begun(0), lose(0), end(1, None))
    assert isinstance(last[0], Stop) and last[0].answer is None and "no trace gave an answer" in last[0].why


def test_ties_go_to_the_trace_launched_first() -> None:
    assert rewarded(BestOf(n=2), ("7", 20, 1), ("8", 10, 1)).answer == "7"


def test_n_is_checked() -> None:
    with pytest.raises(ValueError, match="`n` must be at least 1, got 0"):
        BestOf(n=0)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.sampled_from(["best", "weighted"]))
def test_it_survives_anything(random: Random, n: int, choose: Literal["best", "weighted"]) -> None:
    survives(BestOf(n=n, choose=choose), random)
