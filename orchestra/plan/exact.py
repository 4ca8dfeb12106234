"""The exact planner for task graphs with alternatives: the fastest plan and the cheapest of these, or the other way round.

Any number of rules run at once, so a plan is a set of rules and its time that of the longest chain in it. Sums are exact: decimal numbers
become whole ones in units of the smallest decimal place that occurs. The search for the least cost (`exact_search`) takes a
fraction of a millisecond on graphs of the size that language models write, and is exponential in the worst case: after `max_states` states it
ends with a valid plan, still the fastest where time comes first, and with a bound on what a cheaper one could cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from graphlib import TopologicalSorter
from typing import Literal

from ..errors import ProblemError
from .exact_search import CheapestPlan, WholeRule, earliest_times, fastest_plan
from .task_graph import Number, Rule, RuleId, Subtask, TaskGraph, exact, number

MAX_STATES = 50_000
"""A few seconds. Graphs of 50 items usually need tens of states, entangled ones of 100 thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rule at its earliest time in the plan."""

    rule: Rule
    start: Number
    finish: Number
    needs: tuple[RuleId, ...]
    """Rules of the plan that make its sources; what is there at the start needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A plan for a task graph, every rule as soon as its sources are made. No rule is superfluous, and no two make the same item."""

    steps: tuple[Step, ...]
    """By start time, each after those that it needs."""
    makespan: Number
    cost: Number
    cost_bound: Number
    """No plan that is as fast costs less; with the objective "cost", none that ends by `max_time`. Equals `cost` unless the search was
    ended early."""

    def __post_init__(self) -> None:
        finish: dict[RuleId, Number] = {}
        for step in self.steps:
            assert all(finish[needed] <= step.start for needed in step.needs)
            finish[step.rule.id] = step.finish
        assert self.makespan == max(finish.values(), default=0)
        assert self.cost_bound <= self.cost

    @property
    def proven(self) -> bool:
        return self.cost_bound == self.cost

    def subtasks(self) -> tuple[Subtask, ...]:
        """The plan as Plan-over-Graph writes it."""
        names = {step.rule.id: f"Subtask{place}" for place, step in enumerate(self.steps, 1)}
        return tuple(
            Subtask(
                name=names[step.rule.id],
                source=step.rule.source,
                target=step.rule.target,
                dependencies=tuple(names[needed] for needed in step.needs),
                rule=step.rule.id,
            )
            for step in self.steps
        )


def solve(
    graph: TaskGraph,
    *,
    objective: Literal["time", "cost"] = "time",
    max_time: Number | None = None,
    max_states: int = MAX_STATES,
) -> Schedule:
    """The best plan that ends by `max_time`: "time" is the fastest, and the cheapest of these; "cost" is the cheapest, and the fastest of
    these. Among equals one with the fewest rules. After `max_states` states a search makes do with a plan that may not be the cheapest
    (`Schedule.proven`). Raises `ProblemError` when no plan makes the target, or none by `max_time`."""
    planner = _Planner(graph, max_states)
    limit = planner.limit(max_time)
    if objective == "time":
        return planner.schedule(planner.cheapest(planner.minimum))
    first = best = planner.cheapest(limit)
    while best.makespan > planner.minimum:
        faster = planner.cheapest(best.makespan - 1)
        if faster.cost > best.cost:
            break
        best = faster
    return planner.schedule(replace(best, cost_bound=first.cost_bound))


def pareto(graph: TaskGraph, *, max_time: Number | None = None, max_states: int = MAX_STATES) -> tuple[Schedule, ...]:
    """Every worthwhile trade of time for cost, fastest first: each plan is the cheapest for its time and the fastest for its cost.
    `max_states` holds for each search; there is one for each plan, and for each that a faster one of the same cost replaces. Raises as
    `solve` does."""
    planner = _Planner(graph, max_states)
    limit = planner.limit(max_time)
    front: list[_Plan] = []
    while limit >= planner.minimum:
        plan = planner.cheapest(limit)
        while front and front[-1].cost >= plan.cost:
            front.pop()
        front.append(plan)
        limit = plan.makespan - 1
    return tuple(planner.schedule(plan) for plan in reversed(front))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A plan in whole numbers."""

    needs: dict[int, list[int]]
    """By rule of the plan, the rules that make its sources."""
    finish: dict[int, int]
    """By rule, each after those that it needs."""
    cost: int
    cost_bound: int

    @property
    def makespan(self) -> int:
        return max(self.finish.values(), default=0)


