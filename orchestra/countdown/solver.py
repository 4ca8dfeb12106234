"""Exhaustive Countdown search: what can be reached at all, and every solution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from .rules import Operation, State, successors


@lru_cache(maxsize=10_000)
def _reachable(state: State) -> frozenset[int]:
    if len(state) == 1:
        return frozenset(state)
    return frozenset().union(*(_reachable(after) for _, after in successors(state)))


def reachable(numbers: Sequence[int]) -> frozenset[int]:
    """Every value that using all `numbers` can end in. A millisecond for four numbers, half a second for six."""
    return _reachable(tuple(sorted(numbers, reverse=True)))


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
