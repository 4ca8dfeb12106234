"""Means with their standard errors. The problem is the unit: several tries at one problem are averaged first, because they are not
independent of each other (clustered standard errors, Miller 2024, arXiv 2411.00640, section 2.2). Nothing is estimated from fewer than two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Mean:
    value: float
    error: float | None
    """Standard error of the mean; None with fewer than two values."""
    count: int


def mean(values: Sequence[float]) -> Mean | None:
    """Mean and its standard error, s / √n with Bessel's correction; None for no values."""
    if not values:
        return None
    centre = math.fsum(values) / len(values)
    if len(values) == 1:
        return Mean(centre, None, 1)
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    return Mean(centre, math.sqrt(variance / len(values)), len(values))


def accuracy(tries: Mapping[str, Sequence[bool]]) -> Mean | None:
    """Share of correct tries, with its standard error over problems; `tries` are those at each problem. None for no problems."""
    shares = [sum(correct) / len(correct) for correct in tries.values()]
    if any(0 < share < 1 for share in shares):
        return mean(shares)
    return proportion(sum(share == 1 for share in shares), len(shares))


def proportion(successes: int, count: int) -> Mean | None:
    """A share with its standard error from the Agresti–Coull estimate (two successes and two failures added), so that 0 of n and n of n do
    not pretend to be certain. None for `count` 0."""
    if not count:
        return None
    adjusted = (successes + 2) / (count + 4)
    return Mean(successes / count, math.sqrt(adjusted * (1 - adjusted) / (count + 4)), count)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


_BOOTSTRAPS = 4000
_INNER = 100
"""Means that each problem's own resamples are drawn into. They vary far less than problems do, so that drawing from a hundred is enough."""


def paired_difference(differences: Mapping[str, Sequence[Sequence[float]]], *, seed: int = 0) -> Interval | None:
    """Mean over problems of differences between two methods on the same draws, with its interval from a hierarchical bootstrap: problems are
    drawn with replacement within their group, and for each of them its resamples are.

    Args:
        differences: for each group (the problem set), for each of its problems, the difference in each resample.

    Returns None for no problems. One problem, or one in each group, shows nothing of how problems differ: such a bootstrap has only the
    resamples to go by.
    """
    centres = [math.fsum(values) / len(values) for problems in differences.values() for values in problems]
    if not centres:
        return None
    random = Random(f"{seed} bootstrap")
    groups = [[_inner_means(values, random) for values in problems] for problems in differences.values()]
    means = []
    for _ in range(_BOOTSTRAPS):
        total = 0.0
        for problems in groups:
            for drawn in random.choices(problems, k=len(problems)):
                total += drawn[int(random.random() * len(drawn))]
        means.append(total / len(centres))
    means.sort()
    low, high = means[round(0.025 * (_BOOTSTRAPS - 1))], means[round(0.975 * (_BOOTSTRAPS - 1))]
    return Interval(math.fsum(centres) / len(centres), low, high)


def _inner_means(values: Sequence[float], random: Random) -> list[float]:
    if len(set(values)) == 1:
        return [values[0]]
    return [math.fsum(random.choices(values, k=len(values))) / len(values) for _ in range(_INNER)]


def smallest_visible(interval: Interval) -> float:
    """The true difference that a comparison with such an interval shows four times in five: 2.8 standard errors, since 1.96 make the
    interval and 0.84 standard errors leave a fifth below it."""
    return interval.half_width / 1.96 * 2.8
