"""What notes say of the smallest difference that can be seen."""

from __future__ import annotations

import math

from orchestra.evals.power import note_alone, note_paired, visible_alone
from orchestra.evals.statistics import Interval


def test_two_runs_of_thirty_problems_need_a_difference_of_over_thirty_points() -> None:
    error = math.sqrt(0.5 * 0.5 / 30)
    assert 0.36 < visible_alone(error) < 0.37
    assert "With 30 problems, differences below 36.1 points" in str(note_alone(30, error))


def test_paired_runs_are_judged_by_the_interval_of_their_difference() -> None:
    note = note_paired(30, [Interval(0.1, 0.1 - 0.0196, 0.1 + 0.0196), Interval(0, -0.0392, 0.0392)])
    assert note is not None and "below 2.8 to 5.6 (by run) points" in note


def test_where_nothing_can_be_told_the_note_says_so() -> None:
    assert note_paired(1, []) is None
    assert "no telling" in str(note_alone(1, None))
