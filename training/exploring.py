"""Searches that draw their widths and, near the promising one, their order: demonstrations for a model that is to find better ones by RL."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from orchestra.countdown.rules import Operation, State
from orchestra.countdown.search import promising

_ALL = 1_000


@dataclass(frozen=True, slots=True)
class Exploring:
    """A `search.Visits` that visits between one and `beam` successors of a state, in an order drawn near the promising one.

    Widths are the widest of `draws` even draws: with one, half of the searches are narrower than half the beam.

    The order is that of rank + `spread` x Gumbel noise: sampling without replacement, where each rank is exp(1 / spread) times as likely to
    come first as the next (Plackett-Luce; Gumbel top-k, arXiv 1903.06059).
    """

    rng: random.Random
    spread: float = 1.5
    draws: int = 1

    def __call__(self, state: State, target: int, beam: int) -> list[tuple[Operation, State]]:
        order = self.all(state, target)
        return order[: max(self.rng.randint(1, beam) for _ in range(self.draws))]

    def all(self, state: State, target: int, beam: int = _ALL) -> list[tuple[Operation, State]]:
        """The same order in full: a `search.Visits`, too."""
        ranked = promising(state, target, _ALL)
        keys = [rank + self.spread * math.log(-math.log(1 - self.rng.random())) for rank in range(len(ranked))]
        order = sorted(range(len(ranked)), key=keys.__getitem__)
        return [ranked[rank] for rank in order[:beam]]
