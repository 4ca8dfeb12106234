"""Where the steps of a trace begin, and how unsure the model was in them."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.chat.template import ChatTemplate
from orchestra.chat.tokenizer import ChatTokenizer
from orchestra.engine import Scores
from orchestra.sample.events import Step
from orchestra.sample.steps import Steps, step_starts, uncertainty
from tests.chat.byte_model import CHATML, END, byte_tokenizer

BYTES = byte_tokenizer()
TOKENIZER = ChatTokenizer(byte_tokenizer(), ChatTemplate(CHATML), end_ids=[END])


def ids(text: str) -> list[int]:
    return list(BYTES.encode(text).ids)


def steps_of(text: str) -> list[str]:
    tokens = ids(text)
    starts = [*step_starts(TOKENIZER.detokenizer(), tokens), len(tokens)]
    return [BYTES.decode(tokens[start:end]) for start, end in pairwise(starts)]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("Let x = 1.\n\nThen 2.\n \n\n😀 So 3.", ["Let x = 1.\n\n", "Then 2.\n \n\n", "😀 So 3."]),
        ("one\ntwo\nthree", ["one\ntwo\nthree"]),
        ("\n\nfirst\n\n", ["\n\nfirst\n\n"]),
        ("<think>a\n\nb</think>\nc", ["<think>a\n\n", "b</think>\n", "c"]),
        ("", []),
    ],
)
def test_steps_begin_after_blank_lines_and_thoughts(text: str, steps: list[str]) -> None:
    assert steps_of(text) == steps


@given(st.lists(st.sampled_from(["a", "😀", "é", "\n", "\n\n", " ", "</think>", "日本"]), max_size=20).map("".join))
def test_steps_make_the_text_and_never_cut_a_character(text: str) -> None:
    steps = steps_of(text)
    assert "".join(steps) == text
    assert all(step.strip() for step in steps[1:])


def scores_of(*rows: list[float], top: int) -> Scores:
    scores = Scores(top)
    for row in rows:
        scores.add([math.log(p) for p in row])
    return scores


def test_uncertainty_is_the_number_of_equal_candidates() -> None:
    assert uncertainty(scores_of([1.0], top=4)) == pytest.approx(1.0)
    assert uncertainty(scores_of([0.25] * 4, top=4)) == pytest.approx(4.0)
    assert uncertainty(scores_of([0.1] * 4, top=4)) == pytest.approx(
        4.0
    )  # renormalised: what the candidates leave out does not count
    assert uncertainty(scores_of([1.0], [0.25] * 4, top=4)) == pytest.approx(2.0)  # exp of the mean of 0 and log 4


def test_each_step_has_the_uncertainty_of_its_own_tokens() -> None:
    tokens = ids("a\n\nb")
    scores = scores_of(*[[1.0]] * (len(tokens) - 1), [0.5, 0.5], top=2)
    steps = Steps(TOKENIZER.detokenizer(), tokens, scores)
    assert len(steps) == 2
    assert steps[0] == Step(0, pytest.approx(1.0))  # type: ignore[arg-type]
    assert steps[1] == Step(len(tokens) - 1, pytest.approx(2.0))  # type: ignore[arg-type]
    assert [step.start for step in steps[:]] == [0, len(tokens) - 1]
