from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutants
from oracles import Refused, accepted

from orchestra.plan.formats.base import Parsed
from orchestra.plan.formats.flash_searcher import FlashSearcher
from orchestra.plan.node import Edge, ModelCall
from orchestra.plan.ref import Ref, Text

TEXT = """Here is my plan.

## Goal 1: Find the year
- Path 1.1: Look it up in an encyclopedia
  - Success: a year with a source
- Path 1.2: Search the news
  - Success: two reports agree

## Goal 2: Find the place
- Path 2.1: Ask a map
  - Success: coordinates
"""
Goals = list[tuple[str, list[list[str]]]]
"""Name, and of each path the approach and the criterion."""


def oracle(text: str) -> Goals:
    """Splits each line at its first colon and looks at the words before it; every list item or heading of a goal must be of the format."""
    goals: Goals = []
    inside = False
    for raw in text.split("\n"):
        line = raw.strip()
        before, colon, after = line.partition(":")
        sign, *words = before.replace("#", "# ").split() or [""]
        words = [word.lower() for word in words if word != "#"]
        after = after.strip()
        if sign == "#" and colon and words == ["goal", str(len(goals) + 1)] and after:
            goals.append((after, []))
            inside = True
        elif sign in "-*" and sign and colon and inside and words == ["path", f"{len(goals)}.{len(goals[-1][1]) + 1}"] and after:
            goals[-1][1].append([after])
        elif sign in "-*" and sign and colon and inside and words == ["success"] and after and goals[-1][1]:
            goals[-1][1][-1].append(after)
        elif sign in ("#", "-", "*") and words[:1] in (["goal"], ["path"], ["success"]):
            raise Refused(f"not in its place: {line!r}")
        elif line.startswith("#"):
            inside = False
        elif inside and line[:1] in ("-", "*"):
            raise Refused(f"an item: {line!r}")
    if any(len(path) != 2 for _, paths in goals for path in paths) or not all(paths for _, paths in goals):
        raise Refused("incomplete")
    marks = ("- path 1", "- path 2", "- success", "# goal")
    parts = [part for name, paths in goals for path in [[name], *paths] for part in path]
    if any(mark in part.lower() for part in parts for mark in marks):
        raise Refused("two parts in one")
    return goals


def is_what_it_says(parsed: Parsed, goals: Goals) -> None:
    """One call a path, each with its own words and those of the path before it, and the last of each goal as the output."""
    said = [
        (f"goal{g}_path{p}", name, path, paths[p - 2] if p > 1 else None)
        for g, (name, paths) in enumerate(goals, 1)
        for p, path in enumerate(paths, 1)
    ]
    assert len(said) == len(parsed.plan.nodes)
    for (id, name, (approach, success), earlier), node in zip(said, parsed.plan.nodes, strict=True):
        assert isinstance(node, ModelCall)
        assert node.id == id
        parts = node.prompt.parts if isinstance(node.prompt, Text) else (node.prompt,)
        prompt = "".join(part if isinstance(part, str) else f"<{part}>" for part in parts)
        assert prompt.startswith(f"Goal: {name}\n")
        assert prompt.endswith(f"Approach: {approach}\nThe goal is reached when: {success}")
        if earlier is None:
            assert node.waits_for == ()
            assert len(prompt) == len(f"Goal: {name}\nApproach: {approach}\nThe goal is reached when: {success}")
        else:
            before = f"{id[:-1]}{int(id[-1]) - 1}"
            assert (node.waits_for, node.edges) == ((before,), {before: Edge(on_failure="continue")})
            assert f"<{before}>" in prompt
            assert f"({earlier[0]})" in prompt
            assert f"“{earlier[1]}”" in prompt
    assert parsed.plan.output == [Ref(f"goal{g}_path{len(paths)}") for g, (_, paths) in enumerate(goals, 1)]


def plan(*paths_of: int) -> str:
    lines = []
    for goal, paths in enumerate(paths_of, 1):
        lines.append(f"## Goal {goal}: name {goal}")
        for path in range(1, paths + 1):
            lines += [f"- Path {goal}.{path}: approach", "  - Success: criterion"]
    return "\n".join(lines)


