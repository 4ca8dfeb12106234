"""Problems of Countdown on which models fail most."""

from __future__ import annotations

import random
from collections.abc import Iterator

from orchestra.countdown.problem import MAX_NUMBER, TARGETS, Problem, Split
from orchestra.countdown.solver import reachable

_LARGE = (99, 500)
"""Results above the first are written in two tokens. 17 and 6 % of problems have no solution without one above the first and the second;
the policies that reach 98 % fail at 7 and 11 % of those."""


def large_problems(split: Split, rng: random.Random) -> Iterator[Problem]:
    """Endless problems of four numbers that no small results solve: each solution passes one above 99, of every second draw one above 500."""
    while True:
        numbers = tuple(sorted((rng.randint(1, MAX_NUMBER) for _ in range(4)), reverse=True))
        targets = sorted((reachable(numbers) - reachable(numbers, largest=rng.choice(_LARGE))) & set(TARGETS))
        for target in rng.sample(targets, min(4, len(targets))):
            if (problem := Problem(numbers, target)).split == split:
                yield problem
