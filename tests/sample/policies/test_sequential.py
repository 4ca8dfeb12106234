"""One after the other. One decoding step is one second."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.sample.decisions import Launch, Stop
from orchestra.sample.events import Begun
from orchestra.sample.policies.sequential import AdaptiveConsistency, EarlyStopping
from orchestra.sample.policy import Standing
from orchestra.sample.tally import ahead
from tests.sample.policies.helpers import decide, end, launches, lose, run, seen, survives


def test_four_equal_answers_in_a_row_are_enough() -> None:
    # 1 - I_½(v + 1, 1) = 1 - 2^-(v + 1): 0.9375 after three votes, 0.96875 after four.
    outcome = run(AdaptiveConsistency(n=10), *[("7", 10)] * 10)
    assert seen(outcome) == ("7", 40, 0, 40)
    assert launches(outcome) == [1, 1, 1, 1]
    assert outcome.posterior == 0.96875


def test_a_dissenter_costs_three_more_traces() -> None:
    # 5 to 1: P(Bin(7, ½) <= 5) = 120/128 = 0.9375; 6 to 1: P(Bin(8, ½) <= 6) = 247/256 = 0.965.
    outcome = run(AdaptiveConsistency(n=10), ("8", 10), *[("7", 10)] * 9)
    assert seen(outcome) == ("7", 70, 0, 70)
    assert ahead(5, 1) == 0.9375 and ahead(6, 1) == 247 / 256


def test_slots_are_refilled_and_the_rest_is_aborted() -> None:
    # Two slots. 0 ends at 10 and 1 at 20; 2 begins at 10 and ends at 20, 3 and 4 begin at 20.
    outcome = run(AdaptiveConsistency(n=6, slots=2, threshold=0.93), ("7", 10), ("7", 20), ("7", 10), *[("7", 30)] * 3)
    assert seen(outcome) == ("7", 40, 0, 20)
    assert launches(outcome) == [2, 1, 1]


def test_a_single_trace_is_its_own_majority() -> None:
    assert seen(run(AdaptiveConsistency(n=1), ("7", 10))) == ("7", 10, 0, 10)
    assert seen(run(EarlyStopping(n=1, window=1), ("7", 10))) == ("7", 10, 0, 10)


def test_without_a_safe_leader_all_are_asked_and_the_majority_answers() -> None:
    outcome = run(AdaptiveConsistency(n=4), ("7", 10), (None, 10), ("8", 10), ("8", 10))
    assert seen(outcome) == ("8", 40, 0, 40)
    assert outcome.trace == 2


def test_lost_traces_are_replaced_within_n_but_do_not_vote() -> None:
    decisions = decide(AdaptiveConsistency(n=3), Begun(0), lose(0), end(1, "7"), lose(2))
    assert decisions[:3] == [[Launch(1)], [Launch(1)], [Launch(1)]]
    assert decisions[3] == [Stop("7", "all 3 traces have ended", 1)]


def test_a_unanimous_window_ends_the_search() -> None:
    # The first window takes max(10, 30) = 30 steps, the second 20.
    outcome = run(EarlyStopping(n=6, window=2), ("7", 10), ("8", 30), ("9", 10), ("9", 20), ("7", 10), ("7", 10))
    assert seen(outcome) == ("9", 70, 0, 50)
    assert launches(outcome) == [2, 2]
    assert outcome.trace == 2


def test_a_window_with_a_silent_or_lost_trace_is_not_unanimous() -> None:
    silent = run(EarlyStopping(n=4, window=2), ("7", 10), (None, 10), ("7", 10), ("8", 10))
    assert seen(silent) == ("7", 40, 0, 20)
    decisions = decide(EarlyStopping(n=3, window=2), Begun(0), end(0, "7"), lose(1), end(2, "8"))
    assert decisions[2] == [Launch(1)]
    assert decisions[3] == [Stop("8", "a window of 1 is unanimous after 3 traces", 2)]


def test_without_a_unanimous_window_the_majority_of_all_answers() -> None:
    assert seen(run(EarlyStopping(n=4, window=2), ("7", 10), ("8", 10), ("9", 10), ("8", 10))) == ("8", 40, 0, 20)


@pytest.mark.parametrize("policy", [AdaptiveConsistency(n=3, slots=2), EarlyStopping(n=3, window=2)])
def test_when_nothing_is_readable_there_is_no_answer(policy: AdaptiveConsistency | EarlyStopping) -> None:
    outcome = run(policy, *[(None, 10)] * 3)
    assert outcome.answer is None and outcome.account.launched == 3
    assert "no trace gave an answer" in outcome.why


def test_it_stands_by_the_majority_so_far() -> None:
    decider = EarlyStopping(n=4, window=4).decider()
    assert decider.standing() == Standing(answer=None)
    for event in (Begun(0), end(0, "7"), end(1, "8"), end(2, "8")):
        decider.on(event)
    assert decider.standing() == Standing(answer="8", trace=1, posterior=ahead(2, 1))


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="`slots` must lie between 1 and `n`, got 5 with n=4"):
        AdaptiveConsistency(n=4, slots=5)
    with pytest.raises(ValueError, match="`threshold`"):
        AdaptiveConsistency(threshold=0.5)
    with pytest.raises(ValueError, match="`window`"):
        EarlyStopping(n=4, window=0)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(1, 6))
def test_it_survives_anything(random: Random, n: int, width: int) -> None:
    survives(AdaptiveConsistency(n=n, slots=min(n, width)), random)
    survives(EarlyStopping(n=n, window=min(n, width)), random)
