"""Endless seeded problems of Countdown for training, and those among them on which models fail most."""

from __future__ import annotations

import random
from collections.abc import Iterator

from orchestra.countdown.problem import MAX_NUMBER, TARGETS, Problem, Split, targets_of
from orchestra.countdown.solver import reachable

_LARGE = (99, 500)
"""Results above the first are written in two tokens. 18 and 6 % of problems have no solution without one above the first and the second;
policies that reach 98 % failed at 7 and 11 % of those."""


def problems_of(split: Split, rng: random.Random, large: float = 0.0, size: int | None = None) -> Iterator[Problem]:
    """Endless problems of a split for demonstrations, the share `large` of them such that every solution passes large numbers. They have `size`
    numbers, or mostly four."""
    common, rare = _any_problems(split, rng, size), large_problems(split, rng)
    while True:
        yield next(rare if large and rng.random() < large else common)


def _any_problems(split: Split, rng: random.Random, wanted: int | None) -> Iterator[Problem]:
    """`wanted` numbers, or mostly four; up to four targets a draw of numbers, 1 in 20 unsolvable."""
    while True:
        size = wanted or (3 if rng.random() < 0.05 else 4)
        numbers = tuple(sorted((rng.randint(1, MAX_NUMBER) for _ in range(size)), reverse=True))
        possible = targets_of(size)
        targets = sorted(reachable(numbers) & set(possible))
        chosen = rng.sample(targets, min(4, len(targets)))
        if rng.random() < 0.2:
            chosen.append(rng.choice(possible))
        for target in chosen:
            if (problem := Problem(numbers, target)).split == split:
                yield problem


def large_problems(split: Split, rng: random.Random) -> Iterator[Problem]:
    """Endless problems of four numbers that no small results solve: each solution passes one above 99, of every second draw one above 500."""
    while True:
        numbers = tuple(sorted((rng.randint(1, MAX_NUMBER) for _ in range(4)), reverse=True))
        targets = sorted((reachable(numbers) - reachable(numbers, largest=rng.choice(_LARGE))) & set(TARGETS))
        for target in rng.sample(targets, min(4, len(targets))):
            if (problem := Problem(numbers, target)).split == split:
                yield problem