class _Planner:
    """A task graph in whole numbers."""

    def __init__(self, graph: TaskGraph, max_states: int) -> None:
        self.graph = graph
        self.max_states = max_states
        self.time_unit, times = _whole([rule.time for rule in graph.rules])
        self.cost_unit, self.costs = _whole([rule.cost for rule in graph.rules])
        # Every rule weighs a little more than its cost, so that among plans of equal cost the fewest rules win.
        self.weight_unit = len(self.costs) + 1
        initial = frozenset(graph.initial_source)
        self.rules = [
            WholeRule(frozenset(rule.source) - initial, rule.target, time, cost * self.weight_unit + 1)
            for rule, time, cost in zip(graph.rules, times, self.costs, strict=True)
        ]
        self.earliest = earliest_times(self.rules)
        self.nothing_to_do = graph.target in initial
        if not self.nothing_to_do and graph.target not in self.earliest:
            raise ProblemError(_why_not(graph, self.earliest.keys() | initial))
        self.minimum = 0 if self.nothing_to_do else self.earliest[graph.target].time
        """The earliest time of the target."""

    def limit(self, max_time: Number | None) -> int:
        """The deadline as a whole number; without one, a time by which every plan without repetition ends."""
        if max_time is None:
            return sum(rule.time for rule in self.rules)
        if not 0 <= max_time < math.inf:
            raise ProblemError(f"max_time must be a finite number from 0, got {max_time!r}")
        limit = math.floor(exact(max_time) * self.time_unit)
        if limit < self.minimum:
            soonest = number(Fraction(self.minimum, self.time_unit))
            raise ProblemError(f"no plan makes {self.graph.target!r} by {max_time!r}: the earliest time is {soonest!r}")
        return limit

    def cheapest(self, limit: int) -> _Plan:
        """The cheapest plan that ends by `limit`; the fastest where a search cut short has found nothing better."""
        if self.nothing_to_do:
            return _Plan({}, {}, 0, 0)
        goal = self.graph.target
        found, bound = CheapestPlan(goal, limit, self.rules, self.earliest).run(self.max_states)
        chosen = fastest_plan(goal, self.rules, self.earliest)
        if found is not None and self._weight(found) <= self._weight(chosen):
            chosen = found
        maker = {self.rules[k].target: k for k in chosen}
        needs = {
            k: list(dict.fromkeys(maker[item] for item in self.graph.rules[k].source if item in self.rules[k].sources))
            for k in sorted(chosen)
        }
        finish: dict[int, int] = {}
        for k in TopologicalSorter(needs).static_order():
            finish[k] = max((finish[other] for other in needs[k]), default=0) + self.rules[k].time
        plan = _Plan(needs, finish, sum(self.costs[k] for k in chosen), bound // self.weight_unit)
        assert plan.makespan <= limit
        return plan

    def _weight(self, chosen: Sequence[int]) -> int:
        return sum(self.rules[k].weight for k in chosen)

    def schedule(self, plan: _Plan) -> Schedule:
        def time(value: int) -> Number:
            return number(Fraction(value, self.time_unit))

        start = {k: finish - self.rules[k].time for k, finish in plan.finish.items()}
        steps = tuple(
            Step(
                rule=self.graph.rules[k],
                start=time(start[k]),
                finish=time(plan.finish[k]),
                needs=tuple(self.graph.rules[other].id for other in plan.needs[k]),
            )
            for k in sorted(plan.finish, key=start.__getitem__)  # stable, so rules that take no time stay in order
        )
        return Schedule(
            steps=steps,
            makespan=time(plan.makespan),
            cost=number(Fraction(plan.cost, self.cost_unit)),
            cost_bound=number(Fraction(plan.cost_bound, self.cost_unit)),
        )


def _whole(values: Sequence[Number]) -> tuple[int, list[int]]:
    """How many units are 1, and every value in these units."""
    fractions = [exact(value) for value in values]
    unit = math.lcm(*(fraction.denominator for fraction in fractions))
    return unit, [fraction.numerator * (unit // fraction.denominator) for fraction in fractions]


def _why_not(graph: TaskGraph, reached: set[str]) -> str:
    """What is missing on the way to a target that cannot be made, nearest first."""
    makers: dict[str, list[Rule]] = {}
    for rule in graph.rules:
        makers.setdefault(rule.target, []).append(rule)
    needed_by: dict[str, str] = {graph.target: "the target"}
    for item in (walk := [graph.target]):
        for rule in makers.get(item, ()):
            for source in rule.source:
                if source not in reached and source not in needed_by:
                    needed_by[source] = f"a source of rule {rule.id!r}"
                    walk.append(source)
    missing = [f"{item!r} ({needed_by[item]})" for item in walk if item not in makers]
    if not missing:
        return f"no plan makes {graph.target!r}: the rules for {', '.join(map(repr, sorted(walk)))} need each other's items"
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return (
        f"no plan makes {graph.target!r}: nothing makes {', '.join(missing[:3])}{more};"
        " add a rule for one of them that opens a way, or name it in initial_source"
    )
