"""Switching between fast and thinking traces, event by event."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Judge, Launch, Stop
from orchestra.sample.policies.scale import Scale

from .endings import BEGUN, decisions, ended, follow, judged, lost, play

FAST = Launch(1, "fast")
ASK = Judge("difficulty", ((0,),))


def test_an_easy_problem_is_answered_without_thinking() -> None:
    follow(
        Scale(),
        (BEGUN, [FAST]),
        (ended(0, "7"), [ASK]),
        (judged("difficulty", (0, 0.2)), [Stop("7", "difficulty 0.2, no thinking", 0)]),
    )


def test_a_hard_problem_is_thought_about_and_only_the_thoughts_vote() -> None:
    follow(
        Scale(levels=((0.2, 1), (0.5, 3))),
        (BEGUN, [FAST]),
        (ended(0, "7"), [ASK]),
        (judged("difficulty", (0, 0.51)), [Launch(3)]),
        (ended(1, "7"), []),
        (ended(2, "8"), []),
        (ended(3, "8"), [Stop("8", "difficulty 0.51, thinking", 2)]),
    )


@pytest.mark.parametrize(("difficulty", "slow"), [(0.0, 0), (0.2, 0), (0.21, 1), (0.5, 1), (0.9, 3), (None, 3), (math.nan, 3)])
def test_the_budget_follows_the_difficulty_and_the_unknown_is_hard(difficulty: float | None, slow: int) -> None:
    assert Scale(levels=((0.2, 1), (0.5, 3))).slow(difficulty) == slow


def test_the_entropy_of_fast_answers_needs_no_judge() -> None:
    policy = Scale(fast=4, levels=((0.5, 2),), signal="entropy")
    assert not policy.needs.judges
    agree = [ended(0, "7"), ended(1, "7"), ended(2, "7"), ended(3, None)]
    assert decisions(policy, BEGUN, *agree) == [Stop("7", "difficulty 0, no thinking", 0)]
    # Halves of two votes are 1 bit.
    differ = [ended(0, "7"), ended(1, "8"), ended(2, None), ended(3, None)]
    assert decisions(policy, BEGUN, *differ) == [Launch(2)]
    silent = [ended(0, "7"), lost(1), ended(2, None), ended(3, None)]
    assert decisions(policy, BEGUN, *silent, ended(4, "8"), ended(5, "8")) == [Stop("8", "unknown difficulty, thinking", 4)]


def test_without_an_opinion_or_without_fast_traces_a_problem_is_hard() -> None:
    assert decisions(Scale(levels=((0.2, 1), (0.5, 3))), BEGUN, ended(0, "7"), judged("difficulty", (0, None))) == [Launch(3)]
    assert decisions(Scale(), BEGUN, lost(0)) == [Launch(1)]


def test_an_easy_problem_without_a_fast_answer_gets_the_lowest_budget() -> None:
    policy = Scale(levels=((0.2, 2), (0.5, 3)))
    assert decisions(policy, BEGUN, ended(0, None), judged("difficulty", (0, 0.1))) == [Launch(2)]


def test_the_fast_answer_stands_when_thinking_states_none() -> None:
    events = [BEGUN, ended(0, "7"), judged("difficulty", (0, 0.9)), lost(1)]
    assert decisions(Scale(), *events) == [Stop("7", "difficulty 0.9, thinking states no answer, the fast traces vote", 0)]


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_both_systems_end_however_their_traces_and_the_judge_do(data: st.DataObject, silent: bool) -> None:
    signal = data.draw(st.sampled_from(["judge", "entropy"]))
    fast = data.draw(st.integers(2 if signal == "entropy" else 1, 4))
    play(Scale(fast=fast, levels=((0.5, 1), (1.0, 3)), signal=signal), data, silent=silent)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fast": 0}, "`fast` must be at least 1, got 0"),
        ({"signal": "entropy"}, "entropy of one answer is 0"),
        ({"levels": ()}, r"rising thresholds of at least 0, got \(\)"),
        ({"levels": ((0.5, 1), (0.2, 2))}, "rising thresholds"),
        ({"levels": ((0.5, 0),)}, "at least one trace"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        Scale(**settings)
