from __future__ import annotations

from typing import Any

import pytest
from plan_texts import OPENAI_TOOLS, TOOLS

from orchestra.chat.base import ToolUse
from orchestra.plan.formats.openai_tools import OpenAITools
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text


def call(arguments: Any, name: str = "search", call_id: Any = "call_1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_calls_become_nodes_side_by_side() -> None:
    uses = (ToolUse(id="call_1", name="search", arguments='{"query": "a $1"}'), ToolUse(id="call_2", name="math", arguments=""))
    parsed = OpenAITools().parse_calls(uses)
    assert parsed.findings == ()
    assert parsed.plan == Plan(
        nodes=(ToolCall(id="call_1", tool="search", arguments={"query": "a $1"}), ToolCall(id="call_2", tool="math"))
    )


def test_objects_and_text_are_read_like_tool_uses() -> None:
    calls = [call('{"query": "a"}'), call({"query": "b"}, call_id="call_2")]
    expected = Plan(nodes=tuple(ToolCall(id=f"call_{n}", tool="search", arguments={"query": q}) for n, q in ((1, "a"), (2, "b"))))
    assert OpenAITools().parse_calls(calls).plan == expected
    assert len(OpenAITools().parse(OPENAI_TOOLS[0], TOOLS).plan.nodes) == 2


def test_ids_that_nodes_cannot_have_become_numbers() -> None:
    calls = [call("{}", call_id="functions.search:0"), call("{}", call_id=None), call("{}", call_id="x" * 65)]
    assert [node.id for node in OpenAITools().parse_calls(calls).plan.nodes] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (call('{"query": "a'), "not closed"),
        (call('{"query": "a"} and more'), "follows the object"),
        (call("[1]"), "expected one JSON object"),
        (call('{"query": 1}{"query": 2}'), "expected one JSON object"),
        (call('{"query": 1, "query": 2}'), "stands twice"),
        (call("{'query': 1}"), "not JSON"),
        (call('{"query": ' + "[" * 10_000 + "]" * 10_000 + "}"), "nested deeper"),
        (call('{"query": "\\ud800"}'), "surrogate"),
        (call(5), "arguments are a JSON object"),
        ({"id": "call_1"}, "a call is"),
        ("search", "a call is"),
    ],
)
def test_a_malformed_call_is_an_error_and_leaves_the_others(broken: Any, words: str) -> None:
    parsed = OpenAITools().parse_calls([broken, call('{"query": "b"}', call_id="call_2")])
    assert [node.id for node in parsed.plan.nodes] == ["call_2"]
    (finding,) = parsed.findings
    assert (finding.severity, finding.node) == ("error", "1" if "call is" in words else "call_1")
    assert words in str(finding)


def test_data_that_looks_like_a_reference_stays_data() -> None:
    (node,) = OpenAITools().parse_calls([call('{"schema": {"$ref": "#/x"}, "text": "${2}"}')]).plan.nodes
    assert isinstance(node, ToolCall)
    assert node.arguments == {"schema": {"$ref": "#/x"}, "text": "${2}"}


def test_references_are_read_on_request_and_name_calls_by_their_number() -> None:
    calls = [call('{"query": "a"}'), call('{"query": "about $1", "limit": "$1.n"}', call_id="call_2")]
    parsed = OpenAITools(references=True).parse_calls(calls)
    assert [node.id for node in parsed.plan.nodes] == ["1", "2"]
    node = parsed.plan.nodes[1]
    assert isinstance(node, ToolCall)
    assert node.arguments == {"query": Text(("about ", Ref("1"))), "limit": Ref("1", ("n",))}


@pytest.mark.parametrize("text", ["I will not call anything.", '{"tool_calls": [', "[5, 6"])
def test_text_that_is_no_list_of_calls_is_an_error_or_has_no_nodes(text: str) -> None:
    parsed = OpenAITools().parse(text, TOOLS)
    assert parsed.plan.nodes == ()
    assert [finding.severity for finding in parsed.findings] == ["error"]
