"""What a run tree did, measured on its executed threads: who sampled when, and how much siblings repeat each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from orchestra.thread import RunTree, Segment, Thread
from orchestra.thread.ledger import critical_child, span

_GRAM = 4
"""Tokens in a piece that counts as repeated; as in BLEU."""


def sampled_by(thread: Thread) -> int:
    """Tokens that this thread sampled itself, aborted ones included."""
    return sum(len(segment.token_ids) for segment in thread.segments if segment.sampled)


def concurrency(tree: RunTree) -> tuple[int, ...]:
    """At index k: steps at which exactly k + 1 threads sampled, if every token takes one step, children start with their fork and the
    parent goes on when its critical child has ended.

    Token steps and not seconds, so that a busy machine changes no reward. After a "first" join, what a sibling had sampled beyond the
    winner's end overlaps with the parent.
    """
    changes: Counter[int] = Counter()
    for start, end in _busy(tree.root, 0):
        changes[start] += 1
        changes[end] -= 1
    steps: Counter[int] = Counter()
    active, since = 0, 0
    for moment in sorted(changes):
        if active:
            steps[active] += moment - since
        active, since = active + changes[moment], moment
    return tuple(steps[number] for number in range(1, max(steps, default=0) + 1))


def _busy(thread: Thread, now: int) -> Iterator[tuple[int, int]]:
    """(first, after last) step of each sampled segment of `thread` and those below, which starts at `now`."""
    for item in thread.items:
        if isinstance(item, Segment):
            if item.sampled and item.token_ids:
                yield now, now + len(item.token_ids)
                now += len(item.token_ids)
        else:
            for child in item.children:
                yield from _busy(child, now)
            if (critical := critical_child(item)) is not None:
                now += span(critical)


def redundancy(tree: RunTree) -> float:
    """1 - (distinct 4-grams of all siblings) / (sum of each sibling's distinct 4-grams), over all forks: 0.0 when no sibling sampled what
    another did, near 1 - 1/n when n siblings sampled the same. 0.0 without forks."""
    total = distinct = 0
    for thread in tree.threads:
        for fork in thread.forks:
            pieces = [_grams(child.sampled_ids) for child in fork.children]
            total += sum(map(len, pieces))
            distinct += len(set().union(*pieces))
    return 1 - distinct / total if total else 0.0


def _grams(ids: list[int]) -> set[tuple[int, ...]]:
    return {tuple(ids[i : i + _GRAM]) for i in range(len(ids) - _GRAM + 1)}
