"""Student's t distribution for whole degrees of freedom, by its closed forms (Abramowitz & Stegun 26.7.3 and 26.7.4)."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL = 2000
"""Degrees of freedom from which on the normal distribution stands in: 95 % quantiles then differ by less than 0.1 %."""


def central(t: float, freedom: int) -> float:
    """P(|T| <= t) for `t` >= 0."""
    if freedom >= _NORMAL:
        return math.erf(t / math.sqrt(2))
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= cosine * cosine * power / (power + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


@lru_cache(maxsize=1024)
def quantile(share: float, freedom: int) -> float:
    """The t that T stays below with probability `share`, above one half."""
    if freedom >= _NORMAL:
        return NormalDist().inv_cdf(share)
    low, high = 0.0, 1.0
    while central(high, freedom) < 2 * share - 1:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if central(middle, freedom) < 2 * share - 1 else (low, middle)
    return (low + high) / 2
