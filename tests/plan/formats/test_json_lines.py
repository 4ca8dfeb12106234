from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from mutations import cut_up
from plan_texts import JSON_LINES, TOOLS
from strategies import plans

from orchestra.errors import PlanError
from orchestra.plan.finding import errors
from orchestra.plan.formats.base import Parsed
from orchestra.plan.formats.document import Document
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.node import Aggregate, Edge, ModelCall, Node, Sample, SubPlan, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text

FORMAT = JsonLines()
END = '{"output": null}\n'


def parse(text: str, *known: str) -> Parsed:
    return JsonLines(known).parse(text, TOOLS)


def told(parsed: Parsed) -> list[str]:
    return [f"{finding.severity} {finding.code}" for finding in parsed.findings]


def only(line: str) -> Node:
    """The node of one line, which must be read without errors."""
    parsed = parse(f"{line}\n{END}")
    assert errors(parsed.findings) == []
    (node,) = parsed.plan.nodes
    return node


def test_a_plan_is_read() -> None:
    parsed = parse(
        '{"id": "1", "tool": "search", "args": {"query": "a", "limit": 2}}\n'
        '{"id": "2", "tool": "math", "args": {"problem": "half of $1"}, "after": ["1"], "thought": "so"}\n'
        '{"output": ["$2", "is ${2.value}"]}\n'
    )
    assert parsed.findings == ()
    assert parsed.plan == Plan(
        nodes=(
            ToolCall(id="1", tool="search", arguments={"query": "a", "limit": 2}),
            ToolCall(id="2", tool="math", arguments={"problem": Text(("half of ", Ref("1")))}, depends_on=("1",), thought="so"),
        ),
        output=[Ref("2"), Text(("is ", Ref("2", ("value",))))],
    )


def test_other_kinds_are_told_by_their_fields() -> None:
    assert only('{"id": "a", "prompt": "x $$1", "system": "costs $$5", "difficulty": 2}') == ModelCall(
        id="a", prompt="x $1", system="costs $5", difficulty=2
    )
    assert only('{"id": "a", "prompt": "$b", "n": 3}') == Sample(id="a", prompt=Ref("b"), n=3)
    assert only('{"id": "a", "inputs": ["$b"], "how": "vote"}') == Aggregate(id="a", inputs=[Ref("b")], how="vote")


def test_a_plan_inside_has_ids_of_its_own() -> None:
    node = only(
        '{"id": "9", "kind": "plan", "args": {"x": "$1"}, "output": "$2",'
        ' "nodes": [{"id": 1, "tool": "math", "args": ["${input.x} $1 $2 $3"]}, {"id": 2, "tool": "math"}]}'
    )
    assert isinstance(node, SubPlan)
    inner = node.nodes[0]
    assert isinstance(inner, ToolCall)
    assert inner.arguments == {"problem": Text((Ref("input", ("x",)), " ", Ref("1"), " ", Ref("2"), " $3"))}
    assert (node.arguments, node.output) == ({"x": Ref("1")}, Ref("2"))


def test_fields_of_the_schema_and_encoded_references_are_accepted() -> None:
    node = only(
        '{"kind": "tool", "id": "2", "tool": "search", "arguments": {"query": {"$ref": "1.a"},'
        ' "limit": {"$text": ["$5 ", {"$ref": "1"}]}}, "depends_on": ["3"], "timeout_s": 5, "edges": {"1": {"on_failure": "fallback", "fallback": "$4"}}}'
    )
    assert node == ToolCall(
        id="2",
        tool="search",
        arguments={"query": Ref("1", ("a",)), "limit": Text(("$5 ", Ref("1")))},
        depends_on=("3",),
        timeout_s=5,
        edges={"1": Edge(on_failure="fallback", fallback=Ref("4"))},
    )


@pytest.mark.parametrize("after", ['"1"', "1", '["1"]', "[1]", '["$1"]', '"$1"'])
def test_ids_to_wait_for_may_be_numbers_or_have_a_dollar(after: str) -> None:
    assert only(f'{{"id": 2, "tool": "search", "after": {after}}}').depends_on == ("1",)


