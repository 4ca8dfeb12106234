from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutants
from oracles import Refused, accepted, exactly, expected

from orchestra.plan.formats.plan_over_graph import PlanOverGraph
from orchestra.plan.node import ToolCall
from orchestra.plan.plan import Plan

TEXT = """Here is the plan:
```json
[
  {"name": "Subtask1", "source": ["N1"], "target": ["N2"], "dependencies": []},
  {"name": "Subtask2", "source": ["N1", "N3"], "target": ["N4"], "dependencies": []},
  {"name": "Subtask3", "source": ["N2", "N4"], "target": ["N5"], "dependencies": ["Subtask1", "Subtask2"]}
]
```
"""


def oracle(text: str) -> str:
    """Python's own reader at the first list of objects; nothing like JSON may stand beside it."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    begin = next(re.finditer(r"\[\s*\{", text)).start()
    try:
        subtasks, end = json.JSONDecoder(object_pairs_hook=_unique, strict=False).raw_decode(text, begin)
    except ValueError as error:
        raise Refused(str(error)) from None
    if any(sign in (text[:begin] + text[end:]).replace(" ", "") for sign in ("{", "}", '":')):
        raise Refused("there is more than the list")
    ids = {subtask["name"]: re.sub("[^A-Za-z0-9_-]", "_", subtask["name"])[:64] for subtask in subtasks}
    if len(set(ids.values())) < len(subtasks):
        raise Refused("a name stands twice")
    nodes = []
    for subtask in subtasks:
        (target,) = subtask["target"]
        needs = [ids[name] for name in dict.fromkeys(subtask["dependencies"])]
        arguments = {"source": subtask["source"], "target": target}
        nodes.append({"kind": "tool", "id": ids[subtask["name"]], "tool": "transform", "arguments": arguments, "depends_on": needs})
    return expected(nodes, None)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise Refused("a key stands twice")
    return dict(pairs)


def listed(*subtasks: dict[str, Any]) -> str:
    return json.dumps([{"name": "S1", "source": ["N1"], "target": ["N2"], "dependencies": []} | subtask for subtask in subtasks])


def test_subtasks_become_calls_that_wait_for_their_dependencies() -> None:
    parsed = PlanOverGraph().parse(TEXT, {})
    assert parsed.findings == ()
    assert parsed.plan == Plan(
        nodes=(
            ToolCall(id="Subtask1", tool="transform", arguments={"source": ["N1"], "target": "N2"}),
            ToolCall(id="Subtask2", tool="transform", arguments={"source": ["N1", "N3"], "target": "N4"}),
            ToolCall(
                id="Subtask3",
                tool="transform",
                arguments={"source": ["N2", "N4"], "target": "N5"},
                depends_on=("Subtask1", "Subtask2"),
            ),
        )
    )


def test_the_tool_is_chosen_and_a_subtask_may_come_before_what_it_needs() -> None:
    parsed = PlanOverGraph(tool="make").parse(listed({"name": "a", "dependencies": ["b"]}, {"name": "b"}), {})
    assert accepted(parsed)
    assert [(node.id, node.waits_for) for node in parsed.plan.nodes] == [("a", ("b",)), ("b", ())]
    assert {node.tool for node in parsed.plan.nodes if isinstance(node, ToolCall)} == {"make"}


@pytest.mark.parametrize(
    ("name", "id"), [("Sub task.1", "Sub_task_1"), ("-1", "_1"), ("子1", "_1"), ("input", "input_"), ("x" * 70, "x" * 64)]
)
def test_names_that_are_no_ids_are_made_into_some(name: str, id: str) -> None:
    parsed = PlanOverGraph().parse(listed({"name": name}, {"name": "last", "dependencies": [name]}), {})
    assert accepted(parsed)
    assert parsed.plan.nodes[1].waits_for == (id,)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("I have no plan.", "empty", "there are no subtasks"),
        (TEXT[:-20], "syntax", "breaks off"),
        (TEXT + TEXT, "syntax", "outside the list"),
        (listed({}, {"name": "S1"}), "duplicate-id", "two subtasks 'S1'"),
        (listed({"name": "a.b"}, {"name": "a b"}), "duplicate-id", "'a.b' and 'a b'"),
        (listed({"dependencies": ["S7"]}), "dangling-reference", "'S7'"),
        (listed({"target": ["N2", "N3"]}), "wrong-type", "got 2"),
        (listed({"source": "N1"}), "wrong-type", "`source`"),
        (listed({"source": [1]}), "wrong-type", "`source`"),
        (listed({"name": 3}), "syntax", "with a name"),
        ('[{"name": "S1", "source": [], "target": ["N1"]}]', "missing-argument", "`dependencies` is missing"),
        ("[{" + '"a": [{' * 100_000, "too-deep", "64"),
        ('[{"a": ' + "[" * 70 + "]" * 70 + "}]", "too-deep", "64"),
    ],
)
def test_what_is_wrong_becomes_a_finding(text: str, code: str, words: str) -> None:
    findings = PlanOverGraph().parse(text, {}).findings
    assert any(found.code == code and words in found.message for found in findings), findings


def test_unknown_fields_are_left_out_with_a_warning() -> None:
    parsed = PlanOverGraph().parse(listed({"time": 3}), {})
    assert [found.severity for found in parsed.findings] == ["warning"]
    assert len(parsed.plan.nodes) == 1


def test_the_oracle_agrees_about_the_text_itself() -> None:
    assert exactly(PlanOverGraph().parse(TEXT, {})) == oracle(TEXT)


def test_what_is_accepted_of_a_mutant_is_what_it_says() -> None:
    agreed = 0
    for mutant in mutants(TEXT):
        parsed = PlanOverGraph().parse(mutant.text, {})
        if accepted(parsed):
            assert exactly(parsed) == oracle(mutant.text), mutant
            agreed += 1
    assert agreed > 50


@given(st.text() | st.text(alphabet='[]{}",: \\\nab$1'))
def test_any_text_is_parsed(text: str) -> None:
    for given_text in (text, f"[{{{text}}}]", TEXT + text):
        parsed = PlanOverGraph().parse(given_text, {})
        assert parsed.plan.nodes or not accepted(parsed)


@pytest.mark.parametrize("piece", ['[{"', '\\"', "[{", "[ ", '{"name":', '"a",', "]"])
def test_hostile_repetition_comes_to_an_end(piece: str) -> None:
    assert not accepted(PlanOverGraph().parse("[{" + piece * 100_000, {}))
