"""How small a difference so many problems can show: what a reader must know before believing one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .statistics import Interval, smallest_visible


def visible_alone(error: float) -> float:
    """The true difference between two runs that is seen four times in five, when each has this standard error and they are compared as if
    they had nothing in common: 2.8 standard errors of a difference. Pairing by problem makes it smaller."""
    return 2.8 * math.sqrt(2) * error


def note_alone(problems: int, error: float | None) -> str | None:
    """For runs that are compared with nothing."""
    if error is None:
        return f"With {problems} problem{'s' * (problems != 1)} there is no telling how much another run may differ by chance."
    points = 100 * visible_alone(error)
    return (
        f"With {problems:,} problems, differences below {points:.1f} points to another run are noise, unless the two are paired by problem "
        "(`--baseline`)."
    )


def note_paired(problems: int, intervals: Sequence[Interval]) -> str | None:
    """For runs that are compared with a baseline, from the intervals of these differences. None when no interval says anything."""
    points = [100 * smallest_visible(interval) for interval in intervals if interval.half_width > 0]
    if not points:
        return None
    low, high = f"{min(points):.1f}", f"{max(points):.1f}"
    reach = low if low == high else f"{low} to {high} (by run)"
    return (
        f"With {problems:,} problems, differences to the baseline below {reach} points are noise: only from there on are they seen four times "
        "in five (2.8 standard errors)."
    )
