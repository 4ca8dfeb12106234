"""How well a score orders what is right before what is wrong: the area under the ROC curve, over everything and inside each problem.

Pooled over problems the area mostly measures how hard the problems are. On pairs of Qwen3-8B traces on AIME and HMMT, a score that knows
nothing but the problem gets .87 to .90 for "will these two agree?", while the best score from what the traces say by 4,000 tokens stays
at .5 once pairs are only compared with pairs of the same problem. A judge that prunes chooses among traces of one problem, so the area inside
problems is the figure that says what it is worth; the pooled one is only shown beside it, next to what the problem alone gets.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from .statistics import Mean, mean


def auroc(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """P(a positive scores above a negative), ties counting half (Mann–Whitney U over all pairs). None unless both classes are there.

    Raises `ValueError` for lengths that differ and for scores that are not numbers.
    """
    if len(scores) != len(labels):
        raise ValueError(f"every score needs a label, got {len(scores)} scores and {len(labels)} labels")
    if any(math.isnan(score) for score in scores):
        raise ValueError("a score is NaN: it can be put in no order")
    positives = sum(map(bool, labels))
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    order = sorted(range(len(scores)), key=scores.__getitem__)
    ranks, start = 0.0, 0  # of the positives, counted from 1, tied ones sharing the mean of theirs
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        ranks += (start + 1 + end) / 2 * sum(labels[order[place]] for place in range(start, end))
        start = end
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)


def pooled_auroc(scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    """Over all items, whatever their problem. Never to be shown without `within_problem_auroc` (see the module's docstring)."""
    return auroc(scores, labels)


def within_problem_auroc(scores: Sequence[float], labels: Sequence[bool], problems: Sequence[Hashable]) -> Mean | None:
    """Mean over problems of the area inside each, with its standard error over problems; each counts once, however many items it has.

    `count` is the number of problems that have both classes: the others say nothing. None when there is no such problem.
    """
    if len(problems) != len(scores) or len(labels) != len(scores):
        raise ValueError(f"every score needs a label and a problem, got {len(scores)}, {len(labels)} and {len(problems)}")
    places: dict[Hashable, list[int]] = {}
    for place, problem in enumerate(problems):
        places.setdefault(problem, []).append(place)
    areas = [auroc([scores[p] for p in own], [labels[p] for p in own]) for own in places.values()]
    return mean([area for area in areas if area is not None])


def problem_rates(labels: Sequence[bool], problems: Sequence[Hashable]) -> list[float]:
    """For every item the share of positives in its problem: the score of somebody who knows all of the problem and nothing of the item.

    Its area inside problems is one half by construction; its pooled area is what a judge can reach without reading a word.
    """
    counts: dict[Hashable, list[int]] = {}
    for label, problem in zip(labels, problems, strict=True):
        count = counts.setdefault(problem, [0, 0])
        count[0] += label
        count[1] += 1
    return [counts[problem][0] / counts[problem][1] for problem in problems]


def worth(scores: Sequence[float], labels: Sequence[bool], problems: Sequence[Hashable]) -> dict[str, float | None]:
    """All of it as one row of a table: the area inside problems first, the pooled one beside what the problem alone gets."""
    within = within_problem_auroc(scores, labels, problems)
    return {
        "within": within.value if within else None,
        "within_error": within.error if within else None,
        "within_problems": within.count if within else 0,
        "pooled": pooled_auroc(scores, labels),
        "pooled_problem_alone": pooled_auroc(problem_rates(labels, problems), labels),
        "items": len(labels),
        "positives": sum(labels),
    }
