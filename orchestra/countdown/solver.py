"""Exhaustive Countdown search: what can be reached at all, and every solution."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

from .rules import Operation, State, successors


@lru_cache(maxsize=10_000)
def _reachable(state: State, largest: float) -> frozenset[int]:
    if len(state) == 1:
        return frozenset(state)
    return frozenset().union(*(_reachable(after, largest) for operation, after in successors(state) if operation.result <= largest))


def reachable(numbers: Sequence[int], *, largest: float = math.inf) -> frozenset[int]:
    """Every value that using all `numbers` can end in, with no result above `largest` on the way. A millisecond for four numbers, half a
    second for six."""
    return _reachable(tuple(sorted(numbers, reverse=True)), largest)


def solutions(numbers: Sequence[int], target: int) -> Iterator[tuple[Operation, ...]]:
    """Every sequence of operations that reaches `target`, depth first. Orders of the same operations count apart; of several
    operations that lead to the same state (`a * 1`, `a / 1`) only the first is listed."""
    state = tuple(sorted(numbers, reverse=True))
    if len(state) == 1:
        if state[0] == target:
            yield ()
        return
    for operation, after in successors(state):
        for rest in solutions(after, target):
            yield (operation, *rest)
