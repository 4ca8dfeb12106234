"""Forking against as many serial tries as cost the same, by work and by critical path, in the same window.

The serial policy gets at least as much work, or span, as it is compared with. Where too few of its tries were sampled for that, the row says
how many tokens it is short of, and no aim counts it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...statistics import mean_share
from .choice import JUDGES, Choices
from .figures import BUDGETS, Row, Section, exact, first_try, forked, forked_again, gap, known, several, shown
from .record import Point

SHORT = "serial short"
"""Column: tokens that serial tries would still have had."""
OVER = "over budget"
"""Column: tokens by which forking, whose set-up kept the budget where it was chosen, misses it on the test problems."""


def unmatched(row: Row) -> list[str]:
    """What keeps a row from counting."""
    return [column for column in (SHORT, OVER) if column in row]


def matched_work(points: Mapping[str, Point], choices: Choices) -> Section:
    """For each budget and way to count tries: the forking that was chosen for it, against as many serial tries as reach it. Budgets that no
    forking keeps have no row."""
    if "serial-samples" not in points:
        return {}
    samples = points["serial-samples"]
    rows: Section = {}
    for budget in BUDGETS:
        for judge, shares in JUDGES.items():
            name = choices.within.get((budget, judge))
            ways = {way.name: way for way in (*forked(points), *forked_again(points, shares))}
            if name is None or name not in ways:
                continue
            ours = ways[name]
            wanted = max(budget, ours.mean_work)
            n, short = _tries(samples, wanted)
            theirs = several(samples, n, judge, shares)
            row = {
                "n": exact(n),
                "temperature": exact(samples.setup["temperature"]),
                "serial work": exact(theirs.mean_work),
                "serial": known(mean_share(list(theirs.shares.values()))),
                "fork": known(mean_share(list(ours.shares.values()))),
                "fork work": exact(ours.mean_work),
                "gap": gap(ours.shares, theirs.shares),
            }
            over = {OVER: exact(ours.mean_work - budget)} if ours.mean_work > budget else {}
            rows[f"{work_row(budget, judge)}{choices.label(name)}"] = row | short | over
    return rows


def work_row(budget: int, judge: str) -> str:
    """How the label of a row of `matched_work` begins; the forking follows."""
    return f"{budget:,}, {judge} · "


def matched_span(points: Mapping[str, Point]) -> Section:
    """Each forking against the better of one greedy serial try and as many in a row as are at least as long."""
    if "serial-samples" not in points or "serial-window" not in points:
        return {}
    samples, greedy = points["serial-samples"], first_try(points["serial-window"])
    rows: Section = {}
    for way in forked(points):
        n, short = _tries(samples, way.mean_span)
        row_of_tries, with_check = (several(samples, n, judge, shares) for judge, shares in JUDGES.items())
        best = max((greedy, row_of_tries), key=lambda theirs: theirs.accuracy)
        rows[shown(way.name)] = {
            "fork": way.row()["accuracy"],
            "fork span": way.row()["span"],
            "tries in a row": exact(n),
            "serial span": exact(row_of_tries.mean_span),
            "serial": known(mean_share(list(best.shares.values()))),
            "serial pass@n": known(mean_share(list(with_check.shares.values()))),
            "gap": gap(way.shares, best.shares),
            "gap to pass@n": gap(way.shares, with_check.shares),
        } | short
    return rows


def _tries(samples: Point, wanted: float) -> tuple[int, Row]:
    """As many tries as reach `wanted` tokens, or all that there are with the tokens that they are short of."""
    one, most = math.fsum(map(sum, samples.work)) / samples.tries, min(map(len, samples.votes))
    n = max(1, math.ceil(wanted / one))
    return (n, {}) if n <= most else (most, {SHORT: exact(wanted - most * one)})
