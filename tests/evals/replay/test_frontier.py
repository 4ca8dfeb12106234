"""A family of policies against another at the same price."""

from __future__ import annotations

import pytest
from orchestra.evals.replay.frontier import against
from orchestra.evals.replay.resample import Played

GROUPS = {"a": [0, 1]}


def played(work: int, *right: bytes) -> list[Played]:
    return [Played(one, [work] * len(one), [work] * len(one), [0.0] * len(one), {}) for one in right]


CHEAP = played(100, bytes([0, 1]), bytes([1, 1]))
DEAR = played(200, bytes([1, 1]), bytes([1, 1]))


def test_between_two_settings_a_coin_is_tossed() -> None:
    found = against([DEAR, CHEAP], played(150, bytes([0, 0]), bytes([1, 1])), "work", GROUPS)
    assert found.reached and found.cost == 150
    assert found.accuracy == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    assert found.difference.value == pytest.approx((0.75 + 0) / 2)


@pytest.mark.parametrize(("work", "stands_in", "accuracy"), [(50, 100, 0.75), (300, 200, 1.0)])
def test_beyond_the_family_its_nearest_setting_stands_in(work: int, stands_in: float, accuracy: float) -> None:
    found = against([CHEAP, DEAR], played(work, bytes([0, 0]), bytes([1, 1])), "work", GROUPS)
    assert (found.reached, found.cost, found.accuracy) == (False, stands_in, accuracy)


def test_a_setting_that_costs_the_same_is_taken_as_it_is() -> None:
    found = against([CHEAP, DEAR], CHEAP, "span", GROUPS)
    assert found.reached and (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert against([CHEAP, DEAR], DEAR, "span", GROUPS).reached


def test_only_the_problems_of_the_groups_count() -> None:
    assert against([CHEAP], DEAR, "work", {"a": [1]}).difference.value == 0


def test_a_family_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one setting"):
        against([], CHEAP, "work", GROUPS)
