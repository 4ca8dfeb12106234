"""What counts as the answer that a text states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.answers import extract


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\fbox{7}", "7"),
        (r"\boxed {7}", "7"),
        (r"\boxed{1}, no, \boxed{2}", "2"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{ x : x > 1 \right.}", r"\left\{ x : x > 1 \right."),
        (r"\boxed{\begin{pmatrix}1\\{2}\end{pmatrix}}", r"\begin{pmatrix}1\\{2}\end{pmatrix}"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"\boxed{5} and \boxed{", "5"),
        (r"\boxed{5} and \boxed{6", "5"),
        (r"put it into \boxed{}: \boxed{8} in \boxed{}", "8"),
        (r"<think>\boxed{1}</think>\boxed{2}", "2"),
        (r"<think>\boxed{1}</think>The answer is 2.", "2"),
        (r"\boxed{1}</think>\boxed{2}", "2"),
        (r"<think>a</think>\boxed{2}<think>\boxed{3}", None),
        (r"<think>\boxed{1}", None),
        (r"<think>\boxed{1}</think>nothing", None),
        ("The answer is 12.", "12"),
        ("the answer is 3.5. I hope it is correct.", "3.5"),
        ("**Answer:** 12", "12"),
        ("**Final answer: 12**", "12"),
        ("The answer is $x = 5$, as claimed", "x = 5"),
        (r"The final answer is: \(\frac{1}{2}\)", r"\frac{1}{2}"),
        ("The answer is $$\n7\n$$", "7"),
        ("The answer is 1. No: the answer is 2", "2"),
        ("Answer: C", "C"),
        ("The answers are 1 and 2.", None),
        ("The answer is", None),
        ("I do not know", None),
        ("", None),
    ],
)
def test_the_last_stated_answer_after_the_thinking_counts(text: str, answer: str | None) -> None:
    assert extract(text) == answer


PIECES = ["\\boxed", "\\fbox", "{", "}", "\\", "\\{", "$", "<think>", "</think>", "answer is ", "a", "\0", "\n"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_nothing_raises_and_what_comes_out_was_written(text: str) -> None:
    answer = extract(text)
    assert answer is None or (answer.strip() == answer and answer and answer in text)


@given(
    st.recursive(
        st.sampled_from(["1", "x", r"\{", ""]), lambda inner: st.lists(inner).map(lambda parts: "{" + "".join(parts) + "}")
    )
)
def test_a_balanced_box_is_found_whole_behind_boxes_that_are_not(content: str) -> None:
    content = "1" + content
    assert extract(r"\boxed{0} \boxed{" + content + r"} \boxed{ \boxed{") == content


JUNK = {"braces": "{" * 900_000, "boxes": r"\boxed{" * 100_000, "answers": "answer is " * 90_000, "dollars": "$" * 900_000}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_an_answer_is_found_before_hundreds_of_thousands_of_characters_of_junk(junk: str) -> None:
    assert extract(r"\boxed{7}" + junk + r"\boxed{8") == "7"


@pytest.mark.parametrize("junk", ["{", "}", "{}", r"\boxed{", r"\boxed{}", "answer is ", "$", "\\", "\0", "</think>", "<think>"])
def test_an_answer_is_found_behind_ten_megabytes_of_anything(junk: str) -> None:
    assert extract(junk * (10_000_000 // len(junk)) + r"</think> so \boxed{\frac{1}{2}}") == r"\frac{1}{2}"


def test_braces_may_be_nested_a_hundred_thousand_deep() -> None:
    nested = "{" * 100_000 + "1" + "}" * 100_000
    assert extract(r"\boxed" + nested) == nested[1:-1]
    assert extract(r"\boxed{5} \boxed" + nested[:-1]) == "5"


def test_a_box_of_megabytes_is_no_answer() -> None:
    assert extract(r"\boxed{" + "{}" * 1_000_000 + "}") is None
