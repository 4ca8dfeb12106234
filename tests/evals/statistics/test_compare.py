"""Paired comparisons against McNemar's exact test, against all sign patterns, and on known differences."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals import compare as module
from orchestra.evals.compare import compare, difference_interval, sign_flips


def _patterns(differences: list[Fraction]) -> list[Fraction]:
    """How far the sums of all sign patterns are from 0."""
    signs = product((1, -1), repeat=len(differences))
    return [abs(sum((s * d for s, d in zip(each, differences, strict=True)), Fraction(0))) for each in signs]


DIFFERENCES = st.lists(st.fractions(-1, 1, max_denominator=6), max_size=8)


@settings(deadline=None, max_examples=40)
@given(DIFFERENCES)
def test_p_is_the_share_of_all_sign_patterns_that_go_as_far(differences: list[Fraction]) -> None:
    observed = abs(sum(differences, Fraction(0)))
    sums = _patterns(differences)
    assert sign_flips(differences) == pytest.approx(sum(one >= observed for one in sums) / len(sums))


def test_with_one_try_each_p_is_mcnemars_exact_one() -> None:
    only_first, only_second = 14, 5
    differences = [Fraction(1)] * only_first + [Fraction(-1)] * only_second + [Fraction(0)] * 81
    tail = sum(math.comb(19, count) for count in range(only_second + 1)) / 2**19
    assert sign_flips(differences) == pytest.approx(2 * tail)


def test_p_for_very_many_problems_is_that_of_the_normal_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = [Fraction(number % 7 - 3, 4) for number in range(400)] + [Fraction(1, 4)] * 40
    exact = sign_flips(differences)
    monkeypatch.setattr(module, "_MOST_BYTES", 0)
    assert sign_flips(differences) == pytest.approx(exact, abs=0.01)


def test_only_problems_of_both_runs_count_and_errors_of_one_run_do_not_hurt() -> None:
    found = compare({"a": [True], "b": [False], "mine": [True]}, {"b": [False], "a": [False], "theirs": [False]})
    assert found is not None
    assert (found.problems, found.difference) == (2, 0.5)
    assert (found.only_first, found.only_second, found.both, found.neither) == (1, 0, 0, 1)
    assert compare({"a": [True]}, {"b": [True]}) is None


def test_different_numbers_of_tries_compare_by_their_shares() -> None:
    found = compare({"a": [True, False, False], "b": [True] * 3}, {"a": [True, False], "b": [False] * 2})
    assert found is not None
    assert found.difference == pytest.approx((1 / 3 - 1 / 2 + 1) / 2)


def test_a_single_problem_has_a_difference_without_interval() -> None:
    found = compare({"a": [True]}, {"a": [False]})
    assert found is not None and (found.difference, found.low, found.high, found.p) == (1.0, None, None, 1.0)


def test_equal_runs_of_single_tries_are_not_certain_to_be_equal() -> None:
    found = difference_interval([0.0] * 30)
    assert found is not None
    assert found.value == 0 and found.low == -found.high and 0.05 < found.high < 0.08


def test_differences_of_single_tries_have_the_interval_of_agresti_and_min() -> None:
    found = difference_interval([1.0] * 14 + [-1.0] * 5 + [0.0] * 81)
    cells = (14.5 - 5.5) / 102
    half = 1.96 * math.sqrt(14.5 + 5.5 - 9**2 / 102) / 102
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.09, cells - half, cells + half))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=2, max_size=20))
def test_an_interval_holds_the_difference_and_stays_between_minus_1_and_1(differences: list[float]) -> None:
    found = difference_interval(differences)
    assert found is not None
    assert -1 <= found.low <= found.value <= found.high <= 1


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(*[st.lists(st.booleans(), min_size=1, max_size=4)] * 2), min_size=1))
def test_the_other_way_round_is_the_same_with_the_other_sign(tries: dict[str, tuple[list[bool], list[bool]]]) -> None:
    first, second = ({problem: both[side] for problem, both in tries.items()} for side in (0, 1))
    there, back = compare(first, second), compare(second, first)
    assert there is not None and back is not None
    assert there.difference == pytest.approx(-back.difference)
    assert there.p == back.p
    assert (there.only_first, there.only_second) == (back.only_second, back.only_first)


def test_p_of_few_problems_with_odd_numbers_of_tries_is_exact_and_at_once() -> None:
    shares = [
        ((60, 64), (3, 63)),
        ((50, 61), (1, 59)),
        ((40, 64), (2, 61)),
        ((9, 59), (1, 64)),
        ((33, 63), (2, 59)),
        ((1, 61), (60, 64)),
    ]
    differences = [Fraction(*ours) - Fraction(*theirs) for ours, theirs in shares]  # of a denominator of fourteen million
    sums = _patterns(differences)
    assert sign_flips(differences) == sum(one >= abs(sum(differences, Fraction(0))) for one in sums) / len(sums)


def test_listing_and_counting_sign_flips_give_the_same_p(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = [Fraction(number % 5 - 1, 4) for number in range(16)]
    listed = sign_flips(differences)
    monkeypatch.setattr(module, "_MOST_LISTED", 0)
    assert sign_flips(differences) == listed
