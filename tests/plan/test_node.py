"""Nodes: what they accept, what they wait for, and copies of them."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_examples import random_plan
from pydantic import ValidationError

from orchestra.plan.node import ANY_NODE, Aggregate, Edge, ModelCall, Node, Sample, SubPlan, ToolCall
from orchestra.plan.ref import OMIT, Ref, Text


@given(st.integers(0, 2**32), st.integers(1, 12))
@settings(deadline=None)
def test_every_node_survives_being_written_as_json_and_read_again(seed: int, size: int) -> None:
    for node in random_plan(Random(seed), size).nodes:
        assert ANY_NODE.validate_json(node.model_dump_json()) == node


@pytest.mark.parametrize("node_id", ["", "a.b", "a/b", "a b", "-a", "a\n", "é", "x" * 65, 1, None, ["a"]])
def test_an_id_that_a_reference_could_not_name_is_refused(node_id: Any) -> None:
    with pytest.raises(ValidationError):
        ToolCall(id=node_id, tool="t")


@pytest.mark.parametrize(
    "hostile",
    [
        {"kind": "tool", "id": "1", "tool": "t", "argumnts": {}},
        {"kind": "tool", "id": "1", "tool": "t", "arguments": []},
        {"kind": "tool", "id": "1", "tool": "t", "arguments": {"x": {"$ref": ""}}},
        {"kind": "tool", "id": "1", "tool": "t", "arguments": {"x": {"$ref": "2", "or": 1}}},
        {"kind": "tool", "id": "1", "tool": {"$ref": "2"}},
        {"kind": "tool", "id": {"$ref": "2"}, "tool": "t"},
        {"kind": "tool", "id": "1", "tool": "t", "depends_on": [{"$ref": "2"}]},
        {"kind": "tool", "id": "1", "tool": "t", "quorum": 0},
        {"kind": "tool", "id": "1", "tool": "t", "timeout_s": -1},
        {"kind": "sample", "id": "1", "prompt": "p", "n": 10**9},
        {"kind": "plan", "id": "1", "nodes": [{"kind": "tool", "id": "2"}], "output": None},
        {"kind": "shell", "id": "1"},
        {"kind": "tool", "id": "1", "tool": "\ud800"},
        {"kind": "tool", "id": "1", "tool": "t", "thought": "\ud800"},
        {"kind": "tool", "id": "1", "tool": "t", "reads": ["\ud800"]},
        {"kind": "model", "id": "1", "prompt": "\ud800"},
        {"id": "1", "tool": "t"},
    ],
)
def test_a_node_with_a_mistake_is_refused_where_it_comes_in(hostile: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ANY_NODE.validate_python(hostile)


def test_sub_plans_without_end_are_refused() -> None:
    text = '{"kind":"plan","id":"a","output":null,"nodes":[' * 1000 + "]}" * 1000
    with pytest.raises(ValidationError):
        ANY_NODE.validate_json(text)


def test_a_node_waits_for_what_it_refers_to_at_any_depth_once_and_in_order() -> None:
    node = ToolCall(
        id="9",
        tool="t",
        arguments={"a": [{"b": Text(("see ", Ref("3", ("x",))))}], "c": Ref("1"), "d": Ref("3"), "e": Ref("input", ("x",))},
        depends_on=("2", "1"),
        edges={"3": Edge(on_failure="fallback", fallback=[Ref("4")])},
    )
    assert node.waits_for == ("3", "1", "2", "4")


def test_a_sub_plan_waits_for_its_arguments_and_not_for_what_is_inside() -> None:
    node = SubPlan(id="1", nodes=(ToolCall(id="2", tool="t", depends_on=("3",)),), output=Ref("2"), arguments={"a": Ref("4")})
    assert node.waits_for == ("4",)


def test_a_copy_does_not_remember_what_its_original_waited_for() -> None:
    node = ToolCall(id="1", tool="t", arguments={"x": Ref("2")})
    assert node.waits_for == ("2",)
    assert node.model_copy(update={"arguments": {"x": Ref("3")}}).waits_for == ("3",)


EVERY_KIND: list[Node] = [
    ToolCall(id="1", tool="t", arguments={"x": Ref("2"), "y": 1}),
    ModelCall(id="1", prompt=Text(("a", Ref("2")))),
    Sample(id="1", prompt=Ref("2"), n=2),
    Aggregate(id="1", inputs=[Ref("2"), Ref("3")]),
    SubPlan(id="1", nodes=(ToolCall(id="2", tool="t"),), output=Ref("2"), arguments={"x": Ref("2", ("a",))}),
]


@pytest.mark.parametrize("node", EVERY_KIND, ids=lambda node: node.kind)
def test_rewiring_moves_references_dependencies_and_policies_together(node: Node) -> None:
    edge = Edge(on_failure="fallback", fallback=Ref("2"))
    node = node.model_copy(update={"depends_on": ("2", "8"), "edges": {"2": Edge(on_failure="continue"), "8": edge}})
    rewired = node.rewired({"2": "7"})
    assert set(rewired.waits_for) == {"7" if needed == "2" else needed for needed in node.waits_for}
    assert rewired.edge("7") == Edge(on_failure="continue") and "2" not in rewired.edges
    assert rewired.edge("8").fallback == Ref("7")
    assert rewired.rewired({"7": "2"}) == node
    assert type(rewired) is type(node) and (node.kind != "plan" or rewired.nodes == node.nodes)  # type: ignore[union-attr] # a sub-plan


@pytest.mark.parametrize(
    ("edge", "seen"),
    [
        (Edge(), None),
        (Edge(on_failure="continue"), None),
        (Edge(on_failure="optional"), OMIT),
        (Edge(on_failure="fallback", fallback=3), 3),
    ],
)
def test_an_edge_says_what_stands_in_the_place_of_a_failure(edge: Edge, seen: Any) -> None:
    assert edge.instead == seen


def test_json_is_the_same_in_every_process() -> None:
    program = (
        "from orchestra.plan.node import ToolCall; from orchestra.plan.plan import Plan;"
        "node = ToolCall(id='1', tool='t', reads={'a', 'b', 'c', 'd'}, writes={'e', 'f', 'g'});"
        "print(node.model_dump_json(), Plan(nodes=(node,)).signature)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1 and json.loads(runs.pop().rpartition("} ")[0] + "}")["reads"] == ["a", "b", "c", "d"]
