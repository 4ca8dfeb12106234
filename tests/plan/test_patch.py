"""Patches: applied as a whole or not at all, and never to what has finished."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from plan_examples import TOOLS, ask, interpret, now, random_plan
from pydantic import ValidationError

from orchestra.plan.changes import describe_changes, diff
from orchestra.plan.finding import errors
from orchestra.plan.node import Aggregate, Edge, ModelCall, Node, Sample, SubPlan, ToolCall
from orchestra.plan.patch import Add, Patch, Patched, Remove, Replace, Rewire, SetOutput, apply
from orchestra.plan.patch_schema import schema
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text
from orchestra.plan.structure import Shape
from orchestra.plan.tool_spec import ToolSpec
from orchestra.plan.verify import verify

seeds = st.integers(0, 2**32)


def search(node_id: str, query: Any) -> ToolCall:
    return ToolCall(id=node_id, tool="search", arguments={"query": query})


PLAN = Plan(nodes=(now("1"), now("2"), ask("3", "1", "2"), ask("4", "3")), output=Ref("4"), goal="find out")


def patched(*operations: Any, plan: Plan = PLAN, **options: Any) -> Patched:
    return apply(plan, Patch(operations=operations), tools=TOOLS, **options)


def refused(*operations: Any, plan: Plan = PLAN, **options: Any) -> list[str]:
    """What is said against a patch, which has changed nothing."""
    result = patched(*operations, plan=plan, **options)
    assert not result.ok and result.plan is plan
    assert result.changes == diff(plan, plan)
    return [str(finding) for finding in errors(result.findings)]


def rewire(node_id: str, source: str, target: str) -> Rewire:
    return Rewire(id=node_id, source=source, target=target)


def test_operations_are_applied_in_order_and_make_the_next_version() -> None:
    result = patched(
        Add(node=search("5", Ref("1"))),
        rewire("3", "2", "5"),
        Remove(id="2"),
        Replace(id="4", node=ask("4", "3", "5")),
        SetOutput(output=[Ref("4"), Ref("5")]),
    )
    assert result.ok and result.plan.version == 2 and result.plan.goal == "find out"
    assert [node.id for node in result.plan.nodes] == ["1", "3", "4", "5"]
    assert result.plan.by_id["3"] == ask("3", "1", "5")
    assert result.plan.by_id["4"] == ask("4", "3", "5")
    changes = result.changes
    assert [node.id for node in changes.added] == ["5"] and [node.id for node in changes.replaced] == ["3", "4"]
    assert changes.removed == {"2"} and changes.output == [Ref("4"), Ref("5")]
    assert describe_changes(PLAN, changes) == [
        "- 2",
        "+ 5: search(query=$1)",
        '~ 3: ask "about ${1}${2}" → ask "about ${1}${5}"',
        '~ 4: ask "about ${3}" → ask "about ${3}${5}"',
        'output: $4 → ["$4", "$5"]',
    ]


def test_what_a_patch_reads_is_what_it_writes() -> None:
    text = """{"operations": [
        {"op": "add", "node": {"kind": "tool", "id": "5", "tool": "search", "arguments": {"query": {"$ref": "1"}}}},
        {"op": "replace", "id": "4", "node": {"kind": "model", "id": "4", "prompt": "p"}},
        {"op": "remove", "id": "2", "cascade": true}, {"op": "rewire", "id": "3", "from": "2", "to": "5"},
        {"op": "set_output", "output": {"$json": {"$ref": "1"}}}], "reason": "2 failed"}"""
    patch = Patch.model_validate_json(text)
    assert patch.operations[3] == rewire("3", "2", "5") and patch.operations[4] == SetOutput(output={"$json": {"$ref": "1"}})
    assert Patch.model_validate_json(patch.model_dump_json()) == patch
    assert json.loads(patch.model_dump_json())["operations"][3] == {"op": "rewire", "id": "3", "from": "2", "to": "5"}


@pytest.mark.parametrize(
    "operation",
    [{"op": "drop", "id": "1"}, {"op": "remove"}, {"op": "remove", "id": {"$ref": "1"}}, {"op": "add", "node": {"id": "1"}}, {}],
)
def test_a_malformed_operation_is_refused_where_it_comes_in(operation: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Patch.model_validate({"operations": [operation]})


def test_what_has_finished_stays_and_may_be_referred_to_for_ever() -> None:
    settled = {"1", "2", "3"}
    for operation in (Remove(id="1"), Replace(id="1", node=now("1", "2")), rewire("3", "1", "2")):
        assert "it has finished" in refused(operation, settled=settled)[0]
    assert patched(Add(node=ask("5", "1", "3")), SetOutput(output=Ref("5")), settled=settled).ok


def test_ids_are_not_used_again() -> None:
    assert "this id is taken" in refused(Add(node=now("1")))[0]
    assert "ids are not used again" in refused(Add(node=now("9")), retired={"9"})[0]
    assert "ids are not used again" in refused(Remove(id="4", cascade=True), Add(node=ask("4", "3")))[0]


def test_an_unknown_node_is_named_with_those_that_there_are() -> None:
    for operation in (Remove(id="7"), Replace(id="7", node=now("7")), rewire("7", "1", "2")):
        assert "there is no such node; there are: 1, 2, 3, 4" in refused(operation)[0]
    assert "for which it does not wait: it waits for 3" in refused(rewire("4", "1", "2"))[0]
    assert '"7", but there is no such node' in refused(rewire("4", "3", "7"))[0]


def test_a_replacement_keeps_its_id() -> None:
    assert "it must keep 4" in refused(Replace(id="4", node=ask("5", "3")))[0]


def test_removing_what_others_need_says_who_they_are() -> None:
    assert refused(Remove(id="3")) == ['node 4: refers to "3", but there is no such node; there are: 1, 2, 4']
    assert "the output refers to" in refused(Remove(id="4"))[0]


def test_cascading_takes_out_what_cannot_do_without() -> None:
    tolerant = ask("5", "3", **{"3": Edge(on_failure="continue")})
    plan = PLAN.model_copy(update={"nodes": (*PLAN.nodes, tolerant)})
    result = patched(Remove(id="3", cascade=True), SetOutput(output=Ref("5")), plan=plan)
    assert result.ok and result.changes.removed == {"3", "4"}
    assert result.plan.by_id["5"] == ModelCall(id="5", prompt=Text(("about ", "null")))


def test_cascading_stops_at_what_has_finished() -> None:
    quorum = Aggregate(id="5", inputs=[Ref("1"), Ref("2")], quorum=1)
    plan = Plan(nodes=(now("1"), now("2"), quorum))
    assert "5 waited for it and has finished" in refused(Remove(id="2", cascade=True), plan=plan, settled={"1", "5"})[0]


def test_the_patched_plan_is_verified_as_a_whole() -> None:
    assert "1 → 4 → 3 → 1" in refused(Replace(id="1", node=ask("1", "4")))[0]
    assert "there is no tool" in refused(Add(node=ToolCall(id="5", tool="serch")))[0]
    assert "at most 4" in refused(Add(node=now("5")), limits=Shape(max_nodes=4))[0]


def test_all_mistakes_are_told_at_once() -> None:
    said = refused(
        Remove(id="7"), Add(node=now("1")), Add(node=ToolCall(id="5", tool="serch")), SetOutput(output=Ref("8")), settled={"1"}
    )
    assert len(said) == 4


@pytest.mark.parametrize("operations", [(), (Replace(id="1", node=now("1")),), (Add(node=now("5")), Remove(id="5"))])
def test_a_patch_that_changes_nothing_is_refused(operations: tuple[Any, ...]) -> None:
    assert "changes nothing" in refused(*operations)[0]


def test_one_and_true_are_not_the_same() -> None:
    plan = Plan(nodes=(ToolCall(id="1", tool="rank", arguments={"pages": [], "by": {"x": 1}}),))
    node = ToolCall(id="1", tool="rank", arguments={"pages": [], "by": {"x": True}})
    assert patched(Replace(id="1", node=node), plan=plan).changes.replaced == (node,)


def random_operation(random: Random, plan: Plan, number: int) -> Any:
    ids = [*plan.by_id, "n99"]
    donor = random_plan(random, random.randint(1, 6)).nodes[-1]
    names = {node_id: random.choice(ids) for node_id in donor.waits_for}
    node = donor.rewired(names).model_copy(update={"id": random.choice([f"p{number}", f"p{number}", random.choice(ids)])})
    target = random.choice(ids)
    needed = plan.by_id[target].waits_for if target in plan.by_id else ()
    return random.choice(
        [
            Add(node=node),
            Replace(id=target, node=node.model_copy(update={"id": target})),
            Remove(id=target, cascade=random.random() < 0.7),
            Rewire(id=target, source=random.choice([*needed, "n0"]), target=random.choice(ids)),
            SetOutput(output=random.choice([None, Ref(random.choice(ids))])),
        ]
    )


@given(seeds)
@settings(deadline=None)
def test_however_a_plan_is_patched_it_stays_valid_and_the_changes_say_what_happened(seed: int) -> None:
    random = Random(seed)
    plan = random_plan(random, 6)
    settled: set[str] = set()
    retired: set[str] = set()
    for number in range(12):
        operations = [random_operation(random, plan, number * 3 + index) for index in range(random.randint(1, 3))]
        result = apply(plan, Patch(operations=tuple(operations)), tools=TOOLS, settled=settled, retired=retired)
        old, plan = plan, result.plan
        assert errors(verify(plan, TOOLS)) == []
        assert result.changes == diff(old, plan) and plan.version == old.version + result.ok
        assert applied(old, result) == dict(plan.by_id)
        assert all(plan.by_id[node_id] == old.by_id[node_id] for node_id in settled)
        assert not retired & plan.by_id.keys()
        interpret(plan.nodes, plan.output)
        retired |= result.changes.removed
        if result.ok and random.random() < 0.3:
            settled.update(node.id for node in plan.nodes if settled.issuperset(node.waits_for))


def applied(old: Plan, result: Patched) -> dict[str, Node]:
    """What a scheduler makes of the changes."""
    nodes = {node_id: node for node_id, node in old.by_id.items() if node_id not in result.changes.removed}
    assert not any(node.id in nodes for node in result.changes.added)
    assert all(node.id in nodes for node in result.changes.replaced)
    nodes.update((node.id, node) for node in (*result.changes.replaced, *result.changes.added))
    return nodes


def test_changes_that_do_not_show_in_one_line_are_named() -> None:
    plan = Plan(nodes=(now("1"), Sample(id="2", prompt="p", n=3), SubPlan(id="3", nodes=(now("a"),), output=None)))
    new = plan.model_copy(update={"nodes": (now("1", timeout_s=3), Aggregate(id="2", inputs=[Ref("3")]), plan.nodes[2])})
    assert describe_changes(plan, diff(plan, new)) == ["~ 1: timeout_s", '~ 2: 3 × "p" → list of ["$3"]']


# The schema for decoding

FILTER = ToolSpec(
    name="filter",
    parameters={
        "type": "object",
        "properties": {"by": {"$ref": "#/$defs/by"}, "far": {"$ref": "https://example.org/x.json"}, "n": {"type": "integer"}},
        "required": ["by"],
        "$defs": {"by": {"type": "object", "properties": {"inner": {"$ref": "#/$defs/by"}, "word": {"type": "string"}}}},
    },
)
WITH_FILTER = {**TOOLS, "filter": FILTER}


def add(tool: str, **arguments: Any) -> dict[str, Any]:
    node = {"kind": "tool", "id": "5", "tool": tool, "arguments": arguments, "depends_on": []}
    return {"operations": [{"op": "add", "node": node}], "reason": ""}


@pytest.mark.parametrize(
    ("patch", "matches"),
    [
        (add("search", query="a", limit=3), True),
        (add("search", query={"$ref": "1.0.title"}), True),
        (add("search", query={"$text": ["about ", {"$ref": "1"}]}), True),
        (add("filter", by={"inner": {"inner": {"word": "a"}}}, far=[1]), True),
        (add("serch", query="a"), False),
        (add("search", query=3), False),
        (add("search", qurey="a"), False),
        (add("search"), False),
        (add("filter", by={"inner": {"word": 1}}), False),
        (add("filter", by={"$ref": "1"}, n={"$text": ["a"]}), False),
        ({"operations": [], "reason": ""}, False),
        ({"operations": [{"op": "rewire", "id": "1", "from": "2", "to": "3"}], "reason": "r"}, True),
        ({"operations": [{"op": "remove", "id": "1.a", "cascade": True}], "reason": "r"}, False),
        ({"operations": [{"op": "set_output", "output": [{"$ref": "1"}]}], "reason": "r"}, True),
    ],
)
def test_the_schema_admits_patches_of_calls_that_exist(patch: dict[str, Any], matches: bool) -> None:
    written = schema(WITH_FILTER)
    Draft202012Validator.check_schema(written)
    assert Draft202012Validator(written).is_valid(patch) == matches
    if matches:
        Patch.model_validate(patch)
