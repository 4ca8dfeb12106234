from __future__ import annotations

import json

import hypothesis
import jsonschema
import pytest
from hypothesis import settings
from plan_texts import TOOLS, tool
from strategies import plans

from orchestra.errors import PlanError
from orchestra.plan.finding import errors
from orchestra.plan.formats.base import Parsed
from orchestra.plan.formats.document import Document
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.node import ModelCall, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text
from orchestra.plan.tool_spec import ToolSpec

FORMAT = Document()


def parse(text: str) -> Parsed:
    return FORMAT.parse(text, TOOLS)


def test_the_short_form_is_read_like_json_lines() -> None:
    parsed = parse(
        '{"nodes": [{"id": 1, "tool": "math", "args": ["x"]}, {"id": 2, "prompt": "Sum up $1, $5"}], "output": "$2", "goal": "g"}'
    )
    assert parsed.plan == Plan(
        nodes=(
            ToolCall(id="1", tool="math", arguments={"problem": "x"}),
            ModelCall(id="2", prompt=Text(("Sum up ", Ref("1"), ", $5"))),
        ),
        output=Ref("2"),
        goal="g",
    )
    assert [finding.code for finding in parsed.findings] == ["kept-as-text"]


def test_strings_of_the_exact_form_are_literal() -> None:
    text = '{"version": 1, "nodes": [{"kind": "model", "id": "1", "prompt": "$$5 ${x"}], "output": {"$ref": "1.a"}}'
    assert parse(text).plan == Plan(nodes=(ModelCall(id="1", prompt="$$5 ${x"),), output=Ref("1", ("a",)))


def test_literal_text_that_would_be_a_reference_elsewhere_is_warned_of() -> None:
    node = '{"kind": "tool", "id": "1", "tool": "search", "arguments": {"query": ["see $1"], "limit": "costs $5"}}'
    (finding,) = parse(f'{{"version": 1, "nodes": [{node}]}}').findings
    assert (finding.code, finding.severity, finding.node) == ("kept-as-text", "warning", "1")
    assert '{"$ref": "id"}' in str(finding)


def test_fences_and_prose_around_are_ignored_with_a_warning() -> None:
    parsed = parse('Here it is:\n```json\n{"version": 1, "nodes": []}\n```')
    assert [finding.severity for finding in parsed.findings] == ["warning"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got 0"),
        ("no plan", "got 0"),
        ('{"nodes": 5}', "with the keys 'nodes'"),
        ('{"nodes": []} {"nodes": []}', "got 2"),
        ('[{"id": "1", "tool": "search"}]', "with the keys 'id, tool'"),
        ('{"nodes": [5]}', "`nodes[0]`: expected an object"),
        ('{"version": 1, "nodes": [5]}', "`nodes[0]`: expected an object"),
        ('{"nodes": [{"id": "1"}]}', "`nodes[0]`: a node needs `tool`"),
        ('{"nodes": [], "steps": 1}', "`steps` is no field that a plan has"),
        ('{"nodes": [], "goal": 5}', "`goal` must be a string"),
        ('{"version": 0, "nodes": []}', "`version` should be greater than or equal to 1"),
        ('{"nodes": [], "output": "${"}', "the output"),
        ('{"version": 1, "nodes": [], "output": {"$ref": 5}}', "the output"),
        ('{"version": 1, "nodes": [{"id": "1", "tool": "search"}]}', "node 1: it has no `kind`"),
        (
            '{"version": 1, "nodes": [{"kind": "plan", "id": "1", "output": null, "nodes": [{"kind": "tool", "id": "2"}]}]}',
            "`nodes.0.tool` is missing",
        ),
        ('{"nodes": [{"id": "1", "id": "2", "tool": "search"}]}', "'id' stands twice"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(text: str, words: str) -> None:
    found = [str(finding) for finding in errors(parse(text).findings)]
    assert any(words in message for message in found), found
    assert not any("pydantic" in message or "Input" in message for message in found)


def test_a_node_that_cannot_be_read_leaves_the_others() -> None:
    parsed = parse('{"nodes": [{"id": "1", "tool": 5}, {"id": "2", "tool": "search", "args": {"query": "a"}}], "output": "$2"}')
    assert [node.id for node in parsed.plan.nodes] == ["2"]
    assert [finding.node for finding in errors(parsed.findings)] == ["1"]


@settings(suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(plans())
def test_what_is_written_is_read_as_the_same_plan(plan: Plan) -> None:
    text = FORMAT.dump(plan)
    assert FORMAT.dump(FORMAT.parse(text, {}).plan) == text
    assert Plan.model_validate_json(text) == plan


def test_numbers_that_json_cannot_hold_are_not_written() -> None:
    plan = Plan.model_construct(nodes=(ToolCall.model_construct(id="1", tool="a", arguments={"x": float("inf")}),), output=None)
    with pytest.raises(PlanError, match="cannot be written in the format document"):
        FORMAT.dump(plan)


BOX = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Box"}}}
FIND = tool("find", required=("what",), what="string", limit="integer", kind={"enum": ["a", "b"]}, inside={"$ref": "#/$defs/Box"})
TYPED = {"find": ToolSpec(name="find", parameters={**FIND.parameters, "$defs": {"Box": BOX}})}


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ('{"what": "about $1", "limit": 5, "kind": "a", "inside": {"next": {"next": {}}}}', True),
        ('{"what": "$1", "limit": "$1", "kind": "$1", "inside": "$1"}', True),
        ('{"limit": 5}', False),
        ('{"what": "x", "limit": "five"}', False),
        ('{"what": "x", "kind": "c"}', False),
        ('{"what": "x", "inside": {"next": 5}}', False),
        ('{"what": "x", "other": 1}', False),
    ],
)
def test_the_schemas_hold_models_to_tools_and_argument_types(arguments: str, fits: bool) -> None:
    node = json.loads(f'{{"id": "2", "tool": "find", "args": {arguments}}}')
    for schema, instance in (
        (FORMAT.schema(TYPED), {"nodes": [node], "output": "$2"}),
        (JsonLines().schema(TYPED), node),
    ):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert jsonschema.Draft202012Validator(schema).is_valid(instance) == fits


def test_the_schemas_know_no_other_tool_and_want_an_end() -> None:
    line = jsonschema.Draft202012Validator(JsonLines().schema(TYPED))
    assert not line.is_valid({"id": "1", "tool": "other", "args": {}})
    assert line.is_valid({"output": ["$1"]})
    whole = jsonschema.Draft202012Validator(FORMAT.schema(TYPED))
    assert not whole.is_valid({"nodes": [{"id": "1", "tool": "find", "args": {"what": "x"}}]})
