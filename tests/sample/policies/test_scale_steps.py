"""Thinking by the step of an outline, event by event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Judge, Launch, Revise, Stop
from orchestra.sample.policies.scale_steps import ScaleSteps

from .endings import BEGUN, decisions, ended, follow, judged, lost, play


def launch(*traces: int, purpose: str, arm: str = "", count: int = 1) -> Launch:
    return Launch(count, arm, Revise(traces, purpose))


def ask(*traces: int) -> Judge:
    return Judge("difficulty", (traces,))


def test_easy_steps_are_worked_fast_and_hard_ones_with_thinking_until_one_answers() -> None:
    policy = ScaleSteps(steps=4, outlines=2)
    follow(
        policy,
        (BEGUN, [launch(purpose="outline", arm="fast", count=2)]),
        (ended(1, None), []),
        (ended(0, "7"), [launch(0, 1, purpose="choose_outline", arm="fast")]),
        (ended(2, None), [ask(2)]),
        (judged("difficulty", ((2,), 0.1)), [launch(2, purpose="step", arm="fast")]),
        (ended(3, None), [ask(2, 3)]),
        (judged("difficulty", ((2, 3), 0.7)), [launch(2, 3, purpose="step")]),
        (ended(4, "8"), [Stop("8", "2 steps, 1 of them with thinking", 4)]),
    )
    assert policy.most == 2 + 1 + 4 + 1


def test_one_outline_needs_no_choice() -> None:
    policy = ScaleSteps(outlines=1)
    assert decisions(policy, BEGUN, ended(0, None)) == [ask(0)]
    assert "choose_outline" not in policy.needs.purposes


def test_a_lost_choice_takes_the_first_outline() -> None:
    assert decisions(ScaleSteps(outlines=2), BEGUN, ended(1, None), ended(0, None), lost(2)) == [ask(1)]


def test_without_an_opinion_a_step_is_thought_about() -> None:
    events = [BEGUN, ended(0, None), judged("difficulty", ((0,), None))]
    assert decisions(ScaleSteps(outlines=1), *events) == [launch(0, purpose="step")]


def test_when_the_steps_are_over_the_main_source_has_the_last_word() -> None:
    follow(
        ScaleSteps(steps=2, outlines=1),
        (BEGUN, [launch(purpose="outline", arm="fast")]),
        (ended(0, None), [ask(0)]),
        (judged("difficulty", ((0,), 0.0)), [launch(0, purpose="step", arm="fast")]),
        (lost(1), [ask(0)]),
        (judged("difficulty", ((0,), 0.0)), [launch(0, purpose="step", arm="fast")]),
        (ended(2, None), [launch(0, 2, purpose="summarise")]),
        (ended(3, None), [Stop(None, "2 steps, 0 of them with thinking; no answer came of it")]),
    )


def test_without_outlines_the_problem_is_solved_at_once() -> None:
    follow(
        ScaleSteps(outlines=2),
        (BEGUN, [launch(purpose="outline", arm="fast", count=2)]),
        (lost(0), []),
        (lost(1), [Launch()]),
        (ended(2, "7"), [Stop("7", "no outline: solved at once", 2)]),
    )


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_steps_end_however_their_traces_and_the_judge_do(data: st.DataObject, silent: bool) -> None:
    play(ScaleSteps(steps=data.draw(st.integers(1, 3)), outlines=data.draw(st.integers(1, 3))), data, silent=silent)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"outlines": 0}, {"threshold": -1.0}])
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="must be at least"):
        ScaleSteps(**settings)
