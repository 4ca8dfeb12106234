"""What k tries are worth, from n >= k of them: pass@k, that one at least is right, and maj@k, that their majority is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random

Vote = tuple[str | None, bool]
"""The answer that a try votes for (None does not vote), and whether that answer is right."""


def pass_at(correct: int, tries: int, k: int) -> float:
    """Share of the draws of `k` of `tries` without replacement with a correct one among them, 1 - C(n-c, k) / C(n, k): the unbiased estimator
    of Chen et al. 2021 (arXiv 2107.03374). Raises `ValueError` for fewer tries than `k`."""
    if not 1 <= k <= tries:
        raise ValueError(f"pass@{k} needs at least {k} tries, got {tries}")
    return 1 - math.comb(tries - correct, k) / math.comb(tries, k)


def majority_at(answers: Sequence[Vote], ks: Sequence[int], *, resamples: int = 400, seed: str = "") -> list[float]:
    """For each of `ks`, the mean over `resamples` draws of k tries without replacement of how much of the majority's win is right.

    Args:
        answers: of each try.
        seed: the same one gives the same draws; the draws for a smaller k are the beginnings of those for a larger one.

    Raises `ValueError` for fewer tries than a k.
    """
    if not all(1 <= k <= len(answers) for k in ks):
        raise ValueError(f"maj@{max(ks)} needs at least {max(ks)} tries, got {len(answers)}")
    if not any(right for answer, right in answers if answer is not None):
        return [0.0] * len(ks)
    if all(right and answer is not None for answer, right in answers):
        return [1.0] * len(ks)
    sums = [0.0] * len(ks)
    for order in orders(len(answers), resamples, seed):
        shares = votes([answers[index] for index in order])
        for place, k in enumerate(ks):
            sums[place] += shares[k - 1]
    return [total / resamples for total in sums]


def orders(items: int, count: int, seed: str) -> Iterator[list[int]]:
    """`count` random orders of 0 … `items` - 1."""
    random = Random(f"{seed} orders").random
    places = range(items)
    for _ in range(count):
        keys = [random() for _ in places]
        yield sorted(places, key=keys.__getitem__)


def votes(answers: Sequence[Vote]) -> list[float]:
    """For the first 1, 2, 3, … of `answers`: the share of right ones among the answers with the most votes; 0 without a vote."""
    counts: dict[str, int] = {}
    most = tied = right = 0
    shares = []
    for answer, correct in answers:
        if answer is not None:
            counts[answer] = found = counts.get(answer, 0) + 1
            if found > most:
                most, tied, right = found, 1, int(correct)
            elif found == most:
                tied, right = tied + 1, right + correct
        shares.append(right / tied if tied else 0.0)
    return shares
