"""Two runs on the same problems: by how much they differ, how sure that is, and which problems only one of them solves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from pydantic import BaseModel

from .statistics import Interval, bootstrap

Tries = Mapping[str, Sequence[bool]]
"""For each problem its graded tries, at least one: whether they were right."""

_MOST_LISTED = 17
"""Differences whose sums are listed one by one, which takes a tenth of a second, however odd their denominators are."""
_MOST_BYTES = 1e8
"""Moved while sign flips are counted: a second or so. Beyond, there are many differences, and the normal distribution will do."""


class Comparison(BaseModel):
    """One run minus another, on the problems at which both have graded tries. Accuracies are shares of 1."""

    problems: int
    difference: float
    low: float | None
    """End of the 95 % interval; None with a single problem."""
    high: float | None
    p: float
    """Two-sided, from sign flips of the problems' differences (a permutation test; with one try each it is McNemar's exact test)."""
    only_first: int
    """Problems that the first run solves in more than half of its tries and the second one does not."""
    only_second: int
    both: int
    neither: int


def compare(first: Tries, second: Tries, *, seed: int = 0) -> Comparison | None:
    """None when the runs have no problem in common."""
    common = [problem for problem in first if problem in second]
    if not common:
        return None
    shares = [(_share(first[problem]), _share(second[problem])) for problem in common]
    differences = [ours - theirs for ours, theirs in shares]
    interval = difference_interval(list(map(float, differences)), seed=seed)
    solved = [(2 * ours > 1, 2 * theirs > 1) for ours, theirs in shares]
    return Comparison(
        problems=len(common),
        difference=float(sum(differences) / len(differences)),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        p=sign_flips(differences),
        only_first=solved.count((True, False)),
        only_second=solved.count((False, True)),
        both=solved.count((True, True)),
        neither=solved.count((False, False)),
    )


def difference_interval(differences: Sequence[float], *, seed: int = 0) -> Interval | None:
    """Mean of one difference a problem with its 95 % interval. None with fewer than two.

    A bootstrap over problems; where all differences are -1, 0 or 1, as with one try each, the interval of Agresti & Min 2005 ("Wald +2"),
    which does not pretend to be certain when few or no problems differ.
    """
    if len(differences) < 2 or not {-1, 0, 1}.issuperset(differences):
        return bootstrap(differences, seed=seed)
    count, total = len(differences), math.fsum(differences)
    discordant = sum(difference != 0 for difference in differences)
    centre = total / (count + 2)
    half = 1.96 * math.sqrt(discordant + 1 - total * total / (count + 2)) / (count + 2)
    value = total / count
    return Interval(value, max(-1.0, min(value, centre - half)), min(1.0, max(value, centre + half)))


def sign_flips(differences: Sequence[Fraction]) -> float:
    """Two-sided p of their mean's being 0, if each of them could as well have the other sign: the share of all sign patterns with a sum at
    least as far from 0. Exact; for very many differences by the normal distribution with the same variance."""
    moved = [difference for difference in differences if difference]
    observed: Fraction = abs(sum(moved, Fraction(0)))
    if not observed:
        return 1.0
    unit = math.lcm(*(difference.denominator for difference in moved))
    sizes = [int(abs(difference) * unit) for difference in moved]
    total, bytes_each = sum(sizes), len(sizes) // 8 + 1
    least = math.ceil((total + observed * unit) / 2)
    if len(sizes) <= _MOST_LISTED:
        sums = [0]
        for size in sizes:
            sums += [one + size for one in sums]
        return min(1.0, 2 * sum(one >= least for one in sums) / len(sums))
    if len(sizes) * total * bytes_each > _MOST_BYTES:
        # Sums lie two steps apart: one step is the correction for continuity.
        reached = float(observed * unit) - math.gcd(*sizes)
        return math.erfc(reached / math.sqrt(2 * math.fsum(size * size for size in sizes)))
    # A polynomial whose coefficient of x^s counts the subsets with sum s, all coefficients packed into one integer: adding a difference is a
    # shift and an addition. Signs that give +s to a subset give the sum 2s - total.
    counts = 1
    for size in sizes:
        counts += counts << (8 * bytes_each * size)
    packed = counts.to_bytes((total + 1) * bytes_each, "little")
    tail = sum(int.from_bytes(packed[s * bytes_each : (s + 1) * bytes_each], "little") for s in range(least, total + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 2 ** len(sizes))))


def _share(tries: Sequence[bool]) -> Fraction:
    return Fraction(sum(tries), len(tries))
