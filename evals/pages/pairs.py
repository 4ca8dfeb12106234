"""Runs two by two on the same problems: all comparisons of a page, and which problems each run solves."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from ..compare import Tries, compare
from ..row import Row
from .shown import Shown


def graded(rows: Iterable[Row]) -> Tries:
    """For each problem, whether its tries were right. Rows with an infrastructure error are neither right nor wrong."""
    tries: dict[str, list[bool]] = {}
    for row in rows:
        if row.error is None:
            tries.setdefault(row.problem, []).append(row.correct)
    return tries


def solved(problems: Iterable[str], tries: Tries) -> str:
    """A letter a problem: 1 when more than half of its tries are right, 0 when not, - when none was graded."""
    return "".join(
        "-" if not (found := tries.get(problem)) else "1" if 2 * sum(found) > len(found) else "0" for problem in problems
    )


def pairs(runs: Sequence[Shown], *, baseline: int | None) -> list[dict[str, Any]]:
    """A `Comparison` of each pair with the positions of its runs as "first" and "second": a later run minus an earlier one, and any run minus
    the baseline as the report has it. Pairs without a common problem are left out."""
    tries = [graded(run.rows) for run in runs]
    found = []
    for earlier, later in itertools.combinations(range(len(runs)), 2):
        first, second = (earlier, later) if later == baseline else (later, earlier)
        comparison = runs[first].reported.difference if second == baseline else compare(tries[first], tries[second])
        if comparison is not None:
            found.append(
                {"first": first, "second": second, **comparison.model_dump(include={"problems", "difference", "low", "high", "p"})}
            )
    return found