def test_arguments_by_place_get_their_names() -> None:
    node = only('{"id": "1", "tool": "search", "args": ["a", 2]}')
    assert isinstance(node, ToolCall)
    assert node.arguments == {"query": "a", "limit": 2}


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "1", "tool": "search"},\n {"id": "2", "tool": "math"},\n {"output": "$2"}]',
        '[{"id": "1", "tool": "search"}, {"id": "2", "tool": "math"}, {"output": "$2"}]',
        '{"id": "1", "tool": "search"}{"id": "2", "tool": "math"}{"join": "$2"}',
        '{\n  "id": "1",\n  "tool":\n "search", "args":\n {}\n}\n\n{\n"id": "2", "tool": "math"\n},\n{"output": "$2"}',
        '{"id": "1", "tool": "search"}\r\n{"id": "2", "tool": "math"}\r\n{"output": "$2"}\r\n',
    ],
)
def test_lists_and_pretty_printed_objects_are_accepted(text: str) -> None:
    parsed = parse(text)
    assert parsed.findings == ()
    assert [node.id for node in parsed.plan.nodes] == ["1", "2"]
    assert parsed.plan.output == Ref("2")


def test_prose_and_fences_on_lines_of_their_own_are_ignored_with_a_warning() -> None:
    parsed = parse(f'Here is the plan for "lunch":\n```json\n{{"id": "1", "tool": "search"}}\n{END}```\nGood luck!')
    assert told(parsed) == ["warning syntax"]
    assert "4 lines" in str(parsed.findings[0])


def test_line_breaks_inside_strings_are_accepted() -> None:
    node = only('{"id": "1", "tool": "search", "args": {"query": "two\nlines\\n"}}')
    assert isinstance(node, ToolCall)
    assert node.arguments == {"query": "two\nlines\n"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "1", "tool": "search", "args": {"query": "a}}', "a quote in it is not closed"),
        ('{"id": "1", "tool": "search", "args": {"query": "a"}', "`{` in it is not closed"),
        ('{"id": "1", "tool": "search", "after": ["2"}', "closes nothing"),
        ('{"id": "1", "tool": "search"},"args":{"query":"a"}}', "follows the object"),
        ('{"id": "1", "tool": "search"} and so on', "follows the object"),
        ('"id": "1", "tool": "search"}', "begins with `{`"),
        ('{"id": "1", "tool": "search",}', "not JSON"),
        ("{'id': '1', 'tool': 'search'}", "not JSON"),
        ('{"id": "1", "tool": "search", "tool": "math"}', "'tool' stands twice"),
        ('{"id": "1", "tool": "search", "args": {"limit": NaN}}', "NaN"),
        ('{"id": "1", "tool": "search", "args": {"limit": 1e999}}', "too large"),
        ('{"id": "1", "tool": "search", "args": {"limit": ' + "9" * 5_000 + "}}", "5,000 digits"),
        ('{"id": "1", "tool": "search", "args": {"query": "\\ud800"}}', "surrogate"),
        ('{"id": "1", "tool": "search", "args": {}, "arguments": {}}', "`arguments` is given twice"),
        ('{"id": "1", "tool": "search", "args": ["a", 2, 3]}', "at most 2 arguments"),
        ('{"id": "1", "args": {}}', "a node needs `tool`"),
        ('{"tool": "search"}', "`id` is missing"),
        ('{"id": "a b", "tool": "search"}', "`id` must be letters"),
        ('{"id": true, "tool": "search"}', "`id` must be a string"),
        ('{"id": "1", "tool": 5}', "`tool` must be a string, got '5'"),
        ('{"id": "1", "tool": "search", "args": "x"}', "`arguments` must be an object"),
        ('{"id": "1", "tool": "search", "foo": 1}', "`foo` is no field that a tool node has"),
        ('{"id": "1", "kind": "magic"}', "`kind`"),
        ('{"id": "1", "tool": "search", "timeout_s": -1}', "greater than 0"),
        ('{"id": "1", "tool": "search", "args": {"query": "x ${"}}', "no reference"),
        ('{"id": "1", "tool": "search", "args": {"query": {"$ref": 5}}}', "$ref"),
        ('{"id": "1", "prompt": "x", "system": "about ${2}"}', "`system` cannot hold references"),
        ('{"nodes": [{"id": "1", "tool": "search"}]}', "one object a line"),
        ('{"output": 1, "join": 1}', "mean the same"),
    ],
)
def test_what_cannot_be_read_is_an_error_and_never_half_a_node(line: str, words: str) -> None:
    parsed = parse(f'{line}\n{{"id": "8", "tool": "search"}}\n{END}')
    found = errors(parsed.findings)
    assert len(found) == 1
    assert words in str(found[0])
    assert [node.id for node in parsed.plan.nodes] == ["8"]


