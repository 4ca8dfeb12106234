from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutants
from oracles import Refused, Unsure, accepted, exactly, expected

from orchestra.plan.formats.appbench import AppBench
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref

TEXT = """Here are the calls:
Cinemas: [film, city, time = find_films(#genre='Drama', #city='Porto', #name='Ana's Screen')]
Tables: [table, city = book_table(#city=city, #people=2, #name='film')]
Cabs: [fare = order_cab(#destination=city, #table=table, #film=film)]
"""


def oracle(text: str) -> str:
    """Cuts each line with string methods. Where an inner comma or a backslash makes that unsafe, it is unsure."""
    nodes: list[dict[str, Any]] = []
    bound: dict[str, str] = {}
    for line in re.sub("[\ud800-\udfff]", "\ufffd", text).split("\n"):
        line = line.strip(" \t\r")
        if not any(sign in line for sign in "[]="):
            continue
        app, colon, rest = (part.strip(" \t") for part in line.partition(":"))
        outputs, equals, call = rest.removeprefix("[").partition("=")
        api, parenthesis, arguments = call.partition("(")
        if not (colon and equals and parenthesis and rest.startswith("[") and re.search(r"\)[ \t]*\]$", arguments)):
            raise Refused(f"not a call: {line!r}")
        if "\\" in arguments:
            raise Unsure
        id = str(len(nodes) + 1)
        read: dict[str, Any] = {}
        inside = re.sub(r"\)[ \t]*\]$", "", arguments).strip(" \t")
        for argument in re.split(r"(?:^|,)[ \t]*#(?=\w+[ \t]*=)", inside)[1:] if inside else []:
            name, _, value = (part.strip(" \t") for part in argument.partition("="))
            if name in read:
                raise Refused(f"{name} stands twice")
            read[name] = _value(value, bound)
        if inside and not inside.startswith("#"):
            raise Refused("arguments without a name")
        names = [name.strip(" \t") for name in outputs.split(",")]
        if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in (*names, app, api.strip(" \t"), *read)):
            raise Refused(f"names: {line!r}")
        nodes.append({"kind": "tool", "id": id, "tool": ".".join((app, api.strip(" \t"))), "arguments": read})
        bound |= dict.fromkeys(names, id)
    return expected(nodes, None)


def _value(value: str, bound: dict[str, str]) -> Any:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    if re.match("-?[0-9]", value):
        return json.loads(value)
    if value not in bound:
        raise Refused(f"{value!r} is neither text nor bound")
    return {"$ref": f"{bound[value]}.{value}"}


def test_names_of_earlier_outputs_become_references_and_quoted_text_stays_text() -> None:
    parsed = AppBench().parse(TEXT, {})
    assert accepted(parsed)
    assert parsed.plan == Plan(
        nodes=(
            ToolCall(id="1", tool="Cinemas.find_films", arguments={"genre": "Drama", "city": "Porto", "name": "Ana's Screen"}),
            ToolCall(id="2", tool="Tables.book_table", arguments={"city": Ref("1", ("city",)), "people": 2, "name": "film"}),
            ToolCall(
                id="3",
                tool="Cabs.order_cab",
                arguments={"destination": Ref("2", ("city",)), "table": Ref("2", ("table",)), "film": Ref("1", ("film",))},
            ),
        )
    )


def test_tools_can_be_named_with_an_underscore() -> None:
    (node,) = AppBench(separator="_").parse("Music: [song = play()]", {}).plan.nodes
    assert isinstance(node, ToolCall)
    assert (node.tool, node.arguments) == ("Music_play", {})


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("'Ana's'", "Ana's"),
        ("'Ana's Screen, Porto (old)'", "Ana's Screen, Porto (old)"),
        (r"'the \'old\', one'", "the 'old', one"),
        (r"'C:\dir'", r"C:\dir"),
        (r"'C:\dir\\'", "C:\\dir\\"),
        ('"it\'s"', "it's"),
        ("''", ""),
        ("'$1 {x} #y'", "$1 {x} #y"),
    ],
)
def test_text_in_quotes_is_taken_literally(written: str, text: str) -> None:
    parsed = AppBench().parse(f"App: [a = f(#x={written} , #y='z')]", {})
    assert parsed == type(parsed)(Plan(nodes=(ToolCall(id="1", tool="App.f", arguments={"x": text, "y": "z"}),)))


