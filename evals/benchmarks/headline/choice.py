"""Which forking stands for a question: one set-up (join, dial, number of tries) for all seeds, chosen before the test problems are looked at.

The part `fork` measures every way to fork on validation problems too; those points are called `validation-NAME`. A way is taken for a budget
or a goal only if it keeps it in every seed there, a budget with a standard error to spare: a hundred problems know the mean work of a way to
a tenth, and one that just fits there is as likely as not over budget on the test problems. Recordings without such points leave no choice but one on the test problems, which is
optimistic, and the tables say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ...statistics import mean
from .figures import BUDGETS, GOAL, Shares, Way, cons, forked, forked_again, known, passed, points_of, shown
from .record import Point, Recording

VALIDATION = "validation-"
JUDGES: dict[str, Shares] = {"cons@n": cons, "pass@n": passed}
"""How several tries count: by their majority, or as soon as one of them is right."""

_Seeds = Sequence[Mapping[str, Way]]
"""For each seed the ways that all seeds have, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Names of ways to fork."""

    on: str
    """The problems that decided: "validation" or "test"."""
    within: Mapping[tuple[int, str], str]
    """By budget and judge (a key of `JUDGES`): the most accurate of those that cost no more, with an error to spare; none where all cost more."""
    least_work: str | None
    """The cheapest of those that reach `GOAL`; None where none does."""
    least_span: str | None
    most_accurate: str | None
    """None where nothing was forked."""

    def label(self, name: str) -> str:
        """A way as a table's row names it."""
        return f"{shown(name)}, chosen on {self.on}"


def choices_of(recordings: Sequence[Recording]) -> Choices:
    """One choice for all `recordings`, each of them a whole seed."""
    tested = [points for recording in recordings if forked(points := points_of(recording))]
    validated = [_validated(points) for points in tested]
    common = _common([(*forked(points), *forked_again(points, cons)) for points in tested])
    on, deciding = "test", tested
    if names := common.intersection(_common([(*forked(points), *forked_again(points, cons)) for points in validated])):
        on, common, deciding = "validation", names, validated
    single = [{way.name: way for way in forked(points) if way.name in common} for points in deciding]
    within = {}
    for judge, shares in JUDGES.items():
        seeds = [
            one | {way.name: way for way in forked_again(points, shares) if way.name in common}
            for one, points in zip(single, deciding, strict=True)
        ]
        for budget in BUDGETS:
            if affordable := _kept(seeds, partial(_costs_at_most, budget)):
                within[budget, judge] = _best(seeds, affordable, lambda way: -way.accuracy)
    good = _kept(single, lambda way: way.accuracy >= GOAL)
    return Choices(
        on=on,
        within=within,
        least_work=_best(single, good, lambda way: way.mean_work) if good else None,
        least_span=_best(single, good, lambda way: way.mean_span) if good else None,
        most_accurate=_best(single, list(single[0]), lambda way: -way.accuracy) if single and single[0] else None,
    )


def _validated(points: Mapping[str, Point]) -> dict[str, Point]:
    """The forking points on validation problems, under the names that they have on test problems."""
    return {
        name.removeprefix(VALIDATION): point.model_copy(update={"name": name.removeprefix(VALIDATION)})
        for name, point in points.items()
        if name.startswith(VALIDATION)
    }


def _common(seeds: Sequence[Sequence[Way]]) -> set[str]:
    """The names that every seed has."""
    return set.intersection(*({way.name for way in ways} for ways in seeds)) if seeds else set()


def _costs_at_most(budget: float, way: Way) -> bool:
    cost = known(mean(list(way.work.values())))
    return cost.value + (cost.error or 0) <= budget


def _kept(seeds: _Seeds, keeps: Callable[[Way], bool]) -> list[str]:
    """The ways that keep something in every seed."""
    return [name for name in seeds[0] if all(keeps(ways[name]) for ways in seeds)] if seeds else []


def _best(seeds: _Seeds, names: Sequence[str], cost: Callable[[Way], float]) -> str:
    """The least mean cost over seeds; of equal ones that with less work."""

    def costs(name: str) -> tuple[float, float]:
        return math.fsum(cost(ways[name]) for ways in seeds), math.fsum(ways[name].mean_work for ways in seeds)

    return min(names, key=costs)
