"""Plans as data: round trips, signatures, the critical path; also of plans that are wrong."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_examples import interpret, random_plan

from orchestra.plan.node import Aggregate, Edge, Estimate, ModelCall, Node, SubPlan, ToolCall
from orchestra.plan.plan import Plan, inside, walk
from orchestra.plan.ref import Ref, substitute

seeds = st.integers(0, 2**32)


def renamed(plan: Plan, names: dict[str, str]) -> Plan:
    nodes = tuple(node.rewired(names).model_copy(update={"id": names[node.id]}) for node in plan.nodes)
    return plan.model_copy(update={"nodes": nodes, "output": substitute(plan.output, lambda ref: Ref(names[ref.node], ref.path))})


def call(node_id: str, *needs: str, **others: Any) -> ToolCall:
    return ToolCall(id=node_id, tool="t", arguments={"x": [Ref(needed) for needed in needs]}, **others)


@given(seeds, st.integers(1, 12))
@settings(deadline=None)
def test_every_plan_survives_being_written_as_json_and_read_again(seed: int, size: int) -> None:
    plan = random_plan(Random(seed), size)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_data_that_looks_like_a_reference_stays_data() -> None:
    looks = {"$ref": "1"}
    plan = Plan(nodes=(ToolCall(id="2", tool="t", arguments={"x": {"$json": looks}}),))
    assert plan.nodes[0].arguments == {"x": looks} and not plan.nodes[0].waits_for  # type: ignore[union-attr] # a tool call
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@given(seeds, st.integers(2, 10))
@settings(deadline=None)
def test_a_signature_does_not_depend_on_names_order_thoughts_or_estimates(seed: int, size: int) -> None:
    random = Random(seed)
    plan = random_plan(random, size)
    shuffled = random.sample(plan.nodes, size)
    said = [node.model_copy(update={"thought": "hm", "estimate": Estimate(seconds=3)}) for node in shuffled]
    other = renamed(
        plan.model_copy(update={"nodes": tuple(said), "goal": "g", "version": 7}), {node.id: f"m{node.id}" for node in said}
    )
    assert other.signature == plan.signature


DIFFERENT = [
    Plan(nodes=(call("1"), call("2", "1"))),
    Plan(nodes=(call("1"), call("2"))),
    Plan(nodes=(call("1"), call("2", "1")), output=Ref("1")),
    Plan(nodes=(call("1"), call("2", "1")), output=Ref("2", ("x",))),
    Plan(nodes=(call("1"), call("2", depends_on=("1",)))),
    Plan(nodes=(call("1"), call("2", "1", edges={"1": Edge(on_failure="continue")}))),
    Plan(nodes=(call("1"), call("2", "1", effect="once"))),
    Plan(nodes=(call("1"), call("2", "1", reads={"a"}))),
    Plan(nodes=(call("1"), call("2", "1"), call("3", "1"))),
    Plan(nodes=(call("1"), ToolCall(id="2", tool="u", arguments={"x": [Ref("1")]}))),
    Plan(nodes=(call("1"), ToolCall(id="2", tool="t", arguments={"x": [{"$json": {"$ref": "1"}}]}))),
    Plan(nodes=(call("1"), Aggregate(id="2", inputs=[Ref("1")]))),
    Plan(nodes=(call("1"), ModelCall(id="2", prompt=Ref("1")))),
    Plan(nodes=(call("1"), SubPlan(id="2", nodes=(call("1"),), output=Ref("1"), arguments={"a": Ref("1")}))),
    Plan(nodes=(call("1"), SubPlan(id="2", nodes=(call("1"), call("3")), output=Ref("1"), arguments={"a": Ref("1")}))),
    Plan(nodes=(call("1"), SubPlan(id="2", nodes=(call("1"), call("3")), output=Ref("3"), arguments={"a": [Ref("1")]}))),
]


def test_plans_that_do_something_else_have_other_signatures() -> None:
    assert len({plan.signature for plan in DIFFERENT}) == len(DIFFERENT)


def test_the_default_policy_is_the_same_whether_said_or_not() -> None:
    said = Plan(nodes=(call("1"), call("2", "1", edges={"1": Edge()})))
    assert said.signature == Plan(nodes=(call("1"), call("2", "1"))).signature


def test_names_inside_a_sub_plan_are_not_mixed_up_with_those_around_it() -> None:
    def plan(outer: str, inner: str) -> Plan:
        sub = SubPlan(id="s", nodes=(call(inner), call("z", inner)), output=Ref("z"), arguments={"a": Ref(outer)})
        return Plan(nodes=(call(outer), sub))

    assert plan("1", "1").signature == plan("1", "2").signature == plan("2", "1").signature


def test_a_plan_with_a_cycle_has_a_signature() -> None:
    plan = Plan(nodes=(call("1", "2"), call("2", "1"), call("3", "3")))
    assert plan.signature != Plan(nodes=(call("1", "2"), call("2", "1"))).signature


@given(seeds, st.integers(1, 15))
@settings(deadline=None)
def test_the_critical_path_is_a_way_through_the_plan_that_no_other_way_exceeds(seed: int, size: int) -> None:
    random = Random(seed)
    plan = random_plan(random, size)
    seconds = {node.id: random.randint(0, 5) for node in plan.nodes}
    path = plan.critical_path(lambda node: float(seconds[node.id]))
    assert all(before in plan.by_id[after].waits_for for before, after in pairwise(path))
    longest: dict[str, int] = {}
    for node in plan.nodes:  # they are written in a possible order
        longest[node.id] = seconds[node.id] + max((longest[needed] for needed in node.waits_for), default=0)
    assert sum(seconds[node_id] for node_id in path) == max(longest.values())


def test_the_critical_path_of_nothing_is_empty() -> None:
    assert Plan(nodes=()).critical_path(lambda node: 1.0) == []


WRONG: list[tuple[Node, ...]] = [(), (call("1", "9"),), (call("1", "1"),), (call("1"), call("1", "2"), call("2", "1"))]


@pytest.mark.parametrize("nodes", WRONG, ids=["empty", "dangling", "self", "twice and a cycle"])
def test_a_wrong_plan_is_data_like_any_other(nodes: tuple[Node, ...]) -> None:
    plan = Plan(nodes=nodes, output=[Ref("8")])
    assert plan.graph.number_of_nodes() == len(plan.by_id)
    assert plan.returned == {"8"} and isinstance(plan.sinks, list) and plan.signature


def test_without_an_output_a_plan_returns_what_nobody_waits_for() -> None:
    plan = Plan(nodes=(call("1"), call("2", "1"), call("3")))
    assert plan.sinks == ["2", "3"] and plan.returned == {"2", "3"}


def test_a_copy_does_not_remember_the_nodes_of_its_original() -> None:
    plan = Plan(nodes=(call("1"),))
    assert plan.by_id.keys() == {"1"} and plan.graph.nodes
    assert plan.model_copy(update={"nodes": (call("2"),)}).by_id.keys() == {"2"}


def test_walking_finds_nodes_in_order_however_deep_they_are() -> None:
    node: Node = call("bottom")
    for depth in range(5000):
        node = SubPlan.model_construct(id=f"s{depth}", nodes=(node,), output=None, arguments={})
    assert [found.id for found in walk((call("first"), node))][-1] == "bottom"


@given(seeds, st.integers(1, 10))
@settings(deadline=None)
def test_random_plans_of_these_tests_run(seed: int, size: int) -> None:
    plan = random_plan(Random(seed), size)
    interpret(plan.nodes, plan.output)


def test_inside_a_sub_plan_is_a_plan() -> None:
    sub = SubPlan(id="s", nodes=(call("1"),), output={"$json": {"$ref": "1"}})
    assert inside(sub).output == {"$ref": "1"} and inside(sub).returned == set()
