"""Refinement in rounds, event by event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Fresh, Launch, Revise, Stop
from orchestra.sample.policies.rounds import Seat, SequentialRefinement
from orchestra.sample.tally import ahead
from orchestra.sample.weights import UNIFORM

from .endings import BEGUN, decisions, ended, follow, lost, play


def refine(*traces: int, count: int = 1) -> Launch:
    return Launch(count, start=Revise(traces, "refine"))


def test_each_step_is_shown_all_before_it_and_the_surest_answers_win() -> None:
    follow(
        SequentialRefinement(steps=3),
        (BEGUN, [Launch()]),
        (ended(0, "7", entropy=2.0), [refine(0)]),
        (ended(1, "8", entropy=0.5), [refine(0, 1)]),
        # Inverse entropies: "7" has 1 / 2 + 1 / 1 = 1.5, "8" has 1 / 0.5 = 2.
        (ended(2, "7", entropy=1.0), [Stop("8", "3 steps", 1)]),
    )


def test_the_mass_of_the_chain_is_counted_in_votes() -> None:
    decider = SequentialRefinement(steps=3).decider()
    for event in (BEGUN, ended(0, "7", entropy=2.0), ended(1, "8", entropy=0.5)):
        list(decider.on(event))
    # 0.5 and 2 scale to 0.4 and 1.6 votes of two.
    standing = decider.standing()
    assert (standing.answer, standing.trace) == ("8", 1)
    assert standing.posterior == pytest.approx(ahead(1.6, 0.4))


def test_a_chain_may_see_only_its_latest_step() -> None:
    policy = SequentialRefinement(steps=3, shown=1)
    assert decisions(policy, BEGUN, ended(0, "7"), ended(1, "8")) == [refine(1)]


def test_without_scores_every_step_counts_the_same_and_the_stop_says_so() -> None:
    events = [BEGUN, ended(0, "7"), ended(1, "8"), ended(2, "8")]
    assert decisions(SequentialRefinement(steps=3), *events) == [Stop("8", "3 steps, not weighed for lack of scores", 1)]
    assert decisions(SequentialRefinement(steps=3, weight=UNIFORM), *events) == [Stop("8", "3 steps", 1)]


def test_a_lost_step_uses_up_its_turn_and_the_next_goes_on_from_what_there_is() -> None:
    follow(
        SequentialRefinement(steps=4),
        (BEGUN, [Launch()]),
        (lost(0), [Launch(start=Fresh())]),
        (ended(1, None, entropy=1.0), [refine(1)]),
        (lost(2), [refine(1)]),
        (lost(3), [Stop(None, "4 steps; no trace gave an answer that can be read")]),
    )


def test_rounds_see_the_round_before_and_end_below_the_threshold() -> None:
    follow(
        Seat(n=4, rounds=3, threshold=0.9),
        (BEGUN, [Launch(4)]),
        (ended(1, "7"), []),
        (ended(0, "8"), []),
        (ended(3, "7"), []),
        # Halves: 1 bit.
        (ended(2, "8"), [refine(0, 1, 2, 3, count=4)]),
        (ended(4, "7"), []),
        (ended(5, "7"), []),
        (ended(6, "8"), []),
        # Three of four: 0.811 bits.
        (ended(7, "7"), [Stop("7", "entropy 0.811 bits in round 2 is below 0.9", 4)]),
    )


def test_the_secretary_takes_the_first_round_that_beats_those_it_only_looked_at() -> None:
    policy = Seat(n=3, rounds=4, observe=2)
    first = [ended(0, "7"), ended(1, "7"), ended(2, "8")]  # 0.918 bits
    second = [ended(3, "7"), ended(4, "8"), ended(5, "9")]  # 1.585 bits
    third = [ended(6, "9"), ended(7, "7"), ended(8, "9")]  # 0.918 bits: no lower than the first
    fourth = [ended(9, "1"), ended(10, "2"), ended(11, "1")]
    follow(
        policy,
        (BEGUN, [Launch(3)]),
        *[(event, []) for event in first[:2]],
        (first[2], [refine(0, 1, 2, count=3)]),
        *[(event, []) for event in second[:2]],
        (second[2], [refine(3, 4, 5, count=3)]),
        *[(event, []) for event in third[:2]],
        (third[2], [refine(6, 7, 8, count=3)]),
        *[(event, []) for event in fourth[:2]],
        (fourth[2], [Stop("1", "round 4 is the last", 9)]),
    )
    lower = [ended(6, "9"), ended(7, "9"), ended(8, "9")]
    assert decisions(policy, BEGUN, *first, *second, *lower) == [Stop("9", "all agree in round 3", 6)]


def test_a_round_that_is_surer_than_those_looked_at_is_the_last() -> None:
    scattered, surer = [ended(0, "7"), ended(1, "8"), ended(2, "9")], [ended(3, "7"), ended(4, "7"), ended(5, "8")]
    stop = Stop("7", "entropy 0.918 bits in round 2 is the lowest so far", 3)
    assert decisions(Seat(n=3, rounds=4, observe=1), BEGUN, *scattered, *surer) == [stop]


def test_the_secretary_looks_at_an_eth_of_the_rounds() -> None:
    assert [Seat(n=2, rounds=rounds).observed for rounds in (1, 2, 3, 6, 10)] == [1, 1, 1, 2, 3]


def test_a_round_that_is_mostly_silent_agrees_on_nothing() -> None:
    events = [BEGUN, ended(0, "7"), ended(1, "7"), ended(2, None), ended(3, None)]
    assert decisions(Seat(n=4, rounds=2), *events) == [refine(0, 1, 2, 3, count=4)]


def test_a_lost_round_is_tried_again_and_an_earlier_vote_stands() -> None:
    follow(
        Seat(n=2, rounds=4),
        (BEGUN, [Launch(2)]),
        (lost(0), []),
        (lost(1), [Launch(2)]),
        (ended(2, "7"), []),
        (ended(3, "8"), [refine(2, 3, count=2)]),
        (lost(4), []),
        (lost(5), [refine(2, 3, count=2)]),
        (ended(6, None), []),
        (ended(7, None), [Stop("7", "round 4 is the last", 2)]),
    )


def test_one_trace_a_round_agrees_with_itself() -> None:
    assert decisions(Seat(n=1, rounds=5), BEGUN, ended(0, "7")) == [Stop("7", "all agree in round 1", 0)]


def test_between_rounds_the_round_under_way_has_the_word_once_it_has_an_answer() -> None:
    decider = Seat(n=2, rounds=3).decider()
    for event in (BEGUN, ended(0, "7"), ended(1, "8")):
        list(decider.on(event))
    assert decider.standing().answer == "7"
    list(decider.on(ended(2, "9")))
    assert decider.standing().answer == "9"


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_chains_end_however_their_steps_do(data: st.DataObject, silent: bool) -> None:
    policy = SequentialRefinement(steps=data.draw(st.integers(1, 5)), shown=data.draw(st.sampled_from([None, 1, 2])))
    outcome = play(policy, data, silent=silent)
    assert outcome.account.launched == policy.steps


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_rounds_end_however_their_traces_do(data: st.DataObject, silent: bool) -> None:
    rounds = data.draw(st.integers(1, 4))
    rule = data.draw(st.sampled_from([{}, {"threshold": 0.5}, {"observe": rounds}]))
    play(Seat(n=data.draw(st.integers(1, 4)), rounds=rounds, **rule), data, silent=silent)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0, "rounds": 1}, "at least 1, got 0 and 1"),
        ({"n": 1, "rounds": 1, "threshold": 0.0}, "positive number of bits, got 0.0"),
        ({"n": 1, "rounds": 2, "threshold": 0.5, "observe": 1}, "give one of both"),
        ({"n": 1, "rounds": 2, "observe": 3}, "lie in 1 … 2, got 3"),
    ],
)
def test_rounds_that_make_no_sense_are_refused(settings: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        Seat(**settings)
