"""Questions made from pools: what is asked, what is left out, and which side of the split a problem is on."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs torch")

from hypothesis import given
from hypothesis import strategies as st
from judge_pool import telling_pool
from orchestra.training.judge.model import byte_tokenizer, learned_tokenizer
from orchestra.training.judge.pairs import examples, oversampled, split

from orchestra.errors import ConfigError
from orchestra.sample.judges.questions import askable, is_held_out, label_of
from orchestra.sample.pool import PooledProblem, Recorded


def problem(*traces: Recorded) -> PooledProblem:
    return PooledProblem(id="p", text="?", gold="1", traces=traces)


LONG_1 = Recorded(tokens=100, answer="1", correct=True, text="x" * 100)
LONG_2 = Recorded(tokens=100, answer="2", correct=False, text="x" * 100)
SHORT_1 = Recorded(tokens=40, answer="1", correct=True, text="x" * 40)
SILENT = Recorded(tokens=100, answer=None, correct=False, text="x" * 100)


def test_traces_that_have_ended_or_never_answer_are_in_no_pair() -> None:
    posed = problem(LONG_1, LONG_2, SHORT_1, SILENT)
    assert askable(posed, "same_answer", 40) == [(0, 1)]
    assert askable(posed, "same_answer", 39) == [(0, 1), (0, 2), (1, 2)]
    assert askable(posed, "same_answer", 0.5) == [(0, 1), (0, 2), (1, 2)]
    assert askable(posed, "correct", 40) == [(0,), (1,), (3,)]


def test_labels_are_equal_answers_and_right_ones() -> None:
    posed = problem(LONG_1, LONG_2, SHORT_1, SILENT)
    assert [label_of(posed, group) for group in ((0, 1), (0, 2), (0,), (1,), (3,))] == [False, True, True, False, False]


def test_rarer_class_is_shown_twice() -> None:
    found = examples([problem(LONG_1, LONG_2, SHORT_1)], "same_answer", [10], most=9)
    assert [example.label for example in oversampled(found, 2)] == [False, True, True, False]
    with pytest.raises(ConfigError, match="answer is no"):
        oversampled([example for example in found if not example.label], 2)


def test_no_problem_is_on_both_sides_and_others_do_not_move_it() -> None:
    problems = telling_pool(200).problems
    trained_on, held_out = split(problems, 0.3)
    assert {p.id for p in trained_on}.isdisjoint(p.id for p in held_out)
    assert 40 <= len(held_out) <= 80
    assert [p.id for p in split(problems[:100], 0.3)[1]] == [p.id for p in problems[:100] if is_held_out(p, 0.3)]


def test_folds_hold_out_every_problem_once() -> None:
    problems = telling_pool(200).problems
    folds = [{p.id for p in split(problems, 0.25, fold)[1]} for fold in range(4)]
    assert set.union(*folds) == {p.id for p in problems} and sum(map(len, folds)) == len(problems)


def test_even_draws_take_as_many_of_either_answer_as_there_are() -> None:
    posed = problem(*[LONG_1] * 8, LONG_2)  # 28 pairs agree, 8 do not
    labels = [example.label for example in examples([posed], "same_answer", [10], most=12, even=True)]
    assert (labels.count(True), labels.count(False)) == (6, 6)
    unanimous = examples([problem(*[LONG_1] * 8)], "same_answer", [10], most=12, even=True)
    assert [example.label for example in unanimous] == [True] * 6


@given(st.text())
def test_bytes_read_anything(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    tokenizer = byte_tokenizer()
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) == len(text.encode())
    assert tokenizer.decode(ids) == text


LEARNED = learned_tokenizer(["one two one two three"] * 9, 280)


@given(st.text() | st.just("<pad> <separator>"))
def test_learned_words_read_anything_and_never_make_a_marker(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    ids = LEARNED.encode(text, add_special_tokens=False).ids
    assert LEARNED.decode(ids) == text and min(ids, default=4) >= 4
    assert len(LEARNED.encode("one two").ids) < len("one two")