@pytest.mark.parametrize(("written", "number"), [("2", 2), ("-0.5", -0.5), ("0", 0)])
def test_numbers_need_no_quotes(written: str, number: float) -> None:
    (node,) = AppBench().parse(f"App: [a = f(#x={written})]", {}).plan.nodes
    assert isinstance(node, ToolCall)
    assert node.arguments == {"x": number}
    assert type(node.arguments["x"]) is type(number)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("I would call nothing.", "empty", "no calls"),
        ("App: [a = f(#x=b)]", "dangling-reference", "`b`, which no earlier line has"),
        ("App: [a = f(#x=a)]", "dangling-reference", "`a`"),
        ("App: [a = f(#x=03)]", "syntax", "neither text in quotes"),
        ("App: [a = f(#x='1)]", "syntax", "no closing '"),
        ("App: [a = f(#x='1, #y='2')]", "syntax", "looks like several arguments"),
        ("App: [a = f(#x='1', #x='2')]", "duplicate-id", "`#x`"),
        ("App: [a, a = f()]", "duplicate-id", "same name"),
        ("App: [a = f(x='1')]", "syntax", "expected `#name"),
        ("App: [a = f(#x='1',)]", "syntax", "expected `#name"),
        ("App: [a = f(#x='1')", "syntax", "expected `,`"),
        ("App: [a = f(), b = g()]", "syntax", "expected `#name"),
        ("App: [f()]", "syntax", "cannot be read"),
        ("App [a = f()]", "syntax", "cannot be read"),
    ],
)
def test_what_is_wrong_becomes_a_finding(line: str, code: str, words: str) -> None:
    findings = AppBench().parse(line, {}).findings
    assert any(found.code == code and words in found.message for found in findings), findings


def test_a_mistake_is_reported_once_and_not_by_those_who_use_its_outputs() -> None:
    parsed = AppBench().parse("App: [a = f(#x=nothing)]\nApp: [b = g(#y=a)]", {})
    assert [found.node for found in parsed.findings] == ["1"]


def test_the_oracle_agrees_about_the_text_itself() -> None:
    assert exactly(AppBench().parse(TEXT, {})) == oracle(TEXT)


def test_what_is_accepted_of_a_mutant_is_what_it_says() -> None:
    agreed = unsure = 0
    for mutant in mutants(TEXT):
        parsed = AppBench().parse(mutant.text, {})
        if not accepted(parsed):
            continue
        try:
            said = oracle(mutant.text)
        except Unsure:
            unsure += 1
            continue
        except Refused as error:
            pytest.fail(f"accepted, but a careful reader says {error}: {mutant}")
        assert exactly(parsed) == said, mutant
        agreed += 1
    assert agreed > 50
    assert unsure <= agreed // 20


@given(st.text() | st.text(alphabet="Ap: [=(#'\")],\\\nab1"))
def test_any_text_is_parsed(text: str) -> None:
    for given_text in (text, f"App: [a = f(#x='{text}')]", f"App: [a = f({text})]", TEXT + text):
        parsed = AppBench().parse(given_text, {})
        assert parsed.plan.nodes or not accepted(parsed)


@pytest.mark.parametrize("piece", ["'", "' ", "a, ", "a  ", "#a='", ", #a='b'", " ", "\\", "(", "App: [a = f(#x='"])
@pytest.mark.parametrize("head", ["", "App: [a", "App: [a = f(#x='"])
def test_hostile_repetition_comes_to_an_end(head: str, piece: str) -> None:
    assert not accepted(AppBench().parse(head + piece * 100_000 + "!=", {}))
