"""Skeletons: points as model calls, their needs and difficulties, and text of every kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.plan import Aggregate, ModelCall, Ref
from orchestra.plan.finding import errors
from orchestra.plan.formats.base import Parsed, StreamedFormat
from orchestra.plan.formats.skeleton import OUTPUT, Skeleton
from orchestra.plan.verify import verify

TASK = "Explain locks."
TEXT = """\
1. What a mutex is | difficulty: 1
2. What a semaphore is | difficulty: 2
3. When to use which | needs: 1, 2 | difficulty: 4
"""


def parse(text: str, task: str = TASK) -> Parsed:
    return Skeleton(task).parse(text, {})


def points(parsed: Parsed) -> dict[str, ModelCall]:
    return {node.id: node for node in parsed.plan.nodes if isinstance(node, ModelCall)}


def test_points_become_model_calls_and_the_output_their_texts_in_order() -> None:
    parsed = parse(TEXT)
    assert parsed.findings == () and not verify(parsed.plan, {}, models=["default"])
    assert {id: (node.difficulty, node.waits_for) for id, node in points(parsed).items()} == {
        "1": (1, ()),
        "2": (2, ()),
        "3": (4, ("1", "2")),
    }
    *_, last = parsed.plan.nodes
    assert isinstance(last, Aggregate) and last.inputs == [Ref("1"), Ref("2"), Ref("3")] and parsed.plan.output == Ref(OUTPUT)


def test_a_point_that_needs_others_is_asked_with_their_texts_and_names() -> None:
    prompt = points(parse(TEXT))["3"].prompt
    assert Ref("1") in prompt.parts and Ref("2") in prompt.parts
    text = "".join(part for part in prompt.parts if isinstance(part, str))
    assert text.startswith(TASK) and "What a mutex is" in text and text.endswith("When to use which")


def test_without_fields_it_is_a_plain_skeleton_of_independent_points() -> None:
    parsed = parse("1. First\n2) Second\n\n3. Third")
    assert [node.waits_for for node in points(parsed).values()] == [(), (), ()] and parsed.findings == ()


def test_a_point_is_known_at_the_end_of_its_line() -> None:
    assert isinstance(Skeleton(TASK), StreamedFormat)
    stream = Skeleton(TASK).stream({})
    came = {len(TEXT[: at + 1]): [node.id for node in nodes] for at, each in enumerate(TEXT) if (nodes := stream.feed(each))}
    ends = [at + 1 for at, each in enumerate(TEXT) if each == "\n"]
    assert came == dict(zip(ends, [["1"], ["2"], ["3"]], strict=True))


@pytest.mark.parametrize("value", ["hard", "0", "6", "-1", "", "2.5", "9" * 5000])
def test_a_difficulty_that_is_none_is_a_warning_and_unknown(value: str) -> None:
    parsed = parse(f"1. First | difficulty: {value}")
    assert points(parsed)["1"].difficulty is None and not errors(parsed.findings)
    assert "from 1, easy, to 5" in str(parsed.findings[0]) and len(str(parsed.findings[0])) < 200


def test_a_bar_inside_a_point_is_its_own() -> None:
    parsed = parse("1. The operators | and || of C | difficulty: 2")
    assert "operators | and || of C" in points(parsed)["1"].prompt.parts[-1] and points(parsed)["1"].difficulty == 2
    assert parsed.findings == ()


def test_a_misspelt_field_stays_in_the_point_and_is_told() -> None:
    parsed = parse("1. First | dificulty: 2")
    assert [finding.code for finding in parsed.findings] == ["kept-as-text"] and not errors(parsed.findings)


@pytest.mark.parametrize("needs", ["2", "1", "x", "7, 8", "$1", "answer"])
def test_a_need_that_does_not_come_before_is_an_error(needs: str) -> None:
    parsed = parse(f"1. First | needs: {needs}\n2. Second")
    assert [finding.code for finding in errors(parsed.findings)] == ["forward-reference"] and list(points(parsed)) == ["2"]


@pytest.mark.parametrize("needs", ["none", "-", "", "None", "1, 1"])
def test_no_needs_and_repeated_ones_are_understood(needs: str) -> None:
    parsed = parse(f"1. First\n2. Second | needs: {needs}")
    assert not parsed.findings and points(parsed)["2"].waits_for in ((), ("1",))


def test_two_points_of_one_number_are_an_error() -> None:
    assert [finding.code for finding in parse("1. First\n1. Again").findings] == ["duplicate-id"]


@pytest.mark.parametrize(
    "text", ["", "I cannot help.", "\n\n", "1.", "1.5 litres of milk", "- First\n- Second", "```\n```", "١. First"]
)
def test_text_without_points_is_an_empty_plan_that_says_so(text: str) -> None:
    parsed = parse(text)
    assert parsed.plan.nodes == () and "empty" in [finding.code for finding in errors(parsed.findings)]


def test_prose_around_points_is_left_out_with_a_warning() -> None:
    parsed = parse(f"Here is the skeleton:\n```\n{TEXT}```\nDone.")
    assert list(points(parsed)) == ["1", "2", "3"]
    assert [finding.severity for finding in parsed.findings] == ["warning", "warning"]


def test_what_looks_like_a_reference_in_a_point_or_task_stays_text() -> None:
    parsed = parse("1. Costs $1 or ${2}", task="Explain $3 {{ x }}")
    assert points(parsed)["1"].waits_for == () and "Costs $1 or ${2}" in points(parsed)["1"].prompt.parts[-1]


def test_a_long_line_takes_no_long_time() -> None:
    for line in (f"1. a | needs: x{' ' * 200_000}x", f"1. {'|' * 200_000}", f"1. a{' | needs: 0' * 20_000}", "1" * 200_000):
        parse(line)


@given(
    st.text()
    | st.lists(st.sampled_from(["1. ", "2) ", "|", "needs: ", "difficulty: ", "1", ",", "\n", "x", "\ud800", "\x00"])).map("".join)
)
def test_any_text_is_parsed_alike_whole_and_by_the_character_and_never_raises(text: str) -> None:
    whole = parse(text)
    stream = Skeleton(TASK).stream({})
    nodes = [node for character in text for node in stream.feed(character)]
    closed = stream.close()
    assert closed == whole and list(closed.plan.nodes[: len(nodes)]) == nodes and stream.close() is closed
    assert errors(whole.findings) or not errors(verify(whole.plan, {}, models=["default"]))
    whole.plan.model_dump_json()
