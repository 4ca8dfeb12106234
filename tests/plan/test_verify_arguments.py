"""Arguments of calls: literals by the tool's schema, references by what is known of outputs."""

from __future__ import annotations

from typing import Any

import pytest
from plan_examples import PAGE, TOOLS, call, found, now, only

from orchestra.plan.finding import errors
from orchestra.plan.node import Aggregate, ModelCall, Node, Sample, SubPlan
from orchestra.plan.ref import Ref, Text
from orchestra.plan.tool_spec import ToolSpec

# Tools and arguments


def test_an_unknown_tool_is_named_with_the_one_that_may_be_meant() -> None:
    finding = only(found(call("serch", query="a")))
    assert finding.code == "unknown-tool" and finding.node == "1"
    assert "\"serch\" (did you mean 'search'?)" in finding.message and "now" in finding.message


def test_without_tools_their_names_and_arguments_are_not_looked_at() -> None:
    assert found(call("anything", whatever=1), tools=None) == []


def test_missing_and_unknown_arguments_are_found_at_once() -> None:
    missing, unknown = found(call("search", qurey="a"))
    assert (missing.code, unknown.code) == ("missing-argument", "unknown-argument")
    assert "'query' (text)" in missing.message
    assert "did you mean 'query'?" in unknown.message and "it takes query, limit" in unknown.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": 5}, 'must be text (write "5", with quotes)'),
        ({"query": None}, "is null: it must be text"),
        ({"query": ["a"]}, 'is ["a"]: it must be text'),
        ({"query": "a", "limit": "3"}, "must be a whole number (write 3, without quotes)"),
        ({"query": "a", "limit": 2.5}, "is 2.5: it must be a whole number"),
        ({"query": "a", "limit": True}, "is true: it must be a whole number"),
        ({"query": "a", "limit": 0}, "must be at least 1"),
        ({"query": "a", "limit": 11}, "must be at most 10"),
    ],
)
def test_a_literal_of_the_wrong_type_is_shown_with_what_would_be_right(arguments: dict[str, Any], words: str) -> None:
    finding = only(found(call("search", **arguments)))
    assert finding.code == "wrong-type" and words in finding.message


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("glue", {"parts": ["a", 1]}, "argument 'parts'[1] is 1: it must be text"),
        ("glue", {"parts": ["a"], "language": "fr"}, 'is "fr": it must be one of "en", "de"'),
        ("rank", {"pages": [{"size": 1}]}, "argument 'pages'[0] lacks 'title'"),
        ("rank", {"pages": [{"title": "a", "size": "1"}]}, "argument 'pages'[0].size is \"1\": it must be a whole number"),
        ("fetch", {"title": "a", "depth": "all"}, 'is "all": it must be a whole number or null'),
        ("rank", {"pages": [{"title": Ref("2")}]}, "argument 'pages'[0].title is \"2\", which is a whole number: it must be text"),
        ("rank", {"pages": [{"size": Ref("2")}]}, "argument 'pages'[0] lacks 'title'"),
        ("glue", {"parts": {"a": Ref("2")}}, "is an object: it must be a list (each item is text)"),
    ],
)
def test_nested_values_are_looked_into_also_beside_references(tool: str, arguments: dict[str, Any], words: str) -> None:
    finding = only(found(call(tool, **arguments), call("add", "2", a=1, b=2)))
    assert finding.code == "wrong-type" and words in finding.message


def test_alternatives_of_which_one_is_meant_are_explained_by_that_one() -> None:
    page = {"anyOf": [{"type": "null"}, PAGE]}
    tools = {"t": ToolSpec(name="t", parameters={"properties": {"page": page}})}
    assert "argument 'page'.title is 1: it must be text" in only(found(call("t", page={"title": 1}), tools=tools)).message
    assert "argument 'page' is 3: it must be null or an object" in only(found(call("t", page=3), tools=tools)).message


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, 1),
        ({"type": "nonsense"}, 1),
        ({"type": 7}, 1),
        ({"$ref": "#/properties/x"}, [1]),
        ({"$ref": "https://example.org/schema.json"}, 1),
        ({"$ref": "#/nowhere"}, 1),
        ({"type": "string", "pattern": "\\p{Letter}("}, "a"),
        ({"anyOf": [{"$ref": "#/properties/x"}]}, 1),
        ({"$schema": 5, "$id": ["x"]}, 1),
        ({"type": "object", "required": True, "properties": 3}, {}),
        (True, 1),
        ("nonsense", 1),
    ],
)
@pytest.mark.parametrize("referred", [False, True])
def test_a_schema_that_is_broken_or_out_of_reach_refuses_nothing(schema: Any, value: Any, referred: bool) -> None:
    tools = {**TOOLS, "t": ToolSpec(name="t", parameters={"type": "object", "properties": {"x": schema}}, returns=schema)}
    argument = Ref("2", ("a", 0)) if referred and schema != {"type": "string", "pattern": "\\p{Letter}("} else value
    assert found(call("t", x=argument), call("t", "2", x=value), tools=tools) == []


