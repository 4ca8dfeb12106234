"""LLMCompiler's text becomes a plan, whole or in pieces, and plans are written so."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from llmcompiler_reading import given, parse, told
from mutations import cut_up
from plan_texts import LLMCOMPILER, TOOLS
from strategies import tool_plans

from orchestra.errors import PlanError
from orchestra.plan.finding import errors
from orchestra.plan.formats.document import Document
from orchestra.plan.formats.llmcompiler import LLMCompiler
from orchestra.plan.node import ModelCall, ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref, Text

FORMAT = LLMCompiler()


def test_a_plan_is_read() -> None:
    parsed = parse(
        'Thought: two lookups\n1. search("a", limit=2)\n2. search("b")  # both\n3. math("$1 - $2")\n4. join($3)<END_OF_PLAN>\n'
    )
    assert parsed.findings == ()
    assert parsed.plan == Plan(
        nodes=(
            ToolCall(id="1", tool="search", arguments={"query": "a", "limit": 2}, thought="two lookups"),
            ToolCall(id="2", tool="search", arguments={"query": "b"}),
            ToolCall(id="3", tool="math", arguments={"problem": Text((Ref("1"), " - ", Ref("2")))}),
        ),
        output=Ref("3"),
    )


@pytest.mark.parametrize(
    ("join", "output"),
    [
        ("3. join()", None),
        ("3. join()<END_OF_PLAN>", None),
        ("join()", None),
        ("3) join($1)", Ref("1")),
        ('3. join("$1", "about $1", 5)', [Ref("1"), Text(("about ", Ref("1"))), 5]),
        ("3. join([$1])", [Ref("1")]),
        ("3. join(answer=$1, n=2)", {"answer": Ref("1"), "n": 2}),
        ("3. join(The answer is $1)", Text(("The answer is ", Ref("1")))),
        ('3. join("costs $5")', "costs $5"),
    ],
)
def test_join_says_what_the_plan_returns(join: str, output: Any) -> None:
    parsed = parse(f'1. search("a")\n{join}\n')
    assert parsed.plan.output == output
    assert errors(parsed.findings) == []


def test_a_join_that_cannot_be_read_is_an_error() -> None:
    assert told(parse('1. search("a")\n2. join(1, x=2)')) == ["error syntax"]
    assert told(parse('1. search("a")\n2. join("x ${")')) == ["error syntax"]


def test_an_output_that_is_the_number_of_a_node_is_warned_of() -> None:
    assert told(parse('1. search("a")\n2. join("1")')) == ["warning kept-as-text"]
    assert told(parse('1. search("a")\n2. join(1)')) == ["warning kept-as-text"]


@pytest.mark.parametrize(
    "text", ["", "I cannot do that.", '1. search("a")\n', '1. search("a")\n2. joi', '1. search("a")\n<END_OF_PLAN>']
)
def test_a_plan_without_join_may_be_cut_off(text: str) -> None:
    assert "error missing-join" in told(parse(text))


def test_nothing_but_words_may_follow_join() -> None:
    assert told(parse('1. search("a")\n2. join()\n\nThis should work.\n')) == ["warning syntax"]
    assert told(parse('1. search("a")\n2. join()<END_OF_PLAN>\n')) == []
    assert told(parse('1. search("a")\n2. join()\n3. search("b")')) == ["error syntax"]


def test_prose_and_fences_around_are_ignored_with_one_warning() -> None:
    parsed = parse('Sure! Here is the plan (in steps):\n```python\n1. search("a")\n\n2. join()\n```\nDone.')
    assert told(parsed) == ["warning syntax"]
    assert "4 lines" in str(parsed.findings[0])
    assert len(parsed.plan.nodes) == 1


def test_thoughts_belong_to_the_next_node_and_may_go_on() -> None:
    parsed = parse('Thought: one\ngoes on\nThought: two\n1. search("a")\n2. search("b")\n3. join()')
    assert [node.thought for node in parsed.plan.nodes] == ["one goes on two", ""]


def test_gaps_are_warned_of_and_duplicates_kept() -> None:
    parsed = parse('1. search("a")\n3. search("b")\n3. search("c")\n4. join()')
    assert told(parsed) == ["warning id-gap"]
    assert [node.id for node in parsed.plan.nodes] == ["1", "3", "3"]


def test_numbering_goes_on_after_earlier_plans_whose_results_stay_referenceable() -> None:
    parsed = parse('4. search("compare $1 with $4")\n5. math("$2, $4 and $9")\n6. join($5)', "1", "2", "3")
    assert [given(node) for node in parsed.plan.nodes] == [
        {"query": Text(("compare ", Ref("1"), " with ", Ref("4")))},  # itself: for the verifier
        {"problem": Text((Ref("2"), ", ", Ref("4"), " and $9"))},
    ]


# Streams


def test_a_node_is_handed_out_when_its_line_ends() -> None:
    stream = FORMAT.stream(TOOLS)
    assert list(stream.feed('1. search("a\n b")')) == []
    assert [node.id for node in stream.feed("\n")] == ["1"]
    assert list(stream.feed("2. search($1)  # now")) == []
    assert [node.id for node in stream.feed("\n3. jo")] == ["2"]
    assert not stream.finished
    assert list(stream.feed("in(")) == []
    assert list(stream.feed(")")) == []
    assert stream.finished
    assert [node.id for node in stream.close().plan.nodes] == ["1", "2"]


def test_one_chunk_may_hold_the_whole_plan() -> None:
    stream = FORMAT.stream(TOOLS)
    assert [node.id for node in stream.feed('1. search("a")\n2. search("b")\n3. join()')] == ["1", "2"]
    assert stream.finished


def test_a_node_whose_text_may_mean_a_later_node_waits_for_join() -> None:
    stream = FORMAT.stream(TOOLS)
    assert [node.id for node in stream.feed('1. search("costs $100")\n2. search("see $3")\n3. search("$1")\n')] == ["3"]
    price, forward = stream.feed("4. join()")
    assert given(price) == {"query": "costs $100"}
    assert given(forward) == {"query": Text(("see ", Ref("3")))}
    assert [node.id for node in stream.close().plan.nodes] == ["1", "2", "3"]


def test_nothing_is_handed_out_after_an_error() -> None:
    stream = FORMAT.stream(TOOLS)
    assert list(stream.feed('1. search("a\n2. search("b")\n3. join()\n')) == []
    assert [node.id for node in stream.close().plan.nodes] == ["2"]


def test_closing_twice_gives_the_same() -> None:
    stream = FORMAT.stream(TOOLS)
    stream.feed(LLMCOMPILER[0])
    assert stream.close() is stream.close()


@hypothesis.given(st.text(st.sampled_from("12.$(){}[]\"'\\,=:# \nabsearchjoin("), max_size=80), st.randoms())
def test_no_text_raises_and_no_chunks_matter(text: str, chance: Any) -> None:
    whole = parse(text)
    stream = FORMAT.stream(TOOLS)
    for piece in cut_up(text, chance):
        stream.feed(piece)
    assert stream.close() == whole


# Writing


@hypothesis.given(tool_plans())
def test_what_is_written_is_read_as_the_same_plan(plan: Plan) -> None:
    text = FORMAT.dump(plan)
    assert Document().dump(FORMAT.parse(text, {}).plan) == Document().dump(plan)


def test_a_plan_is_written_with_named_arguments() -> None:
    plan = Plan(
        nodes=(ToolCall(id="7", tool="search", arguments={"query": "a\n$5", "limit": Ref("1", ("n",))}, thought="why"),),
        output=Text(("so ", Ref("7"))),
    )
    assert FORMAT.dump(plan) == 'Thought: why\n7. search(query="a\\n$$5", limit="$1.n")\n8. join("so ${7}")\n'


def test_everything_that_the_text_cannot_hold_is_named_at_once() -> None:
    plan = Plan(
        nodes=(
            ModelCall(id="1", prompt="x"),
            ToolCall(id="two", tool="a b", arguments={"x y": 1}, thought="a\nb", depends_on=("1",)),
        ),
        goal="g",
    )
    with pytest.raises(PlanError) as caught:
        FORMAT.dump(plan)
    for part in ("the kind model", "'two'", "'a b'", "thought of node two", "'x y'", "depends_on of node two", "goal"):
        assert part in str(caught.value)


def test_a_thought_that_reads_like_a_step_cannot_be_written() -> None:
    with pytest.raises(PlanError, match="a step begins"):
        FORMAT.dump(Plan(nodes=(ToolCall(id="1", tool="a", thought="then 2. search(x)"),)))


# Limits


@pytest.mark.parametrize(
    "text",
    [
        "1. search(" + "[" * 10_000 + "]" * 10_000 + ")\n2. join()",
        "1. search(" + "(" * 10_000 + "1" + ")" * 10_000 + ")\n2. join()",
        "1. search(" + '{"a": ' * 10_000 + "\n2. join()",
    ],
)
def test_deep_nesting_is_an_error(text: str) -> None:
    assert "error syntax" in told(parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "".join(f'{number}. search("about ${number - 1} and more", limit={number})\n' for number in range(1, 20_000))
        + "20000. join()",
        "\n".join(f'{number}. f("' for number in range(100_000)),
        "\n".join(f"{number}. f('''" for number in range(100_000)),
        '1. search("' + "$1 " * 100_000 + '")\n2. join()',
        "1. search(" + "x " * 500_000 + ")\n2. join()",
        "a-" * 500_000,
        "-" * 500_000 + "(" * 500_000,
    ],
    ids=["lines", "quotes", "triple quotes", "references", "unquoted", "prose", "brackets"],
)
def test_a_megabyte_is_read_in_linear_time(text: str) -> None:
    """Anything quadratic here takes hours, not the seconds that a test may take."""
    parsed = parse(text)
    assert len(parsed.findings) <= 1_100
