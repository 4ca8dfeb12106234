"""Branches at uncertain steps and compressed aggregation, event by event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Branch, Launch, Revise, Stop
from orchestra.sample.events import Step
from orchestra.sample.policies.muse import Muse

from .endings import BEGUN, decisions, ended, follow, lost, play

STEPS = (Step(0, 1.5), Step(10, 3.0), Step(20, 1.2), Step(30, 2.0))


def report(trace: int) -> Launch:
    return Launch(start=Revise((trace,), "report"))


def branch(trace: int, tokens: int, count: int) -> Launch:
    return Launch(count, start=Branch(trace, tokens))


def test_continuations_begin_at_the_most_uncertain_steps_and_reports_at_once() -> None:
    policy = Muse(budget=4, top=2, branches=2)
    assert (policy.traces, policy.most) == (4, 9)
    follow(
        policy,
        (BEGUN, [Launch(1)]),
        (ended(0, "7", 40, steps=STEPS), [report(0), branch(0, 10, 2), branch(0, 30, 1)]),
        (ended(1, None), []),  # the report on trace 0
        (ended(3, "8"), [report(3)]),
        (ended(2, "7"), [report(2)]),
        (ended(4, "9"), [report(4)]),
        (ended(6, None), []),
        (ended(7, None), []),
        # The report on trace 3 is lost: the trace is shown itself.
        (lost(5), [Launch(start=Revise((1, 6, 3, 7), "integrate"))]),
        (ended(8, "9"), [Stop("9", "integrates reports on 4 traces", 8)]),
    )


def test_the_budget_is_spent_on_the_most_uncertain_steps_of_all_initial_traces() -> None:
    policy = Muse(budget=6, initial=2, top=1, branches=3, aggregate="vote")
    first = ended(0, "7", 40, steps=STEPS)
    second = ended(1, "8", 40, steps=(Step(0, 9.0), Step(5, 2.0)))
    # A step without tokens before it shares nothing: fresh traces.
    assert decisions(policy, BEGUN, first, second) == [Launch(3), branch(0, 10, 1)]


def test_too_few_steps_are_made_up_for_by_fresh_traces() -> None:
    policy = Muse(budget=8, top=2, branches=3, aggregate="vote")
    assert policy.most == 7
    assert decisions(policy, BEGUN, ended(0, "7", 40, steps=(Step(10, 2.0),))) == [branch(0, 10, 3), Launch(3)]
    assert decisions(policy, BEGUN, lost(0)) == [Launch(6)]


def test_a_vote_needs_no_reports() -> None:
    policy = Muse(budget=3, top=1, branches=2, aggregate="vote")
    assert not policy.needs.purposes
    events = [BEGUN, ended(0, "7", steps=STEPS), ended(1, "8"), ended(2, "8")]
    assert decisions(policy, *events) == [Stop("8", "3 of 3 traces ended", 1)]


def test_an_integration_without_an_answer_gives_way_to_the_vote() -> None:
    events = [BEGUN, ended(0, "7", 40, steps=STEPS), ended(2, "8"), ended(1, None), ended(3, None)]
    why = "the integration {}, the traces vote"
    assert decisions(Muse(budget=2), *events, ended(4, None)) == [Stop("7", why.format("states no answer"), 0)]
    assert decisions(Muse(budget=2), *events, lost(4)) == [Stop("7", why.format("is lost"), 0)]


def test_a_single_trace_needs_nothing_and_answers_itself() -> None:
    policy = Muse(budget=1)
    assert (policy.most, policy.needs.logprobs, policy.needs.branches, policy.needs.purposes) == (1, False, False, frozenset())
    assert decisions(policy, BEGUN, ended(0, "7")) == [Stop("7", "1 of 1 traces ended", 0)]


def test_a_single_survivor_is_not_integrated() -> None:
    events = [BEGUN, ended(0, "7", 40, steps=STEPS), lost(2), ended(1, None)]
    assert decisions(Muse(budget=2), *events) == [Stop("7", "1 of 2 traces ended", 0)]


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_branches_end_however_their_traces_do(data: st.DataObject, silent: bool) -> None:
    budget = data.draw(st.integers(1, 5))
    initial = data.draw(st.integers(1, budget))
    aggregate = data.draw(st.sampled_from(["report", "vote"]))
    play(Muse(budget=budget, initial=initial, top=2, branches=2, aggregate=aggregate), data, silent=silent)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="`top` must be at least 1, got 0"):
        Muse(top=0)
    with pytest.raises(ValueError, match="must fit into the `budget`, got 3 and 2"):
        Muse(budget=2, initial=3)