def test_parameters_of_any_shape_do_no_harm() -> None:
    for parameters in ({}, {"properties": None, "required": "x"}, {"properties": [], "required": None}, {"type": "object"}):
        tools = {"t": ToolSpec(name="t", parameters=parameters)}
        assert errors(found(call("t", **({} if "properties" in parameters else {"x": 1})), tools=tools)) == []


def test_definitions_are_followed() -> None:
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
        "required": ["children"],
    }
    parameters = {"properties": {"tree": {"$ref": "#/$defs/tree"}}, "$defs": {"tree": tree}}
    tools = {"t": ToolSpec(name="t", parameters=parameters, returns={"$ref": "#/$defs/tree", "$defs": {"tree": tree}})}
    assert found(call("t", tree={"children": [{"children": []}]}), call("t", "2", tree=Ref("1")), tools=tools) == []
    wrong = only(found(call("t", tree={"children": [{"children": 1}]}), tools=tools))
    assert "argument 'tree'.children[0].children is 1" in wrong.message
    assert found(call("t", tree=Ref("2", ("children", 0))), call("t", "2", tree={"children": []}), tools=tools) == []
    assert (
        only(found(call("t", tree=Ref("2", ("childs",))), call("t", "2", tree={"children": []}), tools=tools)).code == "wrong-type"
    )


def test_a_tool_that_allows_other_arguments_takes_them_by_their_schema() -> None:
    parameters = {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}
    tools = {"t": ToolSpec(name="t", parameters=parameters)}
    assert found(call("t", x=1), tools=tools) == []
    assert only(found(call("t", x="a"), tools=tools)).code == "wrong-type"


# References and the types of outputs


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (Ref("page", ("title",)), True),
        (Ref("page", ("size",)), False),
        (Ref("page"), False),
        (Ref("pages", (0, "title")), True),
        (Ref("pages", ("0", "title")), True),
        (Ref("pages", (-1, "title")), True),
        (Ref("text"), True),
        (Ref("texts"), False),
        (Ref("texts", (0,)), True),
        (Ref("joined"), True),
        (Ref("total"), False),
        (Ref("void"), False),
        (Ref("any", ("a", 3, "b")), True),
        (Ref("inner"), True),
        (Ref("best"), True),
        (Text(("sum: ", Ref("total"))), True),
    ],
)
def test_a_reference_fits_when_its_output_may_have_the_type(value: Any, fits: bool) -> None:
    tools = {**TOOLS, "any": ToolSpec(name="any")}
    sources: list[Node] = [
        call("fetch", "page", title="a"),
        call("search", "pages", query="a"),
        call("send", "void", body="a"),
        call("any", "any"),
        ModelCall(id="text", prompt="p"),
        Sample(id="texts", prompt="p", n=2),
        Aggregate(id="joined", inputs=[Ref("text")], how="concat"),
        Aggregate(id="total", inputs=[1, 2], how="sum"),
        Aggregate(id="best", inputs=[Ref("text")], how="vote"),
        SubPlan(id="inner", nodes=(call("fetch", title="a"),), output=Ref("1", ("title",))),
    ]
    findings = found(*sources, call("search", query=value), tools=tools)
    assert [finding.code for finding in findings] == ([] if fits else ["wrong-type"])


def test_lists_of_other_things_do_not_fit() -> None:
    finding = only(found(call("search", "2", query="a"), call("glue", parts=Ref("2"))))
    assert "a list (each item is an object): it must be a list (each item is text)" in finding.message
    assert found(call("search", "2", query="a"), call("rank", pages=Ref("2"))) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("titel",), "has no part \"titel\" (did you mean 'title'?); it has title, size"),
        ((0,), "has no part 0; it has title, size"),
        (("title", "x"), 'has no part "x"; it is text'),
    ],
)
def test_a_path_that_the_output_cannot_have_is_refused_with_what_it_has(path: tuple[str | int, ...], words: str) -> None:
    in_argument = only(found(call("fetch", "2", title="a"), call("search", query=Ref("2", path))))
    in_output = only(found(call("fetch", "2", title="a"), output=Ref("2", path)))
    assert in_argument.code == in_output.code == "wrong-type" and words in in_argument.message and words in in_output.message


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([Ref("1"), 2, None], None),
        (Ref("4"), None),
        ([Ref("1"), Ref("2")], '`inputs`[1] is "2", which is text: it must be a number or null'),
        (Ref("3"), '`inputs` is "3", which is a list (each item is text)'),
        ([1, True], "`inputs`[1] is true: it must be a number or null"),
        (Text((Ref("1"),)), "`inputs` is text"),
        ([], "nothing to take the sum of"),
    ],
)
def test_sums_are_of_numbers(inputs: Any, words: str | None) -> None:
    nodes = (call("add", a=1, b=2), now("2"), Sample(id="3", prompt="p", n=2), call("numbers", "4"))
    tools = {**TOOLS, "numbers": ToolSpec(name="numbers", returns={"type": "array", "items": {"type": "number"}})}
    findings = found(*nodes, Aggregate(id="9", inputs=inputs, how="sum"), tools=tools)
    if words is None:
        assert findings == []
    else:
        assert only(findings).code == "wrong-type" and words in only(findings).message


def test_a_prompt_has_to_say_something() -> None:
    assert only(found(ModelCall(id="1", prompt=""))).code == "wrong-type"
