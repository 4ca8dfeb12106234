from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutants
from oracles import Refused, accepted, exactly, expected

from orchestra.plan.formats.parallel_prompt import OUTPUT, ParallelPrompt
from orchestra.plan.node import Aggregate, ModelCall, Sample
from orchestra.plan.plan import Plan
from orchestra.plan.ref import Ref

ITEMS = """Sure:
```json
{
  "serial": "Translate these words",
  "template": "Translate {data}, only {data}.",
  "context": "Into German.",
  "data": ["cat", "dog for $1", "a {data} in braces"],
  "category": "Translation"
}
```
"""
REPEATED = '{"serial": "Three poems", "template": "Write a poem.", "context": null, "data": null, "n": 3}'


def oracle(text: str) -> str:
    """Python's own reader between the first and the last brace."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    try:
        schema = json.loads(text[text.find("{") : text.rfind("}") + 1], object_pairs_hook=_unique, strict=False)
    except ValueError as error:
        raise Refused(str(error)) from None
    context = schema.get("context") or ""
    data, n = schema.get("data"), schema.get("n")
    if (data is None) == (n is None):
        raise Refused("data or n")
    head, *tails = schema["template"].split("{data}")
    nodes: list[dict[str, Any]] = []
    if data is None:
        if tails:
            raise Refused("a slot without data")
        nodes = [{"kind": "sample", "id": "answers", "prompt": "\n\n".join(filter(None, (context, head))), "n": n}]
    else:
        assert tails and data
        for number, item in enumerate(data, 1):
            text_of = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            prompt = "\n\n".join(filter(None, (context, head + "".join(text_of + tail for tail in tails))))
            nodes.append({"kind": "model", "id": str(number), "prompt": prompt})
        refs = [{"$ref": node["id"]} for node in nodes]
        nodes.append({"kind": "aggregate", "id": "answers", "inputs": refs})
    return expected(nodes, {"$ref": "answers"})


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise Refused("a key stands twice")
    return dict(pairs)


def schema(**fields: Any) -> str:
    return json.dumps({"serial": "all", "template": "Do {data}", "context": "", "data": ["a"]} | fields)


def test_each_item_becomes_a_call_and_the_output_is_their_list() -> None:
    parsed = ParallelPrompt().parse(schema(data=["a", "b"], context="Here."), {})
    assert parsed.findings == ()
    assert parsed.plan == Plan(
        nodes=(
            ModelCall(id="1", prompt="Here.\n\nDo a"),
            ModelCall(id="2", prompt="Here.\n\nDo b"),
            Aggregate(id=OUTPUT, inputs=[Ref("1"), Ref("2")]),
        ),
        output=Ref(OUTPUT),
        goal="all",
    )


def test_a_number_repeats_the_prompt() -> None:
    parsed = ParallelPrompt().parse(REPEATED, {})
    assert accepted(parsed)
    assert parsed.plan.nodes == (Sample(id=OUTPUT, prompt="Write a poem.", n=3),)


@pytest.mark.parametrize("item", ["$1", "${1}", "{data}", "{0} {x!r}", "\\1 \\g<0>", "%s", '{"$ref": "1"}'])
def test_items_are_text_and_stay_it(item: str) -> None:
    node = ParallelPrompt().parse(schema(data=[item]), {}).plan.nodes[0]
    assert isinstance(node, ModelCall)
    assert node.prompt == f"Do {item}"
    assert not node.has_refs


def test_items_that_are_no_text_are_written_as_json() -> None:
    prompts = [
        node.prompt for node in ParallelPrompt().parse(schema(data=[1, {"$ref": "2"}]), {}).plan.nodes[:2] if node.kind == "model"
    ]
    assert prompts == ["Do 1", 'Do {"$ref": "2"}']


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("no schema here", "syntax", "got 0"),
        (REPEATED + "\n" + REPEATED, "syntax", "got 2"),
        (ITEMS[:-30], "syntax", "breaks off"),
        (schema(n=3), "syntax", "not both"),
        (schema(data=None), "missing-argument", "neither"),
        (schema(data=[]), "empty", "write the items"),
        (schema(data="a, b"), "wrong-type", "`data` is a list"),
        (schema(template="Do it"), "missing-argument", "{data}"),
        (schema(template="{data}" * 11), "too-many", "11 times"),
        (schema(template=None), "missing-argument", "`template`"),
        (schema(data=None, n=2), "syntax", "there is no `data`"),
        (schema(data=None, n=0, template="x"), "wrong-type", "`n`"),
        (schema(data=None, n=True, template="x"), "wrong-type", "`n`"),
        (schema(data=None, n=2.0, template="x"), "wrong-type", "`n`"),
        (schema(data=None, n=201, template="x"), "too-wide", "201"),
        (schema(data=["a"] * 201), "too-wide", "201"),
        (schema(context=["a"]), "wrong-type", "`context`"),
        (schema(serial=1), "wrong-type", "`serial`"),
    ],
)
def test_what_is_wrong_becomes_a_finding_and_no_nodes(text: str, code: str, words: str) -> None:
    parsed = ParallelPrompt().parse(text, {})
    assert any(found.code == code and words in found.message for found in parsed.findings), parsed.findings
    assert parsed.plan.nodes == ()


def test_the_width_can_be_chosen() -> None:
    assert accepted(ParallelPrompt(width=300).parse(schema(data=["a"] * 300), {}))
    assert not accepted(ParallelPrompt(width=2).parse(schema(data=["a"] * 3), {}))
    assert not accepted(ParallelPrompt(width=10_000).parse(schema(data=None, n=1025, template="x"), {}))


def test_unknown_fields_and_prose_are_left_out_with_warnings() -> None:
    parsed = ParallelPrompt().parse("Here it is:\n" + schema(why="so"), {})
    assert {found.severity for found in parsed.findings} == {"warning"}
    assert len(parsed.findings) == 2


@pytest.mark.parametrize("text", [ITEMS, REPEATED])
def test_the_oracle_agrees_about_the_text_itself(text: str) -> None:
    assert exactly(ParallelPrompt().parse(text, {})) == oracle(text)


@pytest.mark.parametrize("text", [ITEMS, REPEATED])
def test_what_is_accepted_of_a_mutant_is_what_it_says(text: str) -> None:
    agreed = 0
    for mutant in mutants(text):
        parsed = ParallelPrompt().parse(mutant.text, {})
        if accepted(parsed):
            assert exactly(parsed) == oracle(mutant.text), mutant
            agreed += 1
    assert agreed > 50


@given(st.text() | st.text(alphabet='[]{}",: \\\nn1$'))
def test_any_text_is_parsed(text: str) -> None:
    for given_text in (text, f"{{{text}}}", ITEMS + text, schema(data=[text], template=text)):
        parsed = ParallelPrompt().parse(given_text, {})
        assert parsed.plan.nodes or not accepted(parsed)


@pytest.mark.parametrize("piece", ['{"', '\\"', "{", "[ ", '{"data":', '"a",', "}"])
def test_hostile_repetition_comes_to_an_end(piece: str) -> None:
    assert not accepted(ParallelPrompt().parse("{" + piece * 100_000, {}))
