"""Accuracies at equal cost: what a run is worth against others that may spend as much.

Two kinds of others. A *family* is several runs of one method at different settings or budgets: between two of them lies everything that tossing
a coin between them gives, with expected cost and accuracy both linear in the coin, so that a family has an accuracy at any mean cost in
between. A *majority* is the plain vote of k tries of one run: for each problem there is a k, mostly between two whole numbers, at which it
costs as much as the other run does on that problem in the mean.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from itertools import accumulate, product
from operator import add
from typing import Literal

from pydantic import BaseModel

from .at_k import Vote, orders, votes
from .compare import difference_interval
from .measured import Measured, Try
from .replay.compare import match
from .summary import voting

Axis = Literal["work", "span", "wall", "context"]
AXES: tuple[Axis, ...] = ("work", "span", "wall", "context")

_DRAWS = 50_000
"""Of orders of tries, over all problems; at least `_FEWEST` a problem."""
_FEWEST = 20
_SETTING = re.compile(r"(?<![A-Za-z_\d.])\d+(?:\.\d+)?")


class Matched(BaseModel):
    """A run against another way to spend as much. Accuracies are shares of 1, on the `problems` that both have tried."""

    run: str
    against: str
    axis: Axis
    problems: int
    cost: float
    """Of the run: tokens, or seconds, a try."""
    other_cost: float
    accuracy: float
    other: float
    """Accuracy of the other at that cost."""
    difference: float
    low: float | None
    """End of the 95 % interval; None with a single problem."""
    high: float | None
    traces: float | None
    """Of a majority: the mean number of votes."""
    reached: bool
    """Whether the other can cost so much, and so little; if not (a majority: for over a tenth of the problems), its nearest stands in."""


Family = tuple[str, ...]


def family(run: Measured) -> Family:
    """Runs with the same one differ in settings only: the method without its numbers, and what it ran on."""
    return _SETTING.sub("…", run.method), *(str(run.experiment.get(name)) for name in ("engine", "model", "weights"))


def matched(runs: Sequence[Measured], axes: Sequence[Axis], *, seed: int = 0) -> list[Matched]:
    """At equal cost on each of `axes`: each run against each other family of at least two settings, and against the majority of each other
    run that tried its problems several times. Left out are pairs without a problem in common, those of which one does not know its cost,
    and others of which the cheapest already costs more."""
    families: dict[Family, list[Measured]] = {}
    for run in runs:
        families.setdefault(family(run), []).append(run)
    majorities = [_Majority(run, [axis for axis in axes if _knows(run, axis)], seed) for run in runs if axes and _repeated(run)]
    found = []
    for axis, run in product(axes, runs):
        if not _knows(run, axis):
            continue
        for name, members in families.items():
            known = [member for member in members if _knows(member, axis)]
            if name != family(run) and len(known) > 1:
                found.append(_against_family(run, name[0], known, axis, seed))
        known_majorities = (majority for majority in majorities if majority.run is not run and axis in majority.axes)
        found.extend(_against_majority(run, majority, axis, seed) for majority in known_majorities)
    return [one for one in found if one is not None]


def _against_family(run: Measured, name: str, members: Sequence[Measured], axis: Axis, seed: int) -> Matched | None:
    common = [problem for problem in run.tries if all(problem in member.tries for member in members)]
    if not common:
        return None
    settings = sorted(((_cost(member, common, axis), number) for number, member in enumerate(members)))
    costs = [cost for cost, _ in settings]
    target = _cost(run, common, axis)
    if target < costs[0]:
        return None
    place = match(target, costs)
    low = members[settings[place.below][1]]
    high = members[settings[min(place.below + 1, len(settings) - 1)][1]]
    others = [(1 - place.share) * _accuracy(low, problem) + place.share * _accuracy(high, problem) for problem in common]
    return _matched(
        run, f"{name} ({len(members)} settings)", axis, common, others, seed,
        cost=target, other_cost=target if place.share else costs[place.below], traces=None, reached=place.reached,
    )  # fmt: skip


def _against_majority(run: Measured, majority: _Majority, axis: Axis, seed: int) -> Matched | None:
    common = [problem for problem in run.tries if problem in majority.run.tries]
    if not common:
        return None
    others, costs, traces, out_of_reach, too_dear = [], [], [], 0, 0
    for problem in common:
        right, steps = majority.curve(problem, axis)
        target = statistics.fmean(cost_of(one, axis) for one in run.tries[problem])
        place = match(target, steps)
        above = min(place.below + 1, len(steps) - 1)
        others.append((1 - place.share) * right[place.below] + place.share * right[above])
        costs.append((1 - place.share) * steps[place.below] + place.share * steps[above])
        traces.append(place.traces)
        out_of_reach += not place.reached
        too_dear += target < steps[0]
    if 2 * too_dear > len(common):
        return None
    return _matched(
        run, f"majority of {majority.run.label}", axis, common, others, seed,
        cost=_cost(run, common, axis), other_cost=statistics.fmean(costs), traces=statistics.fmean(traces),
        reached=out_of_reach <= 0.1 * len(common),
    )  # fmt: skip


def _matched(
    run: Measured,
    against: str,
    axis: Axis,
    common: Sequence[str],
    others: Sequence[float],
    seed: int,
    *,
    cost: float,
    other_cost: float,
    traces: float | None,
    reached: bool,
) -> Matched:
    ours = [_accuracy(run, problem) for problem in common]
    differences = [a - b for a, b in zip(ours, others, strict=True)]
    interval = difference_interval(differences, seed=seed)
    return Matched(
        run=run.label,
        against=against,
        axis=axis,
        problems=len(common),
        cost=cost,
        other_cost=other_cost,
        accuracy=statistics.fmean(ours),
        other=statistics.fmean(others),
        difference=statistics.fmean(differences),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        traces=traces,
        reached=reached,
    )


class _Majority:
    """Plain votes of 1, 2, 3, … tries of a run that start together: their work adds up, of span, wall seconds and context the largest
    counts. Means over random orders of each problem's tries, made when they are asked for."""

    def __init__(self, run: Measured, axes: Sequence[Axis], seed: int) -> None:
        self.run = run
        self.axes = axes
        self._seed = seed
        self._curves: dict[str, tuple[list[float], dict[Axis, list[float]]]] = {}

    def curve(self, problem: str, axis: Axis) -> tuple[list[float], list[float]]:
        """Shares of right votes of 1, 2, 3, … tries, and what they cost, which rises."""
        if problem not in self._curves:
            resamples = max(_FEWEST, min(400, _DRAWS // len(self.run.tries)))
            costs = {axis: [cost_of(one, axis) for one in self.run.tries[problem]] for axis in self.axes}
            self._curves[problem] = curves(voting(self.run, problem), costs, resamples=resamples, seed=f"{self._seed} {problem}")
        right, spent = self._curves[problem]
        return right, spent[axis]


def curves(
    answers: Sequence[Vote], costs: Mapping[Axis, Sequence[float]], *, resamples: int = 400, seed: str = ""
) -> tuple[list[float], dict[Axis, list[float]]]:
    """For 1, 2, 3, … tries in the mean over `resamples` orders: how much of the majority's win is right, and what the tries cost together.

    `costs` has a value a try for each axis.
    """
    right = [0.0] * len(answers)
    spent: dict[Axis, list[float]] = {axis: [0.0] * len(answers) for axis in costs}
    for order in orders(len(answers), resamples, seed):
        right = list(map(add, right, votes([answers[index] for index in order])))
        for axis, each in costs.items():
            so_far = accumulate([each[index] for index in order], None if axis == "work" else max)
            spent[axis] = list(map(add, spent[axis], so_far))
    # Costs that are equal may come out falling, by rounding, and `match` needs them to rise.
    rising = {axis: list(accumulate([value / resamples for value in values], max)) for axis, values in spent.items()}
    return [value / resamples for value in right], rising


def cost_of(one: Try, axis: Axis) -> float:
    if axis == "work":
        return one.work
    if axis == "span":
        return one.span
    if axis == "wall":
        return one.wall_seconds
    return one.context if one.context is not None else math.nan


def _knows(run: Measured, axis: Axis) -> bool:
    return bool(run.tries) and (axis != "context" or all(one.context is not None for tries in run.tries.values() for one in tries))


def _repeated(run: Measured) -> bool:
    return bool(run.tries) and statistics.median(map(len, run.tries.values())) > 1  # errors may have left some problem with one


def _cost(run: Measured, problems: Sequence[str], axis: Axis) -> float:
    """Mean a problem."""
    return statistics.fmean(statistics.fmean(cost_of(one, axis) for one in run.tries[problem]) for problem in problems)


def _accuracy(run: Measured, problem: str) -> float:
    return statistics.fmean(one.correct for one in run.tries[problem])
