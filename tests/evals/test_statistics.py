"""Means, shares and intervals against closed forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.statistics import accuracy, bootstrap, mean, mean_share, percentile, proportion, share_interval

SHARES = st.lists(st.integers(0, 4).map(lambda right: right / 4), min_size=2, max_size=30)


def test_a_mean_has_the_standard_error_of_the_textbook() -> None:
    result = mean([1.0, 2.0, 3.0, 4.0])
    assert result is not None
    assert result.value == 2.5
    assert result.error == pytest.approx(math.sqrt(5 / 3 / 4))


def test_one_value_has_no_error_and_no_value_has_no_mean() -> None:
    assert mean([]) is None and proportion(0, 0) is None and mean_share([]) is None
    single = mean([3.0])
    assert single is not None and (single.value, single.error) == (3.0, None)


def test_all_correct_is_not_certain() -> None:
    result = proportion(100, 100)
    assert result is not None
    assert result.value == 1.0
    assert result.error == pytest.approx(math.sqrt(102 / 104 * 2 / 104 / 104))


def test_a_large_share_has_almost_the_plain_binomial_error() -> None:
    result = proportion(584, 1000)
    assert result is not None and result.error == pytest.approx(math.sqrt(0.584 * 0.416 / 1000), rel=0.01)


def test_more_tries_at_the_same_problems_leave_the_error_between_problems() -> None:
    once = accuracy({"a": [True, False], "b": [True, True]})
    often = accuracy({"a": [True, False] * 50, "b": [True, True] * 50})
    assert once == often and once is not None and once.error == pytest.approx(0.25)


def test_no_interval_comes_from_fewer_than_two_problems() -> None:
    assert bootstrap([]) is None and bootstrap([0.5]) is None
    assert share_interval([]) is None and share_interval([1.0]) is None


def test_nothing_but_successes_have_an_interval_that_is_not_a_point() -> None:
    z = 1.959964
    found = share_interval([1.0] * 20)
    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(20 / (20 + z * z))  # Wilson's interval in closed form for n of n


def test_a_bootstrap_of_many_problems_is_the_normal_interval() -> None:
    shares = [(number % 5) / 4 for number in range(900)]
    found, expected = bootstrap(shares), mean(shares)
    assert found is not None and expected is not None and expected.error is not None
    assert found.half_width == pytest.approx(1.96 * expected.error, rel=0.06)
    exact = bootstrap(shares * 2)
    assert exact is not None and exact.half_width == pytest.approx(1.961 * expected.error / math.sqrt(2), rel=0.001)


def test_the_same_seed_draws_the_same_interval() -> None:
    shares = [0.0, 0.25, 0.5, 1.0, 0.75]
    assert bootstrap(shares, seed=3) == bootstrap(shares, seed=3) != bootstrap(shares, seed=4)


@settings(deadline=None, max_examples=40)
@given(SHARES)
def test_an_interval_of_shares_holds_their_mean_and_stays_between_0_and_1(shares: list[float]) -> None:
    found = share_interval(shares)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.value == pytest.approx(sum(shares) / len(shares))


def test_percentiles_lie_between_neighbours() -> None:
    assert [percentile([1.0, 2.0, 4.0], share) for share in (0, 0.25, 0.5, 0.75, 1)] == [1, 1.5, 2, 3, 4]
    assert percentile([7.0], 0.95) == 7