def test_every_wrong_field_is_named_at_once() -> None:
    parsed = parse('{"id": "1", "tool": 5, "timeout_s": -1, "quorum": "x"}\n' + END)
    assert told(parsed) == ["error bad-policy", "error bad-policy", "error syntax"]
    assert all(finding.node == "1" for finding in parsed.findings)


@pytest.mark.parametrize(
    ("end", "output"),
    [
        ('{"output": "$1"}', Ref("1")),
        ('{"output": null}', None),
        ('{"join": true}', None),
        ('{"join": []}', None),
        ('{"join": ["$1"]}', [Ref("1")]),
        ('{"output": true}', True),
        ('{"output": "costs $5", "thought": "done"}', "costs $5"),
    ],
)
def test_the_last_object_says_what_the_plan_returns(end: str, output: Any) -> None:
    parsed = parse(f'{{"id": "1", "tool": "search"}}\n{end}')
    assert parsed.plan.output == output
    assert errors(parsed.findings) == []


def test_a_plan_without_output_may_be_cut_off() -> None:
    assert told(parse("")) == ["error missing-join"]
    assert told(parse('[{"id": "1", "tool": "search"}]')) == ["error missing-join"]
    assert told(parse('{"id": "1", "tool": "sea')) == ["error syntax", "error missing-join"]


def test_nothing_but_words_may_follow_the_output() -> None:
    assert told(parse(f'{{"id": "1", "tool": "search"}}\n{END}That is all.')) == ["warning syntax"]
    assert told(parse(f'{END}{{"id": "1", "tool": "search"}}\n')) == ["error syntax"]
    assert told(parse(END + END)) == ["error syntax"]


def test_an_output_that_is_an_id_is_warned_of() -> None:
    for output in ('"1"', '["1"]', "1"):
        assert told(parse(f'{{"id": "1", "tool": "search"}}\n{{"output": {output}}}')) == ["warning kept-as-text"]


def test_goal_and_version_belong_to_the_output() -> None:
    plan = parse('{"output": null, "goal": "g", "version": 3}').plan
    assert (plan.goal, plan.version) == ("g", 3)
    assert told(parse('{"output": null, "version": 0}')) == ["error syntax"]


def test_numbers_go_on_after_earlier_plans_whose_results_stay_referenceable() -> None:
    (node,) = parse('{"id": "4", "tool": "math", "args": ["$1, $a and $9"]}\n' + END, "1").plan.nodes
    assert isinstance(node, ToolCall)
    assert node.arguments == {"problem": Text((Ref("1"), ", $a and $9"))}


# Streams


def test_a_node_is_handed_out_when_its_line_ends() -> None:
    stream = FORMAT.stream(TOOLS)
    assert list(stream.feed('{"id": "1", "tool": "search", "args": {"query": "a}\n"}}')) == []
    assert [node.id for node in stream.feed("\n")] == ["1"]
    assert list(stream.feed('[{"id": "2", "tool": "math"}, ')) == []
    assert [node.id for node in stream.feed('{"id": "3", "to')] == ["2"]
    assert [node.id for node in stream.feed('ol": "math"}\n{"output":')] == ["3"]
    assert not stream.finished
    stream.feed(' "$3"}')
    assert stream.finished
    assert stream.close().plan.output == Ref("3")


