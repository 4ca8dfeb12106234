"""Quantiles of Student's t against printed tables."""

from __future__ import annotations

import pytest
from orchestra.evals.student import central, quantile


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (9, 2.26216), (29, 2.04523), (30, 2.04227), (120, 1.97993)],
)
def test_quantiles_are_those_of_the_tables(freedom: int, expected: float) -> None:
    assert quantile(0.975, freedom) == pytest.approx(expected, rel=1e-5)


def test_many_degrees_of_freedom_go_over_into_the_normal_distribution() -> None:
    assert quantile(0.975, 1999) == pytest.approx(quantile(0.975, 2000), rel=1e-3)
    assert central(1.959964, 5000) == pytest.approx(0.95)


def test_one_degree_of_freedom_is_cauchys_distribution() -> None:
    assert central(1.0, 1) == pytest.approx(0.5)
