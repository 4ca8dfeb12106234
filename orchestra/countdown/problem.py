"""Countdown problems: numbers, a target, and seeded splits that never overlap.

A problem is solved by using every number exactly once with + - * / so that every intermediate value is a non-negative integer and the
last one is the target (Gandhi et al. 2024, "Stream of Search"; Pan et al. 2025, arXiv 2504.15466, appendix).

Targets of three and four numbers lie in 10..100 (`TARGETS`), those of five and six in 10..1,000 (`FAR_TARGETS`). A search names only results that
are possible targets. Its prompt, and that of each of its threads, shows the target: so the range is the narrowest one that holds the target
(`named_results`), whatever the number of numbers.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from ..errors import ProblemError
from .solver import reachable

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

MIN_NUMBERS, MAX_NUMBERS = 3, 6
MAX_NUMBER = 99
TARGETS = range(10, 101)
FAR_TARGETS = range(10, 1_001)
_FAR_SIZE = 5
"""Problems of so many numbers and more have far targets."""

_BUCKETS = 100
_HELD_OUT: dict[Split, range] = {"test": range(4), "validation": range(4, 8), "train": range(8, _BUCKETS)}


def targets_of(size: int) -> range:
    """The targets that problems of `size` numbers may have."""
    return TARGETS if size < _FAR_SIZE else FAR_TARGETS


def named_results(target: int) -> range:
    """The results that a search for `target` writes where two numbers are left."""
    return TARGETS if target in TARGETS else FAR_TARGETS


@dataclass(frozen=True)
class Problem:
    """Numbers (kept in descending order, the only order the search knows) and the target to reach."""

    numbers: tuple[int, ...]
    target: int

    def __post_init__(self) -> None:
        if not MIN_NUMBERS <= len(self.numbers) <= MAX_NUMBERS:
            raise ProblemError(
                f"a problem has {MIN_NUMBERS} to {MAX_NUMBERS} numbers, got {len(self.numbers)}: {list(self.numbers)}"
            )
        if bad := [n for n in self.numbers if not 1 <= n <= MAX_NUMBER]:
            raise ProblemError(f"numbers must lie in 1..{MAX_NUMBER}, got {bad}")
        possible = targets_of(len(self.numbers))
        if self.target not in possible:
            raise ProblemError(
                f"the target of {len(self.numbers)} numbers must lie in {possible.start}..{possible.stop - 1}, got {self.target}"
            )
        object.__setattr__(self, "numbers", tuple(sorted(self.numbers, reverse=True)))

    @property
    def key(self) -> str:
        """Identity of the problem, whatever the order of its numbers: "3,5,7,11=24"."""
        return f"{','.join(map(str, sorted(self.numbers)))}={self.target}"

    @property
    def split(self) -> Split:
        """The one split this problem may appear in: decided by a hash of `key`, so splits are disjoint by construction."""
        bucket = int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:4]) % _BUCKETS
        return next(split for split, buckets in _HELD_OUT.items() if bucket in buckets)

    @cached_property
    def solvable(self) -> bool:
        return self.target in reachable(self.numbers)


def generate(split: Split, *, seed: int, size: int = 4) -> Iterator[Problem]:
    """Endless solvable problems of `size` numbers from one split: numbers and target uniform, unsolvable draws and repeats dropped."""
    rng = random.Random(f"{split}/{seed}/{size}")
    targets = targets_of(size)
    seen: set[str] = set()
    while True:
        problem = Problem(tuple(rng.randint(1, MAX_NUMBER) for _ in range(size)), rng.choice(targets))
        if problem.split != split or problem.key in seen or not problem.solvable:
            continue
        seen.add(problem.key)
        yield problem
