"""Means with their standard errors. The problem is the unit: several tries at one problem are averaged first, because they are not
independent of each other (clustered standard errors, Miller 2024, arXiv 2411.00640, section 2.2). Nothing is estimated from fewer than two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist

from .student import quantile


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
    return mean_share([sum(correct) / len(correct) for correct in tries.values()])


def mean_share(shares: Sequence[float]) -> Mean | None:
    """Mean of one value in 0 … 1 a problem, such as its share of correct tries. None for no problems."""
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


_ENOUGH = 1000
"""Problems from which on Student's interval stands for the bootstrap: by the central limit theorem they are the same."""
_DRAWS = 2000


def share_interval(shares: Sequence[float], *, seed: int = 0) -> Interval | None:
    """The 95 % interval that goes with `mean_share`: Wilson's where every problem has 0 or 1, a bootstrap otherwise. None with fewer than
    two problems."""
    if len(shares) < 2 or any(0 < share < 1 for share in shares):
        return bootstrap(shares, seed=seed)
    count, value, z = len(shares), math.fsum(shares) / len(shares), NormalDist().inv_cdf(0.975)
    shrink = 1 / (1 + z * z / count)
    centre = shrink * (value + z * z / (2 * count))
    half = shrink * z * math.sqrt(value * (1 - value) / count + z * z / (4 * count * count))
    # Of no success and of nothing but successes the end is exact, and rounding must not put the value outside.
    return Interval(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)))


def bootstrap(values: Sequence[float], *, seed: int = 0) -> Interval | None:
    """Mean of one value a problem with its percentile interval, problems being drawn with replacement. None with fewer than two.

    A problem is drawn with all of its tries, as its mean: their scatter is in that mean, and drawing them anew inside of it would count
    it twice (Davison & Hinkley 1997, section 3.8). The percentiles are moved outwards so that few problems are not taken for more, by as
    much as Student's interval is wider than the normal one with Bessel's correction (Hesterberg 2015, arXiv 1411.5279, section 3.3).
    """
    count = len(values)
    if count < 2:
        return None
    t = quantile(0.975, count - 1)
    if count > _ENOUGH or len(set(values)) == 1:
        found = mean(values)
        assert found is not None and found.error is not None
        return Interval(found.value, found.value - t * found.error, found.value + t * found.error)
    random = Random(f"{seed} problems")
    means = sorted(sum(random.choices(values, k=count)) / count for _ in range(_DRAWS))
    tail = NormalDist().cdf(-t * math.sqrt(count / (count - 1)))
    value = math.fsum(values) / count
    return Interval(value, min(value, percentile(means, tail)), max(value, percentile(means, 1 - tail)))


def percentile(ordered: Sequence[float], share: float) -> float:
    """By linear interpolation between neighbours, as numpy and R (type 7) do. `ordered` has at least one value."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


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
