"""A graph that a model extracted, scheduled by the exact solver."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.plan import Ref, ToolCall, ToolSpec
from orchestra.plan.finding import errors
from orchestra.plan.formats.base import Parsed
from orchestra.plan.formats.solved_graph import SolvedGraph
from orchestra.plan.verify import verify

GRAPH: dict[str, Any] = {
    "rules": [
        {"id": 0, "source": ["flour"], "target": ["dough"], "time": 3, "cost": 1},
        {"id": 1, "source": ["flour"], "target": ["sauce"], "time": 2, "cost": 1},
        {"id": 2, "source": ["dough", "sauce"], "target": ["pizza"], "time": 1, "cost": 5},
        {"id": 3, "source": ["flour"], "target": ["pizza"], "time": 9, "cost": 1},
    ],
    "initial_source": ["flour"],
    "target": "pizza",
}
MAKE = ToolSpec(
    name="make",
    parameters={
        "type": "object",
        "properties": {"source": {"type": "array", "items": {"type": "string"}}, "target": {"type": "string"}},
        "required": ["source", "target"],
    },
)


def parse(text: str) -> Parsed:
    return SolvedGraph("make").parse(text, {"make": MAKE})


def calls(parsed: Parsed) -> list[ToolCall]:
    return [node for node in parsed.plan.nodes if isinstance(node, ToolCall)]


def test_the_plan_is_the_fastest_with_its_times_and_costs() -> None:
    parsed = parse(json.dumps(GRAPH))
    assert parsed.findings == () and not errors(verify(parsed.plan, {"make": MAKE}))
    made = {call.arguments["target"]: call for call in calls(parsed)}
    assert set(made) == {"dough", "sauce", "pizza"}
    assert set(made["pizza"].waits_for) == {made["dough"].id, made["sauce"].id} and made["dough"].waits_for == ()
    assert made["dough"].estimate.seconds == 3 and made["pizza"].estimate.cost == 5
    assert parsed.plan.output == Ref(made["pizza"].id) and json.loads(parsed.plan.goal) == {"time": 4, "cost": 7}


@pytest.mark.parametrize(
    "around",
    ["%s", "```json\n%s\n```", "Here is the graph:\n%s\nI hope {this} helps.", "Thinking {about} it.\n{}\n%s", '{"note": 1}\n%s'],
)
def test_text_around_the_graph_does_not_matter(around: str) -> None:
    for text in (json.dumps(GRAPH), json.dumps(GRAPH, indent=2)):
        assert len(parse(around % text).plan.nodes) == 3


def changed(**fields: Any) -> str:
    return json.dumps({**GRAPH, **fields})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no graph"),
        ("I cannot read that.", "there is no graph"),
        ('{"id": 1}', "there is no graph"),
        (json.dumps(GRAPH)[:-20], "line"),
        ('{"rules": 3}', "rules"),
        (changed(target="lasagne"), "'lasagne'"),
        (changed(initial_source=[]), "pizza"),
        (changed(rules=[]), "pizza"),
        (changed(rules=[{**GRAPH["rules"][0], "time": -2}]), "got -2"),
        (changed(rules=[{**GRAPH["rules"][0], "time": "3"}]), "got '3'"),
        (changed(rules=[GRAPH["rules"][0]] * 2), "0"),
        ('{"rules": [], "rules": []}', "stands twice"),
        ('{"rules": [], "initial_source": ["\\ud800"], "target": "x"}', "surrogate"),
        ("{" * 5000, "line"),
        ('{"rules": ' + "[" * 5000, "line"),
    ],
)
def test_what_is_no_graph_is_a_finding_that_says_why(text: str, message: str) -> None:
    parsed = parse(text)
    (finding,) = parsed.findings
    assert parsed.plan.nodes == () and finding.severity == "error" and message in str(finding), finding
    assert len(str(finding)) < 1000


def test_a_target_that_is_there_already_needs_no_plan() -> None:
    (finding,) = parse(changed(target="flour")).findings
    assert finding.code == "empty" and "nothing has to be done" in str(finding)


def test_a_tool_that_there_is_not_is_found_by_the_verifier() -> None:
    parsed = SolvedGraph("bake").parse(json.dumps(GRAPH), {"make": MAKE})
    assert "unknown-tool" in {finding.code for finding in verify(parsed.plan, {"make": MAKE})}


@given(
    st.text()
    | st.lists(st.sampled_from([json.dumps(GRAPH), "{", "}", '"rules"', ":", "[", "]", "\n", "\\ud800", "\ud800", "x"])).map(
        "".join
    )
)
def test_any_text_gives_a_plan_or_findings_and_never_raises(text: str) -> None:
    parsed = parse(text)
    assert bool(parsed.plan.nodes) != bool(errors(parsed.findings))
