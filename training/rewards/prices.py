"""Terms that cost: tokens (of plans: calls), children, repetition. All are zero or positive, and are subtracted.

Prices are linear up to `max`. By default only correct answers pay: within a group of one problem the cheaper of two right answers wins, and no
wrong answer gets better by being short.
"""

from __future__ import annotations

from collections.abc import Callable

from orchestra.errors import ConfigError

from ..rollout import Facts
from .limits import When, at_least_zero, capped, counts
from .reward import Read, term


@term
def work(*, price: float, max: float | None = None, when: When = "correct") -> Read:
    """`price` for each sampled token of the tree, cancelled ones included (ours)."""
    return _priced(lambda facts: facts.work, price, max, when)


@term
def span(*, price: float, max: float | None = None, when: When = "correct") -> Read:
    """`price` for each sampled token on the critical path (ours)."""
    return _priced(lambda facts: facts.span, price, max, when)


@term
def wasted(*, price: float, max: float | None = None, when: When = "correct") -> Read:
    """`price` for each wasted token (of cancelled threads and lost attempts) or, of plans, for each call beyond what the task needs (ours)."""
    return _priced(lambda facts: facts.wasted, price, max, when)


@term
def children(*, price: float, max: float | None = None, when: When = "correct") -> Read:
    """`price` for each executed thread below the root (ours)."""
    return _priced(lambda facts: facts.children, price, max, when)


@term
def redundancy(*, price: float = 1.0, max: float | None = None, when: When = "correct") -> Read:
    """`price` times the share of siblings' sampled 4-grams that another sibling has sampled too (`executed.redundancy`), 0 … 1.

    In the place of Parallel-R1's self-BLEU (arXiv 2509.07980, one of its released rewards: 1.2 - 0.2 · self-BLEU), here on sampled ids.
    """
    return _priced(lambda facts: facts.redundancy, price, max, when)


@term
def width(*, price: float, free: float = 0.5, max: float | None = None, when: When = "correct") -> Read:
    """`price` for each child, times how easy the problem is: (solved - `free`) / (1 - `free`), and 0 below.

    `solved` is the share of the group's rollouts that are correct: problems that are solved in every try pay in full for each child, those
    solved in `free` of the tries or less fork for nothing, so that width goes where it is needed (ours).
    """
    if not 0 <= free < 1:
        raise ConfigError(f"`free` of `width` is a share from 0 up to but not including 1, got {free!r}")
    at_least_zero(price=price, max=max)
    return lambda facts, setting: (
        capped(price * facts.children * (setting.solved - free) / (1 - free), max)
        if setting.solved > free and counts(facts, when)
        else 0.0
    )


def _priced(read: Callable[[Facts], float], price: float, limit: float | None, when: When) -> Read:
    at_least_zero(price=price, max=limit)
    return lambda facts, _: capped(price * read(facts), limit) if counts(facts, when) else 0.0
