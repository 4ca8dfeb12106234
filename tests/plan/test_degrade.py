"""What is left of a plan with errors runs, keeps what is good, and says what is gone."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_examples import TOOLS, ask, interpret, now, random_plan
from plan_mutants import mutant

from orchestra.plan.degrade import Degraded, Mode, degrade
from orchestra.plan.finding import Finding, errors
from orchestra.plan.node import Aggregate, Edge, ModelCall, Node, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text
from orchestra.plan.structure import Shape
from orchestra.plan.verify import verify

BROKEN = ToolCall(id="x", tool="no-such-tool")


def degraded(*nodes: Node, mode: Mode = "drop", output: Any = None, **options: Any) -> Degraded:
    plan = Plan(nodes=nodes, output=output)
    return degrade(plan, verify(plan, TOOLS), TOOLS, mode, **options)


def ids(result: Degraded) -> list[str]:
    assert result.plan is not None, result.reason
    return [node.id for node in result.plan.nodes]


@given(st.integers(0, 2**32), st.sampled_from(["drop", "sequence"]))
@settings(deadline=None)
def test_what_is_left_has_no_errors_and_runs(seed: int, mode: Mode) -> None:
    plan = mutant(seed)
    findings = verify(plan, TOOLS, ordered=bool(seed % 2))
    result = degrade(plan, findings, TOOLS, mode)
    if result.plan is None:
        assert result.reason and result.dropped == tuple(plan.by_id)
        return
    assert errors(verify(result.plan, TOOLS)) == []
    assert {*result.dropped, *result.plan.by_id} == {*plan.by_id}
    interpret(result.plan.nodes, result.plan.output)


@given(st.integers(0, 2**32), st.integers(1, 10), st.sampled_from(["drop", "sequence"]))
@settings(deadline=None)
def test_a_plan_without_errors_loses_nothing(seed: int, size: int, mode: Mode) -> None:
    plan = random_plan(Random(seed), size)
    result = degrade(plan, verify(plan, TOOLS), TOOLS, mode)
    assert result.plan is not None and result.dropped == ()
    assert interpret(result.plan.nodes, result.plan.output) == interpret(plan.nodes, plan.output)
    if mode == "drop":
        assert result.plan == plan


def test_a_broken_node_goes_with_all_that_cannot_do_without_it() -> None:
    result = degraded(BROKEN, now("1"), ask("2", "x"), now("3", "2"), ask("4", "1"))
    assert ids(result) == ["1", "4"]
    assert result.dropped == ("x", "2", "3") and "x, 2, 3" in result.reason


@pytest.mark.parametrize(
    ("edge", "prompt"),
    [
        (Edge(on_failure="continue"), Text(("about ", Ref("1"), "null"))),
        (Edge(on_failure="optional"), Text(("about ", Ref("1"), ""))),
        (Edge(on_failure="fallback", fallback="nothing"), Text(("about ", Ref("1"), "nothing"))),
        (Edge(on_failure="fallback", fallback=Ref("2")), Text(("about ", Ref("1"), Ref("2")))),
    ],
)
def test_a_node_whose_edge_says_how_to_do_without_stays_and_sees_what_it_says(edge: Edge, prompt: Text) -> None:
    result = degraded(BROKEN, now("1"), now("2"), ask("3", "1", "x", x=edge))
    assert ids(result) == ["1", "2", "3"] and result.plan is not None
    kept = result.plan.by_id["3"]
    assert isinstance(kept, ModelCall) and kept.prompt == prompt and kept.edges == {}


def test_a_fallback_that_is_gone_helps_nobody() -> None:
    other = BROKEN.model_copy(update={"id": "y"})
    node = ask("1", "x", x=Edge(on_failure="fallback", fallback=Ref("y")))
    assert degraded(BROKEN, other, node, now("2")).dropped == ("x", "y", "1")
    unneeded = ask("1", "2", **{"2": Edge(on_failure="fallback", fallback=Ref("x"))})
    result = degraded(BROKEN, unneeded, now("2"))
    assert ids(result) == ["1", "2"] and result.plan is not None and result.plan.by_id["1"].edges == {}


def test_a_quorum_that_can_still_be_reached_keeps_its_node() -> None:
    votes = [now("1"), now("2"), BROKEN]

    def count(quorum: int) -> Node:
        return Aggregate(id="9", inputs=[Ref("1"), Ref("2"), Ref("x")], quorum=quorum)

    assert ids(degraded(*votes, count(2))) == ["1", "2", "9"]
    assert ids(degraded(*votes, count(3))) == ["1", "2"]


def test_a_node_that_would_be_wrong_without_its_input_goes_too() -> None:
    search = ToolCall(id="1", tool="search", arguments={"query": Ref("x")}, edges={"x": Edge(on_failure="continue")})
    assert degraded(BROKEN, search, now("2")).dropped == ("x", "1")


def test_a_dangling_reference_is_a_node_that_failed() -> None:
    tolerant = ask("1", "nowhere", nowhere=Edge(on_failure="continue"))
    assert ids(degraded(tolerant, ask("2", "nowhere"), now("3"))) == ["1", "3"]


@pytest.mark.parametrize(
    ("output", "left"),
    [
        (None, None),
        ([Ref("1"), Ref("x")], [Ref("1")]),
        ({"a": Ref("x"), "b": Ref("1"), "c": [Ref("x")], "d": 5}, {"b": Ref("1"), "d": 5}),
        (Ref("1"), Ref("1")),
    ],
)
def test_the_output_loses_the_parts_that_are_gone(output: Any, left: Any) -> None:
    result = degraded(BROKEN, now("1"), output=output)
    assert result.plan is not None and result.plan.output == left


@pytest.mark.parametrize("output", [Ref("x"), [Ref("x")], Text((Ref("1"), Ref("x"))), [5, {"a": Ref("x")}]])
def test_an_output_that_is_gone_leaves_no_plan(output: Any) -> None:
    result = degraded(BROKEN, now("1"), output=output)
    assert result.plan is None and "output" in result.reason and result.dropped == ("x", "1")


def test_a_missing_join_is_made_up_for_by_what_nobody_waits_for() -> None:
    result = degraded(now("1"), now("2", "1"), now("3"), needs_output=True)
    assert result.plan is not None and result.plan.output == {"2": Ref("2"), "3": Ref("3")}


def test_nothing_good_leaves_no_plan() -> None:
    assert degraded(BROKEN).plan is None
    assert degraded().plan is None
    assert "at most 1" in degraded(now("1"), now("2"), limits=Shape(max_nodes=1)).reason


def test_one_of_two_equal_nodes_stays_and_of_two_different_ones_none() -> None:
    assert ids(degraded(now("1"), now("1"), now("2", "1"))) == ["1", "2"]
    assert ids(degraded(now("1"), ask("1"), now("2", "1"), now("3"))) == ["3"]


def test_what_a_parser_found_counts() -> None:
    plan = Plan(nodes=(now("1"), now("2", "1"), now("3")))
    result = degrade(plan, [Finding("syntax", "unreadable", "1"), Finding("syntax", "prose")], TOOLS)
    assert ids(result) == ["3"]


def test_a_mistake_inside_a_sub_plan_takes_it_out() -> None:
    inside = [now("a", "b"), now("b", "a"), now("b"), now("a", "a"), BROKEN, now("a", "nowhere")]
    for mistakes in (inside[:2], inside[1:3], inside[3:4], inside[4:5], inside[5:]):
        for mode in ("drop", "sequence"):
            sub = SubPlan(id="s", nodes=tuple(mistakes), output=None)
            assert ids(degraded(sub, now("1"), mode=mode)) == ["1"]
    assert ids(degraded(SubPlan(id="s", nodes=(now("a"),), output=Ref("b")), now("1"))) == ["1"]


def test_a_cycle_goes_as_a_whole_and_what_can_do_without_it_stays() -> None:
    tolerant = ask("4", "2", **{"2": Edge(on_failure="continue")})
    assert ids(degraded(now("1", "3"), now("2", "1"), now("3", "2"), tolerant, now("5", "3"))) == ["4"]


# One after the other


def order(result: Degraded) -> list[str]:
    """The order that is forced by what each node waits for."""
    assert result.plan is not None, result.reason
    levels = list(result.plan.critical_path(lambda node: 1.0))
    assert len(levels) == len(result.plan.nodes), "they do not all wait for one another"
    return levels


def test_nodes_run_in_the_order_in_which_they_were_written() -> None:
    assert order(degraded(now("3"), now("1"), now("2"), mode="sequence")) == ["3", "1", "2"]


def test_a_node_is_moved_behind_what_it_refers_to_only() -> None:
    assert order(degraded(ask("1", "3"), now("2"), now("3"), now("4"), mode="sequence")) == ["2", "3", "1", "4"]


def test_a_failure_does_not_spread_along_the_order() -> None:
    result = degraded(now("1"), now("2"), ask("3", "1"), mode="sequence")
    assert result.plan is not None
    assert result.plan.by_id["2"].edge("1") == Edge(on_failure="continue")
    assert result.plan.by_id["3"].edge("2") == Edge(on_failure="continue") and result.plan.by_id["3"].edge("1") == Edge()


def test_the_outputs_are_those_of_before() -> None:
    result = degraded(now("1"), now("2", "1"), now("3"), mode="sequence")
    assert result.plan is not None and result.plan.output == {"2": Ref("2"), "3": Ref("3")}


def test_a_cycle_of_mere_order_is_cut_where_it_points_forward() -> None:
    result = degraded(now("1", "2"), now("2", "1"), now("3", "3"), mode="sequence")
    assert order(result) == ["1", "2", "3"] and result.dropped == ()
    assert "1 no longer waits for 2" in result.reason and "3 no longer waits for 3" in result.reason


def test_a_cycle_is_cut_at_the_edge_that_tolerates_it() -> None:
    tolerant = ask("2", "1", **{"1": Edge(on_failure="continue")})
    assert order(degraded(ask("1", "2"), tolerant, mode="sequence")) == ["2", "1"]


def test_a_cycle_of_data_that_nobody_can_do_without_goes() -> None:
    assert ids(degraded(ask("1", "2"), ask("2", "1"), now("3"), mode="sequence")) == ["3"]


def test_a_quorum_is_not_changed_by_the_order() -> None:
    vote = Aggregate(id="9", inputs=[Ref("1"), Ref("2")], quorum=1)
    result = degraded(now("1"), now("2"), now("3"), vote, now("4"), mode="sequence")
    assert result.plan is not None and result.plan.by_id["9"] == vote
    assert set(result.plan.by_id["4"].waits_for) == {"3", "9"}


def test_a_long_chain_of_tolerance_takes_no_long_time() -> None:
    chain: list[Node] = [BROKEN]
    for index in range(900):
        before = chain[-1].id
        edges = {before: Edge(on_failure="continue")}
        chain.append(ToolCall(id=f"n{index}", tool="search", arguments={"query": Ref(before)}, edges=edges))
    limits = Shape(max_depth=None)
    for mode in ("drop", "sequence"):
        assert ids(degraded(*chain, now("last"), mode=mode, limits=limits)) == ["last"]