def test_goals_are_independent_and_a_path_sees_the_answer_of_the_one_before_it() -> None:
    parsed = FlashSearcher().parse(TEXT, {})
    assert accepted(parsed)
    assert [(node.id, node.waits_for) for node in parsed.plan.nodes] == [
        ("goal1_path1", ()),
        ("goal1_path2", ("goal1_path1",)),
        ("goal2_path1", ()),
    ]
    assert parsed.plan.output == [Ref("goal1_path2"), Ref("goal2_path1")]
    assert parsed.plan.nodes[1].edge("goal1_path1").on_failure == "continue"


def test_every_prompt_begins_with_the_task() -> None:
    nodes = FlashSearcher(task="When and where?").parse(TEXT, {}).plan.nodes
    prompts = [node.prompt for node in nodes if isinstance(node, ModelCall)]
    assert all(str(prompt.parts[0] if isinstance(prompt, Text) else prompt).startswith("When and where?\n\n") for prompt in prompts)


def test_five_goals_of_five_paths_are_the_most() -> None:
    assert accepted(FlashSearcher().parse(plan(5, 5, 5, 5, 5), {}))
    too_wide, too_many = FlashSearcher().parse(plan(1, 1, 1, 1, 1, 1), {}), FlashSearcher().parse(plan(6), {})
    assert too_wide.findings[0].code == "too-wide"
    assert too_many.findings[0].code == "too-many"
    assert (len(too_wide.plan.nodes), len(too_many.plan.nodes)) == (5, 5)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("I will just search.", "empty", "no goals"),
        ("## Goal 1: x", "empty", "goal 1 has no paths"),
        ("## Goal 2: x", "id-gap", "goal 2 comes where goal 1 should"),
        (TEXT.replace("Path 1.2", "Path 1.3"), "id-gap", "1.3"),
        (TEXT.replace("Path 2.1", "Path 1.3"), "syntax", "does not stand under its goal"),
        (TEXT.replace("## Goal 2: ", "## "), "syntax", "path 2.1 does not stand under its goal"),
        (TEXT.replace("  - Success: coordinates\n", ""), "missing-argument", "path 2.1"),
        (TEXT.replace("- Path 1.2: ", "- "), "syntax", "cannot be read"),
        (TEXT.replace("\n  - Success: two", " - Success: two"), "syntax", "two things"),
        ("- Success: x\n" + TEXT, "syntax", "belongs to no path"),
        (TEXT + "- Success: x", "syntax", "two criteria"),
        (TEXT + "Goal 3 is open", "syntax", "cannot be read"),
    ],
)
def test_what_is_wrong_becomes_a_finding(text: str, code: str, words: str) -> None:
    findings = FlashSearcher().parse(text, {}).findings
    assert any(found.code == code and words in found.message for found in findings), findings


def test_references_in_a_plan_are_text() -> None:
    parsed = FlashSearcher().parse(plan(1).replace("approach", "use $1 {x}"), {})
    assert accepted(parsed)
    assert not parsed.plan.nodes[0].has_refs


def test_the_oracle_agrees_about_the_text_itself() -> None:
    is_what_it_says(FlashSearcher().parse(TEXT, {}), oracle(TEXT))


def test_what_is_accepted_of_a_mutant_is_what_it_says() -> None:
    agreed = 0
    for mutant in mutants(TEXT):
        parsed = FlashSearcher().parse(mutant.text, {})
        if accepted(parsed):
            is_what_it_says(parsed, oracle(mutant.text.replace("\ud800", "\ufffd")))
            agreed += 1
    assert agreed > 50


@given(st.text() | st.text(alphabet="#-* Gl:Path1.2\nSuces"))
def test_any_text_is_parsed(text: str) -> None:
    for given_text in (text, f"## Goal 1: {text}", plan(1).replace("approach", text), TEXT + text):
        parsed = FlashSearcher().parse(given_text, {})
        assert parsed.plan.nodes or not accepted(parsed)


@pytest.mark.parametrize("piece", ["#", "- ", " ", "## Goal 1: x\n", "- Path 1.1: x\n", "Success ", "success:", "goal "])
def test_hostile_repetition_comes_to_an_end(piece: str) -> None:
    assert not accepted(FlashSearcher().parse("## Goal 1 " + piece * 100_000, {}))
