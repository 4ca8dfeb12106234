"""F1 for benchmarks whose answers are classes, such as yes and no, where accuracy flatters whoever always says the more frequent one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from .statistics import Mean

Pair = tuple[str, str | None]
"""The true class and the answer; an answer that is no class counts as a miss of the true one."""


def macro_f1(pairs: Counter[Pair]) -> float:
    """Mean over the true classes of F1, 2·tp / (2·tp + fp + fn). `pairs` has at least one."""
    classes = {gold for (gold, _), count in pairs.items() if count}
    return math.fsum(_f1(pairs, name) for name in classes) / len(classes)


def macro_f1_of(problems: Mapping[str, Sequence[Pair]]) -> Mean | None:
    """Over all tries, with its standard error from leaving out one problem at a time (jackknife). None without tries, or when there is only
    one class."""
    total = Counter(pair for pairs in problems.values() for pair in pairs)
    golds = Counter(pairs[0][0] for pairs in problems.values() if pairs)
    if len(golds) < 2:
        return None
    value = macro_f1(total)
    if min(golds.values()) < 2:  # without its only problem a class is gone, and F1 is another one
        return Mean(value, None, len(problems))
    values: dict[frozenset[tuple[Pair, int]], float] = {}
    left = []
    for pairs in problems.values():
        counts = Counter(pairs)
        key = frozenset(counts.items())
        if key not in values:
            values[key] = macro_f1(total - counts)
        left.append(values[key])
    centre, count = math.fsum(left) / len(left), len(left)
    variance = (count - 1) / count * math.fsum((one - centre) ** 2 for one in left)
    return Mean(value, math.sqrt(variance), count)


def _f1(pairs: Counter[Pair], name: str) -> float:
    hit = pairs[name, name]
    said = sum(count for (_, answer), count in pairs.items() if answer == name)
    true = sum(count for (gold, _), count in pairs.items() if gold == name)
    return 2 * hit / (said + true) if said + true else 0.0
