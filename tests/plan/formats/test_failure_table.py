"""Where LLMCompiler's own parser fails, row by row: what it does with an input, and what happens here.

The inputs come from running its parser and its task fetching unit. Rows about execution are tested where plans are executed.
"""

from __future__ import annotations

from typing import Any

import pytest
from plan_texts import TOOLS, tool

from orchestra.plan.finding import errors
from orchestra.plan.formats.base import Parsed
from orchestra.plan.formats.json_lines import JsonLines
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.node import ToolCall
from orchestra.plan.ref import Ref, Text, resolve
from orchestra.plan.verify import verify


def parse(text: str) -> Parsed:
    return LLMCompiler().parse(text, TOOLS)


def arguments(parsed: Parsed, node_id: str) -> dict[str, Any]:
    node = parsed.plan.by_id[node_id]
    assert isinstance(node, ToolCall)
    return node.arguments


def codes(parsed: Parsed) -> list[str]:
    return [finding.code for finding in (*parsed.findings, *verify(parsed.plan, TOOLS)) if finding.severity == "error"]


def test_id_gap_is_a_dangling_reference_and_no_key_error() -> None:
    parsed = parse('1. search("a")\n3. search("$2")\n4. join()')
    assert [finding.code for finding in parsed.findings] == ["id-gap"]
    assert codes(parsed) == ["dangling-reference"]


def test_id_gap_that_nobody_refers_to_runs() -> None:
    assert codes(parse('1. search("a")\n3. search("$1")\n4. join()')) == []


@pytest.mark.parametrize("written", ["$3", '"$3"', '"about $3"', '"about ${3}"'])
def test_forward_reference_is_refused_and_never_passed_to_the_tool(written: str) -> None:
    parsed = parse(f'1. search("a")\n2. search({written})\n3. search("b")\n4. join()')
    assert Ref("3") in {Ref(needed) for needed in parsed.plan.by_id["2"].waits_for}
    assert verify(parsed.plan, TOOLS, ordered=True)


@pytest.mark.parametrize("written", ["$1", '"$1"', '"about $1"'])
def test_self_reference_is_refused_and_never_passed_to_the_tool(written: str) -> None:
    assert "self-reference" in codes(parse(f"1. search({written})\n2. join()"))


def test_output_that_contains_a_reference_is_not_expanded_again() -> None:
    parsed = parse('1. search("a")\n2. search("b")\n3. search("$2 $1")\n4. join()')
    outputs = {"1": "R(SECRET)", "2": "please pay $1 now"}
    resolved = resolve(arguments(parsed, "3"), lambda ref: outputs[ref.node])
    assert resolved == {"query": "please pay $1 now R(SECRET)"}


def test_price_beside_a_reference_stays_a_price() -> None:
    parsed = parse('1. search("a")\n2. search("costs $100, see $1")\n3. join()')
    assert arguments(parsed, "2") == {"query": Text(("costs $100, see ", Ref("1")))}
    assert codes(parsed) == []


def test_ten_beside_one_are_two_references() -> None:
    steps = "".join(f'{number}. search("{number}")\n' for number in range(1, 11))
    assert arguments(parse(steps + '11. search("$10 $1")\n12. join()'), "11") == {"query": Text((Ref("10"), " ", Ref("1")))}


def test_newline_inside_a_quoted_argument_is_part_of_it() -> None:
    parsed = parse('1. search("two\nlines")\n2. search($1)\n3. join()')
    assert arguments(parsed, "1") == {"query": "two\nlines"}
    assert codes(parsed) == []


def test_text_after_the_closing_parenthesis_is_a_syntax_error() -> None:
    assert codes(parse('1. search("a") and then (b)\n2. join()'))[0] == "syntax"


def test_unknown_tool_is_a_finding_and_leaves_the_rest_of_the_plan() -> None:
    parsed = parse('1. search("a")\n2. summon("b")\n3. join()')
    assert [node.id for node in parsed.plan.nodes] == ["1", "2"]
    assert codes(parsed) == ["unknown-tool"]


def test_duplicate_id_is_a_finding_and_replaces_nothing() -> None:
    parsed = parse('1. search("a")\n1. search("b")\n2. join()')
    assert len(parsed.plan.nodes) == 2
    assert codes(parsed) == ["duplicate-id"]


def test_one_streamed_chunk_of_three_lines_is_three_lines() -> None:
    stream = LLMCompiler().stream(TOOLS)
    assert [node.id for node in stream.feed('1. search("a")\n2. search("b")\n3. join()\n')] == ["1", "2"]
    assert stream.finished
    assert errors(stream.close().findings) == []


@pytest.mark.parametrize("answer", ["First for Women (magazine)", "The Replanners (band)"])
def test_parentheses_in_an_answer_are_part_of_it(answer: str) -> None:
    for written in (answer, f'"{answer}"'):
        assert arguments(parse(f"1. finish({written})\n2. join($1)"), "1") == {"answer": answer}
        assert parse(f"1. join({written})").plan.output == answer


def test_keyword_argument_is_an_argument_and_no_string() -> None:
    assert arguments(parse('1. search(query="a")\n2. join()'), "1") == {"query": "a"}


def test_reference_inside_an_object_is_a_reference() -> None:
    parsed = parse('1. search("a")\n2. search({"ref": "$1"})\n3. join()')
    assert arguments(parsed, "2") == {"query": {"ref": Ref("1")}}


def test_second_round_that_goes_on_counting_can_refer_to_the_first() -> None:
    parsed = LLMCompiler({"1", "2", "3"}).parse('4. search("after $3")\n5. search($4)\n6. join()', TOOLS)
    assert parsed.findings == ()
    assert arguments(parsed, "4") == {"query": Text(("after ", Ref("3")))}


def test_braces_and_parentheses_in_strings_do_not_end_an_argument() -> None:
    tools = {"run": tool("run", "code")}
    code = "print({'a': f(1)})  # )"
    for parsed in (
        LLMCompiler().parse(f'1. run("{code}")\n2. join()', tools),
        JsonLines().parse(f'{{"id": "1", "tool": "run", "args": {{"code": "{code}"}}}}\n{{"output": null}}', tools),
    ):
        assert arguments(parsed, "1") == {"code": code}
        assert parsed.findings == ()
