"""The hierarchical bootstrap against closed forms."""

from __future__ import annotations

import math
from random import Random

import pytest
from orchestra.evals.statistics import Interval, paired_difference, smallest_visible


def clustered(centres: list[float]) -> float:
    """Standard error of a mean of problems, as a bootstrap estimates it: with n in the place of n - 1."""
    mean = sum(centres) / len(centres)
    return math.sqrt(sum((centre - mean) ** 2 for centre in centres)) / len(centres)


def test_the_interval_is_the_normal_one_of_the_error_clustered_by_problem() -> None:
    random = Random(1)
    centres = [random.gauss(0.02, 0.1) for _ in range(60)]
    found = paired_difference({"a": [[centre] * 200 for centre in centres]})
    assert found is not None
    assert found.value == pytest.approx(sum(centres) / 60)
    assert found.half_width == pytest.approx(1.96 * clustered(centres), rel=0.05)


def test_the_spread_of_resamples_adds_to_that_of_problems() -> None:
    random = Random(2)
    draws = [[centre + random.gauss(0, 0.5) for _ in range(20)] for centre in (random.gauss(0, 0.1) for _ in range(60))]
    centres = [sum(values) / 20 for values in draws]
    within = sum(sum((v - c) ** 2 for v in values) / 20 / 20 for values, c in zip(draws, centres, strict=True)) / 60**2
    found = paired_difference({"a": draws})
    assert found is not None
    assert found.half_width == pytest.approx(1.96 * math.sqrt(clustered(centres) ** 2 + within), rel=0.05)


def test_problems_are_drawn_within_their_set() -> None:
    """Two sets that differ from each other and not within themselves leave nothing to doubt."""
    found = paired_difference({"easy": [[0.0]] * 30, "hard": [[1.0]] * 30})
    assert found == Interval(0.5, 0.5, 0.5)


def test_the_same_seed_gives_the_same_interval() -> None:
    random = Random(3)
    differences = {"a": [[random.random() for _ in range(5)] for _ in range(9)]}
    assert paired_difference(differences) == paired_difference(differences)
    assert paired_difference(differences) != paired_difference(differences, seed=1)


def test_one_problem_has_only_its_resamples_to_go_by() -> None:
    found = paired_difference({"a": [[0.0, 1.0] * 50]})
    assert found is not None and found.low < found.value == 0.5 < found.high


def test_no_problem_has_no_difference() -> None:
    assert paired_difference({}) is None and paired_difference({"a": []}) is None


def test_a_difference_of_2_8_standard_errors_is_seen_four_times_in_five() -> None:
    assert smallest_visible(Interval(0, -1.96, 1.96)) == pytest.approx(2.8)
