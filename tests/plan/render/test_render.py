"""Pictures of plans hold every node and edge, say what became of them, and survive any plan and any text."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra.plan import Aggregate, Edge, ModelCall, Plan, Ref, Sample, SubPlan, Text, ToolCall
from orchestra.plan.render import dot, mermaid, svg
from orchestra.plan.render.layout import layout

SVG = "{http://www.w3.org/2000/svg}"


def call(id: str, *values: Any, tool: str = "search", after: tuple[str, ...] = (), **fields: Any) -> ToolCall:
    return ToolCall(id=id, tool=tool, arguments={f"a{n}": value for n, value in enumerate(values)}, depends_on=after, **fields)


PLAN = Plan(
    goal="K2 & Mont Blanc",
    nodes=(
        call("1", "K2"),
        call("2", "Mont Blanc"),
        call("3", Ref("1"), Ref("2", ("metres",)), tool="subtract"),
        call("4", Text(("in feet: ", Ref("3"))), tool="convert", edges={"3": Edge(on_failure="optional")}),
        call("5", "x", after=("4",)),
    ),
    output=Ref("4"),
)
HOSTILE = [
    '"]; click n0 "javascript:x"',
    "</text><script>alert(1)</script>",
    "end",
    "]]>",
    "a\nb\x00c",
    "%%{init}%%",
    '\\" -> x',
    "\u202eodd",
    "x" * 5000,
]


def drawn(picture: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(picture)
    return [group for group in root.iter(f"{SVG}g") if "node" in group.attrib["class"].split()]


def test_columns_follow_the_longest_way_from_the_start() -> None:
    assert layout(PLAN).columns == (("1", "2"), ("3",), ("4",), ("5",))
    assert {(edge.source, edge.target, edge.data, edge.policy) for edge in layout(PLAN).edges} == {
        ("1", "3", True, "fail"),
        ("2", "3", True, "fail"),
        ("3", "4", True, "optional"),
        ("4", "5", False, "fail"),
    }


def test_svg_holds_a_card_for_each_node_and_a_line_for_each_edge() -> None:
    picture = svg(PLAN, {"1": "succeeded", "2": "failed", "3": "nonsense"})
    cards = drawn(picture)
    assert len(cards) == 5 and picture.count('class="edge') == 4
    assert [
        "succeeded" in cards[0].attrib["class"],
        "failed" in cards[1].attrib["class"],
        "nonsense" in picture.split("<title>")[0],
    ] == [
        True,
        True,
        False,
    ]
    assert "output" in cards[3].attrib["class"] and "optional</text>" in picture and "waits" in picture
    assert "K2 &amp; Mont Blanc" in picture and "in feet: ${3}" in picture


def test_the_critical_path_is_marked() -> None:
    cards = {card[0].text.partition(":")[0]: card.attrib["class"] for card in drawn(svg(PLAN))}  # type: ignore[union-attr]
    assert [id for id in "12345" if "critical" in cards[id]] in (["1", "3", "4", "5"], ["2", "3", "4", "5"])


def test_every_kind_of_node_has_a_name() -> None:
    nodes = (
        ModelCall(id="m", prompt="say"),
        ModelCall(id="t", prompt="say", model="small"),
        Sample(id="s", prompt="try", n=3),
        Aggregate(id="a", inputs=[Ref("s")], how="vote"),
        SubPlan(id="p", nodes=(call("1"),), output=None),
    )
    for picture in (svg(Plan(nodes=nodes)), mermaid(Plan(nodes=nodes)), dot(Plan(nodes=nodes))):
        assert all(name in picture for name in ("model", "model small", "3 samples", "vote", "plan of 1 nodes"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    plan = Plan(goal=text, nodes=(call("end", text), ToolCall(id="class", tool=text or "x", arguments={text: Ref("end")})))
    assert len(drawn(svg(plan))) == 2 and "<script" not in svg(plan)
    lines = mermaid(plan).splitlines()
    assert lines[0] == "flowchart LR" and all(
        re.match(r'  (n\d+\["[^"\n]*"\]|n\d+ -->(\|\w+\|)? n\d+|style n\d|classDef|class )', line) for line in lines[1:]
    )
    assert dot(plan).count("\n") == dot(Plan(goal="g", nodes=(call("end", "t"), call("class", Ref("end"))))).count("\n")


IDS = st.sampled_from(["1", "2", "3", "a", "end", "graph"])
NODES = st.builds(
    lambda id, after, values: ToolCall(id=id, tool="t", depends_on=tuple(after), arguments={"v": [Ref(value) for value in values]}),
    IDS,
    st.lists(IDS, max_size=3),
    st.lists(IDS, max_size=3),
)


@given(st.lists(NODES, max_size=8))
@settings(deadline=None, max_examples=150)
def test_wrong_plans_are_drawn_too(nodes: list[ToolCall]) -> None:
    """Cycles, dangling references, duplicates, nodes that wait for themselves, nothing at all."""
    plan = Plan(nodes=tuple(nodes))
    assert len(drawn(svg(plan))) == len(plan.by_id)
    assert sorted(id for column in layout(plan).columns for id in column) == sorted(plan.by_id)
    assert mermaid(plan).startswith("flowchart") and dot(plan).rstrip().endswith("}")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("text", HOSTILE)
def test_graphviz_reads_what_is_written_for_it(text: str) -> None:
    plan = Plan(nodes=(call("end", text), ToolCall(id="graph", tool=text, arguments={"v": Ref("end")})))
    result = subprocess.run(["dot", "-Tsvg"], input=dot(plan, {"end": "failed"}), capture_output=True, text=True, check=False)
    assert result.returncode == 0 and result.stdout.count('class="node"') == 2 and result.stdout.count('class="edge"') == 1, (
        result.stderr
    )
