"""Arguments of LLMCompiler's calls: literals, strings, references and text without quotes, or an error."""

from __future__ import annotations

from typing import Any

import pytest
from llmcompiler_reading import given, parse, told

from orchestra.plan.finding import errors
from orchestra.plan.ref import Ref, Text


def arguments(call: str, *, before: str = "") -> dict[str, Any]:
    """Of one call, which must be read without errors."""
    parsed = parse(f"{before}3. {call}\n4. join()")
    assert errors(parsed.findings) == []
    return given(parsed.plan.nodes[-1])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *[("True", True), ("true", True), ("False", False), ("false", False), ("None", None), ("null", None)],
        *[("5", 5), ("-5", -5), ("1_000", 1000), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("-1e3", -1000.0), ("1E+2", 100.0)],
        *[
            ("[]", []),
            ("[1, 'a',]", [1, "a"]),
            ("(1, 2)", [1, 2]),
            ("(1,)", [1]),
            ("()", []),
            ("(1)", 1),
            ("[[1], (2,)]", [[1], [2]]),
        ],
        *[("{}", {}), ("{\"a\": 1, 'b': [None]}", {"a": 1, "b": [None]}), ("{a: true}", {"a": True})],
        *[
            ("$1", Ref("1")),
            ("${1}", Ref("1")),
            ("$1.a[0]", Ref("1", ("a", 0))),
            ('{"x": [$1, "$1"]}', {"x": [Ref("1"), Ref("1")]}),
        ],
        ('"$1"', Ref("1")),
        ('{"x": "about $1"}', {"x": Text(("about ", Ref("1")))}),
    ],
)
def test_literals_of_python_and_json_and_references_keep_their_types(written: str, value: Any) -> None:
    for found in (arguments(f"search({written})", before='1. search("")\n'), arguments(f"search(query = {written} )")):
        assert found == {"query": value}
        assert type(found["query"]) is type(value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r'"it\'s (a) \"test\", [really]"', 'it\'s (a) "test", [really]'),
        (r"'\n\t\\\x41\u00e9\101\/'", "\n\t\\Aé" + "A/"),
        (r'"\ud83d\ude42 \U0001f642"', "🙂 🙂"),
        (r'"\d+\$"', r"\d+\$"),
        ('"two\nlines"', "two\nlines"),
        ('"""two "quoted"\nlines"""', 'two "quoted"\nlines'),
        ("'''it's'''", "it's"),
        ('""', ""),
        ('""""""', ""),
        ('"日本 \0 \u2028"', "日本 \0 \u2028"),
        ('"a\\\nb"', "ab"),
    ],
)
def test_strings_in_all_quotes_with_escapes(written: str, value: str) -> None:
    assert arguments(f"search({written})") == {"query": value}


def test_arguments_by_place_by_name_and_mixed_over_several_lines() -> None:
    assert arguments('finish(\n  "a",\n  why = [1,\n    2],\n)') == {"answer": "a", "why": [1, 2]}
    assert arguments("search()") == {}


def test_arguments_of_unknown_tools_are_named_by_their_places() -> None:
    assert arguments('other.tool-x("a", 2, k=3)') == {"0": "a", "1": 2, "k": 3}


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("search(First for Women)", "First for Women"),
        ("search(First for Women (magazine))", "First for Women (magazine)"),
        ("search(Women's Day)", "Women's Day"),
        ("search(query=2024-05-01)", "2024-05-01"),
        ("search(007)", "007"),
        ("search($1st place)", "$1st place"),
    ],
)
def test_text_without_quotes_is_a_string_with_a_warning(call: str, value: str) -> None:
    parsed = parse(f"1. {call}\n2. join()")
    assert given(parsed.plan.nodes[0]) == {"query": value}
    assert "warning syntax" in told(parsed)
    assert errors(parsed.findings) == []


def test_text_without_quotes_may_hold_commas_and_references_for_a_tool_of_one_parameter() -> None:
    assert arguments("math(San Francisco, CA)") == {"problem": "San Francisco, CA"}
    assert arguments("math(($1 + $2) * 2)") == {"problem": Text(("(", Ref("1"), " + ", Ref("2"), ") * 2"))}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('1. search("a") and then (b)', "follows the closing parenthesis"),
        ('1. search("a") 2. search("b")', "follows the closing parenthesis"),
        ('1. search("a")  # then 2. search("b")', "follows the closing parenthesis"),
        ('1. search("a" "b")', "after"),
        ('1. search("a" + "b")', "after"),
        ("1. search(San Francisco, CA)", "several ways"),
        ("1. search(say 'hi')", "one pair of quotes"),
        ('1. search(f"a")', "one pair of quotes"),
        ("1. search(math(1))", "step of its own"),
        ("1. search((a]))", "do not match"),
        ("1. search(a, , b)", "comma too many"),
        ("1. search(,)", "comma too many"),
        ("1. search([1, 2)", "never closed"),
        ("1. search([1 2])", "expected a comma"),
        ("1. search([a b])", "expected a value"),
        ("1. search({1: 2})", "expected a key"),
        ("1. search({'a' 2})", "expected a colon"),
        ("1. search({'a': 1, \"a\": 2})", "twice"),
        ('1. search("a", query="b")', "twice"),
        ("1. search(limit=1, limit=2)", "twice"),
        ('1. search(limit=1, "a")', "give it a name"),
        ('1. search("a", 2, 3)', "at most 2 arguments (query, limit), got 3"),
        ('1. search("a', 'quote (") of this call of `search` is never closed'),
        ("1. search('''a')", "never closed"),
        ("1. search(" + "9" * 5_000 + ")", "5,000 digits"),
        ("1. search(1e999)", "too large"),
        (r'1. search("\ud800")', "surrogate"),
        (r'1. search("\x4")', "no character"),
        (r'1. search("\N{DASH}")', "write the character itself"),
        ('1. search("x ${")', "no reference"),
        ("1 search('a')", "cannot be read"),
        ("- 1. search('a')", "a step begins in the middle"),
        ("search('a')", "cannot be read"),
        ("result = search('a')", "cannot be read"),
        (", limit=2)", "cannot be read"),
        ("1. search 'a'", "cannot be read"),
        ("Thought: so 1. search('a')", "in the middle of a line"),
    ],
)
def test_what_cannot_be_read_is_an_error_and_never_half_a_node(line: str, words: str) -> None:
    parsed = parse(f'{line}\n8. search("fine")\n9. join()')
    found = errors(parsed.findings)
    assert len(found) == 1
    assert words in str(found[0])
    assert [node.id for node in parsed.plan.nodes] == ["8"]


def test_an_unclosed_quote_ends_where_the_next_step_begins() -> None:
    parsed = parse('1. search("abc)\n2. search("def")\n3. join()')
    assert [(node.id, given(node)) for node in parsed.plan.nodes] == [("2", {"query": "def"})]
    assert [finding.node for finding in errors(parsed.findings)] == ["1"]
