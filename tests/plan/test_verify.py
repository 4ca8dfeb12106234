"""Everything that can be wrong with a plan is found, named, and explained; nothing that is right is refused."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_examples import TOOLS, call, found, now, only, random_plan

from orchestra.plan.finding import Finding, errors
from orchestra.plan.node import Edge, ModelCall, Node, Sample, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text
from orchestra.plan.structure import Shape
from orchestra.plan.verify import describe, verify, verify_node


@given(st.integers(0, 2**32), st.integers(1, 15))
@settings(deadline=None)
def test_valid_plans_have_no_errors(seed: int, size: int) -> None:
    plan = random_plan(Random(seed), size)
    assert errors(verify(plan, TOOLS, ordered=True)) == []
    known: dict[str, Node] = {}
    for node in plan.nodes:
        assert errors(verify_node(node, known, TOOLS)) == []
        known[node.id] = node


@given(st.integers(0, 2**32))
@settings(deadline=None)
def test_order_means_nothing_unless_it_is_said_to(seed: int) -> None:
    plan = random_plan(Random(seed), 8)
    backwards = plan.model_copy(update={"nodes": plan.nodes[::-1]})
    assert errors(verify(backwards, TOOLS)) == []
    codes = {finding.code for finding in errors(verify(backwards, TOOLS, ordered=True))}
    assert codes == ({"forward-reference"} if any(node.waits_for for node in plan.nodes) else set())


# References


def test_a_dangling_reference_is_named_wherever_it_is() -> None:
    edge = {"near": Edge(on_failure="fallback", fallback=Ref("x5"))}
    node = ToolCall(id="1", tool="search", arguments={"query": Text(("a", Ref("x2")))}, depends_on=("x3", "near"), edges=edge)
    findings = found(node, now("near"), output=[Ref("x4"), Ref("naer")])
    assert [finding.code for finding in findings] == ["dangling-reference"] * 5
    for finding, name in zip(findings, ["x2", "x3", "x5", "x4", "naer"], strict=True):
        assert f'"{name}"' in finding.message
    assert "did you mean 'near'?" in findings[-1].message and findings[-1].node is None


def test_a_node_cannot_wait_for_itself() -> None:
    assert only(found(now("1", "1"))).code == "self-reference"
    assert only(found(ModelCall(id="1", prompt=Ref("1")))).code == "self-reference"


def test_a_reference_to_a_later_node_is_refused_where_order_counts() -> None:
    finding = only(found(now("1", "2"), now("2"), ordered=True))
    assert finding.code == "forward-reference" and "write 2 first" in finding.message
    assert found(now("1", "2"), now("2")) == []


def test_two_nodes_of_one_id_are_one_finding() -> None:
    finding = only(found(now("1"), now("1"), now("1")))
    assert finding.code == "duplicate-id" and finding.node == "1" and "3 nodes" in finding.message


# Shape


def test_a_cycle_is_told_once_with_the_ids_on_it_in_order() -> None:
    finding = only(found(now("1", "3"), now("2", "1"), now("3", "2"), now("4", "1")))
    assert finding.code == "cycle" and "1 → 3 → 2 → 1" in finding.message


def test_many_cycles_through_the_same_nodes_are_one_finding_and_others_their_own() -> None:
    ids = [f"a{index}" for index in range(30)]
    complete = [now(node_id, *(other for other in ids if other != node_id)) for node_id in ids]
    first, second = found(*complete, now("b", "c"), now("c", "b"))
    assert "a0 → a1 → a0" in first.message and "30 nodes are tied together" in first.message
    assert "b → c → b" in second.message


def test_a_plan_may_be_neither_empty_nor_larger_than_its_limits() -> None:
    assert only(found()).code == "empty"
    chain = [now(f"n{index}", *([f"n{index - 1}"] if index else [])) for index in range(5)]
    wide = [now(f"n{index}") for index in range(5)]
    assert [finding.code for finding in found(*chain, limits=Shape(max_depth=4))] == ["too-deep"]
    assert [finding.code for finding in found(*wide, limits=Shape(max_width=4))] == ["too-wide"]
    assert [finding.code for finding in found(*wide, limits=Shape(max_nodes=4))] == ["too-many"]
    assert found(*chain, *wide[:0], limits=Shape(max_depth=5, max_width=1, max_nodes=5)) == []


def test_nodes_inside_sub_plans_count() -> None:
    sub = SubPlan(id="s", nodes=(now("1"), now("2")), output=None)
    assert [finding.code for finding in found(sub, limits=Shape(max_nodes=2))] == ["too-many"]


def test_a_missing_join_is_an_error_only_where_an_output_is_needed() -> None:
    assert only(found(now("1"), needs_output=True)).code == "missing-join"
    assert found(now("1"), needs_output=True, output=Ref("1")) == [] == found(now("1"))


def test_work_that_nothing_needs_is_a_warning_unless_it_acts() -> None:
    finding = only(found(now("1"), now("2"), now("3", "2"), call("send", "4", body="hi"), output=Ref("1")))
    assert finding.code == "unreachable" and finding.severity == "warning" and "2, 3" in finding.message
    assert found(now("1"), now("2"), call("send", "3", body=Ref("2")), output=Ref("1")) == []
    acting = SubPlan(id="s", nodes=(call("send", body="hi"),), output=None)
    assert found(now("1"), acting, output=Ref("1")) == []


# Policies


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (now("2", "1", quorum=2), "a quorum of 2 can never be reached"),
        (now("2", quorum=1), "this node waits for 0"),
        (now("2", edges={"1": Edge(on_failure="continue")}), "a policy for '1', for which this node does not wait"),
        (now("2", "1", edges={"1": Edge(on_failure="fallback", fallback=Ref("1"))}), "refers to what has failed"),
        (now("2", "1", edges={"1": Edge(fallback=3)}), "set `on_failure` to 'fallback'"),
        (now("input", "1"), "choose another id"),
        (ModelCall(id="2", prompt=Ref("input", ("a",))), "exists in sub-plans only"),
        (now("2", "input"), "exists in sub-plans only"),
        (Sample(id="2", prompt="p", n=2, enough=3), "it must be at most 2"),
        (now("2", reads={" "}), "`reads` names nothing"),
        (now("2", writes={""}), "`writes` names nothing"),
        (now("2", writes={"table"}, effect="pure"), "is not pure"),
        (ToolCall(id="2", tool="send", arguments={"body": "a"}, effect="pure"), "a plan may only be stricter"),
        (ModelCall(id="2", prompt="p", model="huge"), 'there is no model "huge"'),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(node: Node, words: str) -> None:
    finding = only(found(now("1"), node, models=("small", "large")))
    assert finding.code == "bad-policy" and finding.severity == "error" and words in finding.message


def test_fallbacks_that_lead_to_each_other_are_refused_and_a_chain_of_them_is_not() -> None:
    def node(**fallbacks: str) -> Node:
        edges = {needed: Edge(on_failure="fallback", fallback=Ref(other)) for needed, other in fallbacks.items()}
        return now("9", "1", edges=edges)

    others = (now("1"), now("2"), now("3"))
    assert "'1', '2'" in only(found(*others, node(**{"1": "2", "2": "1"}))).message
    assert found(*others, node(**{"1": "2", "2": "3"})) == []


@pytest.mark.parametrize("copies", [1, 2])
def test_fallbacks_that_multiply_are_refused(copies: int) -> None:
    fallbacks = {
        str(index): Edge(on_failure="fallback", fallback=[Ref(str(index + 1))] * copies) for index in range(1, 500 // copies)
    }
    finding = only(found(now("0", "1", edges=fallbacks), *(now(str(index)) for index in range(1, 500 // copies + 1))))
    assert finding.code == "bad-policy" and "go on for too long" in finding.message


@pytest.mark.parametrize(
    ("edge", "severity", "words"),
    [
        (Edge(on_failure="fallback", fallback=7), "error", "when 2 fails, argument 'query' is 7"),
        (
            Edge(on_failure="fallback", fallback=Ref("3")),
            "error",
            "when 2 fails, argument 'query' is \"3\", which is a whole number",
        ),
        (Edge(on_failure="continue"), "warning", "when 2 fails, argument 'query' is null"),
        (Edge(on_failure="optional"), "warning", "when 2 fails, `search` needs the argument 'query'"),
    ],
)
def test_what_a_call_would_get_after_a_failure_is_looked_at_too(edge: Edge, severity: str, words: str) -> None:
    finding = only(found(call("search", query=Ref("2"), edges={"2": edge}), now("2"), call("add", "3", a=1, b=1)))
    assert finding.code == "bad-policy" and finding.severity == severity and words in finding.message


def test_a_fallback_that_fits_is_fine() -> None:
    edge = Edge(on_failure="fallback", fallback="nothing found")
    assert found(call("search", query=Ref("2"), edges={"2": edge}), now("2")) == []


# Sub-plans


def test_sub_plans_are_verified_under_their_own_names() -> None:
    inner = (call("serch", "a"), now("b", "c"), now("d", "d"), ModelCall(id="e", prompt=Ref("input", ("y",))))
    deeper = SubPlan(id="deep", nodes=(now("f", "g"),), output=Ref("h"))
    findings = found(now("1"), SubPlan(id="s", nodes=(*inner, deeper), output=Ref("a"), arguments={"x": Ref("1")}))
    assert {(finding.node, finding.code) for finding in errors(findings)} == {
        ("s/a", "unknown-tool"),
        ("s/b", "dangling-reference"),
        ("s/d", "self-reference"),
        ("s/e", "bad-policy"),
        ("s/deep/f", "dangling-reference"),
        ("s/deep", "dangling-reference"),
    }


def test_a_node_outside_a_sub_plan_is_reached_by_an_argument() -> None:
    findings = found(now("1"), SubPlan(id="s", nodes=(now("a", "1"),), output=Ref("a")))
    assert "outside this sub-plan: pass it in `arguments`" in only(findings).message
    inner = call("search", "a", query=Ref("input", ("x",)))
    assert found(now("1"), SubPlan(id="s", nodes=(inner,), output=Ref("a"), arguments={"x": Ref("1")})) == []
    number = only(found(SubPlan(id="s", nodes=(inner,), output=Ref("a"), arguments={"x": 1})))
    assert number.node == "s/a" and number.code == "wrong-type"


def test_a_sub_plan_that_returns_its_argument_has_the_type_of_that() -> None:
    def passing(node_id: str, given: str) -> SubPlan:
        return SubPlan(id=node_id, nodes=(now("a"),), output=Ref("input", ("x",)), arguments={"x": Ref(given)})

    number = call("add", "0", a=1, b=2)
    finding = only(errors(found(number, passing("2", "0"), passing("3", "2"), call("search", query=Ref("3")))))
    assert finding.code == "wrong-type" and "a whole number" in finding.message
    around = [passing(f"n{index}", f"n{(index + 1) % 3000}") for index in range(3000)]
    assert {finding.code for finding in errors(found(*around, limits=UNLIMITED))} == {"cycle"}


def test_sub_plans_nested_too_deep_are_refused_and_not_entered() -> None:
    node: Node = now("bottom", "nowhere")
    for depth in range(2000):
        node = SubPlan.model_construct(id=f"s{depth}", nodes=(node,), output=None, arguments={})
    finding = only(found_unchecked(node))
    assert finding.code == "too-deep" and "nested" in finding.message


def found_unchecked(*nodes: Node) -> list[Finding]:
    plan = Plan.model_construct(nodes=nodes, output=None, goal="", version=1)
    return list(verify(plan, TOOLS, limits=Shape(max_nodes=None)))


# Streams, messages, size


def test_a_streamed_node_is_measured_by_those_before_it() -> None:
    known: dict[str, Node] = {"1": now("1")}
    assert verify_node(now("2", "1"), known, TOOLS) == ()
    assert [finding.code for finding in verify_node(now("2", "3"), known, TOOLS)] == ["dangling-reference"]
    assert [finding.code for finding in verify_node(now("1"), known, TOOLS)] == ["duplicate-id"]
    assert [finding.code for finding in verify_node(now("2"), known, TOOLS, limits=Shape(max_nodes=1))] == ["too-many"]
    assert [finding.code for finding in verify_node(call("search", "2", query=Ref("1", ("x",))), known, TOOLS)] == ["wrong-type"]


def test_a_description_is_a_numbered_list_with_errors_first() -> None:
    findings = [
        Finding("unreachable", "no use", severity="warning"),
        *(Finding("cycle", "round", str(index)) for index in range(50)),
    ]
    lines = describe(findings, limit=3).splitlines()
    assert lines == ["1. node 0: round", "2. node 1: round", "3. node 2: round", "… and 48 more"]
    assert describe(findings[:1]) == "1. warning: no use"


def test_what_a_model_wrote_does_not_make_messages_long() -> None:
    huge = "x" * 100_000
    node = ToolCall(id="1", tool=huge, arguments={huge: Ref(huge, (huge,))})
    wrong = ToolCall(id="2", tool="search", arguments={"query": {huge: huge}, huge: 1, "limit": huge})
    path = ModelCall(id="3", prompt=Text((Ref("input", (huge,)), Ref("4", (huge,)))))
    findings = found(node, wrong, path, call("fetch", "4", title="a"), output=Ref(huge))
    assert len(findings) > 6 and max(len(str(finding)) for finding in findings) < 500


UNLIMITED = Shape(max_nodes=None, max_width=None, max_depth=None)


@pytest.mark.parametrize("shape", ["chain", "circle", "star", "all wrong"])
def test_ten_thousand_nodes_meet_no_recursion_limit(shape: str) -> None:
    count = 10_000
    after = {
        "chain": lambda index: [f"n{index - 1}"] if index else [],
        "circle": lambda index: [f"n{(index - 1) % count}"],
        "star": lambda index: [f"n{other}" for other in range(count - 1)] if index == count - 1 else [],
        "all wrong": lambda index: [f"m{index}"],
    }[shape]
    nodes = [ToolCall(id=f"n{index}", tool="now", depends_on=tuple(after(index))) for index in range(count)]
    codes = {finding.code for finding in found(*nodes, limits=UNLIMITED)}
    assert codes == {"chain": set(), "circle": {"cycle"}, "star": set(), "all wrong": {"dangling-reference"}}[shape]
