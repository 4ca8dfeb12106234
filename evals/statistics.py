"""Means with their standard errors. The problem is the unit: several tries at one problem are averaged first, because they are not
independent of each other (clustered standard errors, Miller 2024, arXiv 2411.00640, section 2.2). Nothing is estimated from fewer than two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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
