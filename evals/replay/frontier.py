"""A family of policies against others at the same price, paired by problem and resample.

Between two settings of a family lies everything that tossing a coin between them gives: expected costs and expected accuracies are both linear in
the coin. So at another policy's mean cost the family has an accuracy, and its difference to that policy has an interval like any other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..statistics import Interval, paired_difference
from .resample import Played

Axis = Literal["work", "span"]


@dataclass(frozen=True, slots=True)
class Against:
    """The family minus another policy, at that policy's cost."""

    cost: float
    """Of the family there: that of the other policy, or the nearest that the family has."""
    accuracy: float
    """Of the family."""
    difference: Interval
    reached: bool
    """False where the other policy costs less, or more, than every setting of the family: its cheapest, or dearest, stands in."""


def against(
    family: Sequence[Sequence[Played]], other: Sequence[Played], axis: Axis, groups: Mapping[str, Sequence[int]], *, seed: int = 0
) -> Against:
    """Compare `other` with the settings of a family, each with an entry a problem.

    `groups` are the indices of the problems of each set; problems in none of them do not count. Raises `ValueError` for a family of none.
    """
    if not family:
        raise ValueError("a family has at least one setting")
    chosen = [index for members in groups.values() for index in members]
    settings = sorted((_cost(played, axis, chosen), number) for number, played in enumerate(family))
    costs = [cost for cost, _ in settings]
    target = _cost(other, axis, chosen)
    above = bisect_right(costs, target)
    if above in (0, len(costs)):
        low = high = settings[0 if above == 0 else -1][1]
        share, cost = 0.0, costs[0 if above == 0 else -1]
    else:
        low, high = settings[above - 1][1], settings[above][1]
        share, cost = (target - costs[above - 1]) / (costs[above] - costs[above - 1]), target
    mixed = {index: _mixed(family[low][index], family[high][index], share) for index in chosen}
    difference = paired_difference(
        {
            group: [[ours - theirs for ours, theirs in zip(mixed[index], other[index].right, strict=True)] for index in members]
            for group, members in groups.items()
        },
        seed=seed,
    )
    if difference is None:
        raise ValueError("there is no problem to compare on")
    accuracy = sum(sum(mixed[index]) / len(mixed[index]) for index in chosen) / len(chosen)
    return Against(cost, accuracy, difference, cost == target)


def _cost(played: Sequence[Played], axis: Axis, chosen: Sequence[int]) -> float:
    """Mean a problem."""
    costs = (played[index].work if axis == "work" else played[index].span for index in chosen)
    return sum(sum(cost) / len(cost) for cost in costs) / max(1, len(chosen))


def _mixed(low: Played, high: Played, share: float) -> list[float]:
    return [(1 - share) * a + share * b for a, b in zip(low.right, high.right, strict=True)]
