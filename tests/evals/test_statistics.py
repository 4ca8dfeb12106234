"""Means and shares against closed forms."""

from __future__ import annotations

import math

import pytest
from orchestra.evals.report import accuracy, summary_of
from orchestra.evals.statistics import mean, proportion


def test_a_mean_has_the_standard_error_of_the_textbook() -> None:
    result = mean([1.0, 2.0, 3.0, 4.0])
    assert result is not None
    assert result.value == 2.5
    assert result.error == pytest.approx(math.sqrt(5 / 3 / 4))


def test_one_value_has_no_error_and_no_value_has_no_mean() -> None:
    assert mean([]) is None and proportion(0, 0) is None
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


def test_an_empty_run_has_a_summary_without_numbers() -> None:
    summary = summary_of([], run="r", method="serial")
    assert summary.accuracy is None and summary.wall_seconds is None
    assert accuracy(summary) == "–"