def test_one_chunk_may_hold_the_whole_plan() -> None:
    stream = FORMAT.stream(TOOLS)
    assert len(stream.feed(JSON_LINES[0])) == 3
    assert stream.finished


def test_a_node_whose_text_may_mean_a_later_node_waits_for_the_output() -> None:
    stream = FORMAT.stream(TOOLS)
    lines = '{"id": "1", "prompt": "costs $100"}\n{"id": "2", "prompt": "see $3"}\n{"id": "3", "prompt": "$1"}\n'
    assert [node.id for node in stream.feed(lines)] == ["3"]
    assert stream.feed(END) == [ModelCall(id="1", prompt="costs $100"), ModelCall(id="2", prompt=Text(("see ", Ref("3"))))]


def test_a_word_inside_text_that_turns_out_to_be_a_node_is_an_error() -> None:
    parsed = parse('{"id": "a", "prompt": "see $b"}\n{"id": "b", "prompt": "x"}\n' + END)
    assert [(finding.node, finding.severity) for finding in parsed.findings] == [("a", "error")]
    assert "${b}" in str(parsed.findings[0])


def test_nothing_is_handed_out_after_an_error() -> None:
    stream = FORMAT.stream(TOOLS)
    assert list(stream.feed('{"id": "1", "tool": "sea\n{"id": "2", "tool": "math"}\n')) == []
    assert [node.id for node in stream.close().plan.nodes] == ["2"]


@hypothesis.given(st.text(st.sampled_from('{}[]",:\\ \n$1aidtoolutp'), max_size=80), st.randoms())
def test_no_text_raises_and_no_chunks_matter(text: str, chance: Any) -> None:
    whole = parse(text)
    stream = FORMAT.stream(TOOLS)
    for piece in cut_up(text, chance):
        stream.feed(piece)
    assert stream.close() == whole


# Writing


@settings(suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(plans())
def test_what_is_written_is_read_as_the_same_plan(plan: Plan) -> None:
    text = FORMAT.dump(plan)
    assert len(text.splitlines()) >= len(plan.nodes) + 1
    assert Document().dump(FORMAT.parse(text, {}).plan) == Document().dump(plan)


def test_a_plan_is_written_in_the_short_form() -> None:
    plan = Plan(
        nodes=(
            ToolCall(id="1", tool="search", arguments={"query": "costs $5"}, depends_on=("0",)),
            ModelCall(id="b", prompt=Text(("x ", Ref("1", ("a b",))))),
        ),
        output=Ref("b"),
    )
    assert FORMAT.dump(plan).splitlines() == [
        '{"id": "1", "tool": "search", "args": {"query": "costs $$5"}, "after": ["0"]}',
        '{"id": "b", "kind": "model", "prompt": "x ${1[\\"a b\\"]}"}',
        '{"output": "${b}"}',
    ]


def test_what_would_not_be_read_again_is_not_written() -> None:
    deep: Any = "x"
    for _ in range(70):
        deep = [deep]
    with pytest.raises(PlanError, match="cannot be written in the format json-lines: line 1: .* nested deeper"):
        FORMAT.dump(Plan(nodes=(ToolCall(id="1", tool="a", arguments={"x": deep}),)))


# Limits


@pytest.mark.parametrize(
    "text",
    [
        "".join(f'{{"id": {number}, "tool": "search", "args": {{"query": "a ${number}"}}}}\n' for number in range(15_000)),
        '{"id": 1, "args": ' + "[" * 500_000,
        "{\n" * 200_000,
        '{"id": 1, "args": {' + ",".join(f'"k{number}": 1' for number in range(50_000)) + ', "k0": 2}}',
        '"\\' * 500_000,
        "} " * 500_000,
    ],
    ids=["lines", "deep", "unclosed", "keys", "quotes", "braces"],
)
def test_a_megabyte_is_read_in_linear_time(text: str) -> None:
    """Anything quadratic here takes hours, not the seconds that a test may take."""
    assert len(parse(text).findings) <= 1_100
