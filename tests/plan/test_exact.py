"""The exact planner: optimal against every subset of the rules, and clear about what cannot be planned."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.benchmarks.plan_over_graph import Kind, random_task_graph, relaxed_time

from orchestra.errors import ProblemError
from orchestra.plan.exact import Schedule, pareto, solve
from orchestra.plan.task_graph import Number, Rule, TaskGraph, validate


def rule(id: int | str, sources: str, target: str, time: float = 1, cost: float = 1) -> Rule:
    return Rule(id=id, source=tuple(sources), target=target, time=time, cost=cost)


def graph(*rules: Rule, start: str = "A", target: str = "Z") -> TaskGraph:
    return TaskGraph(rules=rules, initial_source=tuple(start), target=target)


def ids(schedule: Schedule) -> set[int | str]:
    return {step.rule.id for step in schedule.steps}


SHARED = graph(
    rule("b", "A", "B", time=4, cost=5),
    rule("c by b", "B", "C", time=4),
    rule("c alone", "A", "C", time=4, cost=3),
    rule("d by b", "B", "D", time=4),
    rule("d alone", "A", "D", time=4, cost=4),
    rule("z", "CD", "Z", time=1),
)
"""C and D are 3 and 4 alone. By way of B they are 6 each, and 7 together: only who counts B once sees that the two ways cost the same."""


def outcomes(graph: TaskGraph) -> list[tuple[Number, Number, int]]:
    """Time, cost and number of rules of every set of rules that makes the target."""
    found = []
    for count in range(len(graph.rules) + 1):
        for chosen in combinations(graph.rules, count):
            end = relaxed_time(graph.model_copy(update={"rules": chosen}))
            if end < math.inf:
                found.append((end, sum(rule.cost for rule in chosen), count))
    return found


def front(outcomes: Sequence[tuple[Number, Number, int]]) -> list[tuple[Number, Number]]:
    best: list[tuple[Number, Number]] = []
    for time, cost, _ in sorted(outcomes):
        if not best or cost < best[-1][1]:
            best.append((time, cost))
    return best


def outcomes_by_choice(graph: TaskGraph) -> list[tuple[Number, Number, int]]:
    """The same for the sets with one rule an item and none in vain: enough for what is best, and far fewer."""
    makers: dict[str, list[Rule]] = {}
    for rule in graph.rules:
        makers.setdefault(rule.target, []).append(rule)
    found = []
    for picks in product(*makers.values()):
        maker = {pick.target: pick for pick in picks}
        wanted = [graph.target]
        for item in wanted:
            wanted += [s for s in maker[item].source if s in maker and s not in wanted] if item in maker else []
        used = tuple(maker[item] for item in wanted if item in maker)
        end = relaxed_time(graph.model_copy(update={"rules": used}))
        if end < math.inf:
            found.append((end, sum(rule.cost for rule in used), len(used)))
    return found


def entangled(seed: int) -> TaskGraph:
    """Eight items, most with two or three rules of several sources, some of which lead back."""
    rng = random.Random(seed)
    items = "ABCDEFGZ"
    backwards = rng.choice([0, 0.2, 0.5])
    rules: list[Rule] = []
    for place in range(1, len(items)):
        for way in range(rng.randint(1, 3)):
            pool = items if way and rng.random() < backwards else items[max(0, place - 4) : place]
            sources = "".join(rng.sample(pool, min(len(pool), rng.randint(1, 3))))
            rules.append(rule(len(rules), sources, items[place], rng.randint(0, 6), rng.randint(0, 6)))
    return graph(*rules)


small_rules = st.builds(
    rule,
    id=st.just(0),
    sources=st.text("ABCDEF", max_size=3),
    target=st.sampled_from("ABCDEF"),
    time=st.integers(0, 4),
    cost=st.integers(0, 4),
)
small_graphs = st.lists(small_rules, max_size=9).map(
    lambda rules: graph(*(rule.model_copy(update={"id": place}) for place, rule in enumerate(rules)), target="F")
)
"""With cycles, duplicates, rules without sources or time, and rules for what is there."""


@settings(deadline=None)
@given(small_graphs)
def test_time_cost_and_number_of_rules_are_the_least_of_all_sets_of_rules(graph: TaskGraph) -> None:
    if not (all_ := outcomes(graph)):
        with pytest.raises(ProblemError, match="no plan makes 'F'"):
            solve(graph)
        return
    fastest = solve(graph)
    assert fastest.proven
    assert (fastest.makespan, fastest.cost, len(fastest.steps)) == min(all_)
    cheapest = solve(graph, objective="cost")
    assert cheapest.proven
    assert (cheapest.cost, cheapest.makespan) == min((cost, time) for time, cost, _ in all_)


@settings(deadline=None)
@given(small_graphs, st.integers(0, 20))
def test_a_time_limit_is_kept_at_the_least_cost_or_refused(graph: TaskGraph, max_time: int) -> None:
    within = [(cost, time) for time, cost, _ in outcomes(graph) if time <= max_time]
    if not within:
        with pytest.raises(ProblemError):
            solve(graph, objective="cost", max_time=max_time)
    else:
        schedule = solve(graph, objective="cost", max_time=max_time)
        assert (schedule.cost, schedule.makespan) == min(within)


@settings(deadline=None)
@given(small_graphs)
def test_the_front_holds_every_worthwhile_trade_of_time_for_cost(graph: TaskGraph) -> None:
    if all_ := outcomes(graph):
        assert [(schedule.makespan, schedule.cost) for schedule in pareto(graph)] == front(all_)


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_the_front_is_exact_where_alternatives_share_items(first: int) -> None:
    for seed in range(first, first + 100):
        graph = entangled(seed)
        assert [(schedule.makespan, schedule.cost) for schedule in pareto(graph)] == front(outcomes_by_choice(graph)), seed


@settings(deadline=None)
@given(small_graphs, st.sampled_from([0.1, 0.7, 1e-9, 12345.678]))
def test_other_units_give_the_same_plans(graph: TaskGraph, unit: float) -> None:
    if outcomes(graph):
        # 3 * 0.1 is no decimal fraction of few digits as floats go, and then another time than that of 0.1 and 0.2 in a chain.
        times = [float(Fraction(str(unit)) * rule.time) for rule in graph.rules]
        rules = tuple(rule.model_copy(update={"time": time}) for rule, time in zip(graph.rules, times, strict=True))
        scaled = graph.model_copy(update={"rules": rules})
        assert [plan.cost for plan in pareto(scaled)] == [plan.cost for plan in pareto(graph)]


@settings(deadline=None)
@given(small_graphs, st.integers(0, 3))
def test_a_search_cut_short_gives_a_valid_plan_and_a_true_bound(graph: TaskGraph, max_states: int) -> None:
    if all_ := outcomes(graph):
        schedule = solve(graph, objective="cost", max_states=max_states)
        assert validate(graph, schedule.subtasks()) == (schedule.makespan, schedule.cost)
        assert schedule.cost_bound <= min(cost for _, cost, _ in all_) <= schedule.cost


@settings(deadline=None)
@given(st.integers(3, 40), st.integers(0, 10**6), st.sampled_from(["random", "tree", "cyclic"]), st.booleans())
def test_larger_graphs_get_plans_that_the_judge_confirms(items: int, seed: int, kind: Kind, dense: bool) -> None:
    graph = random_task_graph(items, seed, kind=kind, dense=dense, max_cost=5)
    plans = pareto(graph)
    # Of plans that are equal in time, cost and size, searches with different limits may find different ones.
    for one, other in ((plans[0], solve(graph)), (plans[-1], solve(graph, objective="cost"))):
        assert (one.makespan, one.cost, len(one.steps)) == (other.makespan, other.cost, len(other.steps))
    assert plans[0].makespan == relaxed_time(graph)
    for plan in plans:
        assert plan.proven
        assert validate(graph, [subtask.model_dump(mode="json") for subtask in plan.subtasks()]) == (plan.makespan, plan.cost)


def test_every_step_starts_as_soon_as_those_it_needs_are_done() -> None:
    schedule = solve(graph(rule(1, "A", "B", 3), rule(2, "A", "C", 5), rule(3, "CBA", "Z", 2)))
    assert [(step.rule.id, step.start, step.finish, step.needs) for step in schedule.steps] == [
        (1, 0, 3, ()),
        (2, 0, 5, ()),
        (3, 5, 7, (2, 1)),
    ]
    assert [subtask.dependencies for subtask in schedule.subtasks()] == [(), (), ("Subtask2", "Subtask1")]


def test_what_two_ways_share_is_paid_once() -> None:
    assert (solve(SHARED).makespan, solve(SHARED).cost) == (5, 8)
    cheaper = SHARED.model_copy(update={"rules": (rule("b", "A", "B", time=4, cost=4), *SHARED.rules[1:])})
    assert ids(solve(cheaper, objective="cost")) == {"b", "c by b", "d by b", "z"}
    assert [(plan.makespan, plan.cost) for plan in pareto(cheaper)] == [(5, 8), (9, 7)]


def test_time_to_spare_beside_the_longest_chain_is_traded_for_cost() -> None:
    schedule = solve(
        graph(rule("long", "A", "B", 9), rule("fast", "A", "C", 2, 5), rule("slow", "A", "C", 8, 1), rule("z", "BC", "Z"))
    )
    assert ids(schedule) == {"long", "slow", "z"}


def test_a_plan_never_runs_in_circles() -> None:
    circle = graph(
        rule(1, "B", "C", 0, 0), rule(2, "C", "B", 0, 0), rule(3, "A", "B", 7, 9), rule(4, "BC", "Z", 0, 0), rule(5, "Z", "Z", 0, 0)
    )
    schedule = solve(circle, objective="cost")
    assert ([step.rule.id for step in schedule.steps], schedule.makespan, schedule.cost) == ([3, 1, 4], 7, 9)


def test_on_a_cycle_what_is_planned_already_is_not_counted_again() -> None:
    """Once P is planned and Q is to come from O, all that is missing is O, although O cannot be made without P."""
    cycle = graph(
        rule("p", "A", "P", time=5, cost=3),
        rule("p by q", "Q", "P", time=1, cost=90),
        rule("o", "P", "O"),
        rule("q", "A", "Q", time=1, cost=100),
        rule("q by o", "O", "Q"),
        rule("z", "PQ", "Z"),
        rule("z alone", "A", "Z", cost=7),
    )
    assert ids(solve(cycle, objective="cost")) == {"p", "o", "q by o", "z"}


@pytest.mark.parametrize("max_states", range(6))
def test_a_bound_holds_for_slower_plans_too_when_cost_comes_first(max_states: int) -> None:
    """The cheapest plan costs 2 and takes 8; a search cut short may find only the one that takes 5 and costs 3."""
    choice = graph(
        rule("b slow", "C", "B", time=3),
        rule("b", "A", "B", time=3, cost=2),
        rule("c", "", "C", time=3),
        rule("z", "BC", "Z", time=2, cost=0),
        rule("z by b", "B", "Z", time=3),
    )
    schedule = solve(choice, objective="cost", max_states=max_states)
    assert schedule.cost_bound <= 2 <= schedule.cost
    assert schedule.proven == (schedule.cost_bound == 2 == schedule.cost)


def test_of_two_alike_rules_one_is_used() -> None:
    assert ids(solve(graph(rule("first", "A", "Z"), rule("second", "A", "Z"), rule("dear", "A", "Z", 1, 2)))) == {"first"}


def test_a_target_that_is_there_at_the_start_needs_nothing() -> None:
    schedule = solve(graph(rule(1, "A", "Z"), target="A"))
    assert schedule == Schedule(steps=(), makespan=0, cost=0, cost_bound=0)
    assert pareto(graph(target="A")) == (schedule,)


def test_rules_without_sources_run_at_once() -> None:
    assert solve(graph(rule(1, "", "Z", 2))).makespan == 2


def test_decimal_numbers_count_as_written() -> None:
    decimal = graph(rule(1, "A", "B", 0.1, 0.1), rule(2, "B", "Z", 0.2, 0.2), rule(3, "A", "Z", 0.3, 0.4))
    assert (solve(decimal).makespan, solve(decimal).cost) == (0.3, 0.3)
    assert solve(decimal, max_time=0.3).cost == 0.3


def test_what_nothing_makes_is_named_with_the_rules_that_need_it() -> None:
    with pytest.raises(ProblemError) as caught:
        solve(graph(rule(7, "AC", "B"), rule("x", "DA", "B"), rule(9, "B", "Z")))
    assert "no plan makes 'Z': nothing makes 'C' (a source of rule 7), 'D' (a source of rule 'x'); add a rule" in str(caught.value)


def test_a_target_that_no_rule_makes_is_named() -> None:
    with pytest.raises(ProblemError, match=r"nothing makes 'Z' \(the target\)"):
        solve(graph(rule(1, "A", "B")))


def test_items_that_only_make_each_other_are_named() -> None:
    with pytest.raises(ProblemError, match="the rules for 'B', 'C', 'Z' need each other's items"):
        solve(graph(rule(1, "B", "C"), rule(2, "C", "B"), rule(3, "B", "Z")))


@pytest.mark.parametrize("max_time", [-1, math.inf, math.nan])
def test_a_time_limit_must_be_a_time(max_time: float) -> None:
    with pytest.raises(ProblemError, match="max_time must be a finite number"):
        solve(graph(rule(1, "A", "Z")), max_time=max_time)


def test_a_time_limit_that_cannot_be_met_is_refused_with_the_earliest_time() -> None:
    with pytest.raises(ProblemError, match=r"no plan makes 'Z' by 2.5: the earliest time is 3$"):
        solve(graph(rule(1, "A", "Z", 3)), max_time=2.5)
