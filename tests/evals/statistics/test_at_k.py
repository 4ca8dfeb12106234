"""pass@k and maj@k against counting all draws."""

from __future__ import annotations

import os
import statistics
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.at_k import Vote, majority_at, pass_at, votes

from orchestra.sample.pool_file import read_pool

DATA = os.environ.get("ORCHESTRA_DATA")

ANSWERS = st.lists(st.sampled_from([("7", True), ("8", False), ("9", False), (None, False)]), min_size=1, max_size=7)


def won(answers: tuple[Vote, ...]) -> float:
    """By the definition: the right share of the answers with most votes."""
    counts = {answer: [a for a, _ in answers].count(answer) for answer, _ in answers if answer is not None}
    best = [answer for answer, count in counts.items() if count == max(counts.values())]
    right = {answer for answer, correct in answers if correct}
    return sum(answer in right for answer in best) / len(best) if best else 0.0


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(tries: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(tries)))
    assert pass_at(sum(tries), len(tries), k) == pytest.approx(statistics.fmean(any(draw) for draw in combinations(tries, k)))


@settings(deadline=None, max_examples=40)
@given(ANSWERS)
def test_the_vote_of_any_beginning_is_by_the_definition(answers: list[Vote]) -> None:
    assert votes(answers) == [won(tuple(answers[:k])) for k in range(1, len(answers) + 1)]


@pytest.mark.parametrize(
    "answers",
    [
        [("7", True)] * 3 + [("8", False)] * 3 + [(None, False)] * 2,
        [("7", True)] * 2 + [("8", False)] * 4 + [("9", False)],
        [("a", True), ("b", True), ("c", False), ("c", False), (None, False)],
    ],
)
def test_maj_at_k_comes_near_the_mean_over_all_draws(answers: list[Vote]) -> None:
    ks = range(1, len(answers) + 1)
    exact = [statistics.fmean(map(won, combinations(answers, k))) for k in ks]
    assert majority_at(answers, ks, resamples=4000) == pytest.approx(exact, abs=0.03)


def test_maj_at_all_tries_is_exact() -> None:
    answers: list[Vote] = [("7", True), ("7", True), ("8", False), ("8", False), (None, False)]
    assert majority_at(answers, [5], resamples=7) == [0.5]


def test_ties_between_a_right_and_a_wrong_answer_are_split_and_none_never_votes() -> None:
    assert votes([("7", True), ("8", False), (None, False), (None, False), (None, False)]) == [1.0, 0.5, 0.5, 0.5, 0.5]
    assert votes([(None, False)]) == [0.0]
    assert majority_at([(None, False)] * 4, [1, 4]) == [0.0, 0.0]


def test_answers_without_exception_right_need_no_draws() -> None:
    assert majority_at([("7", True)] * 3, [1, 3], resamples=0) == [1.0, 1.0]
    assert majority_at([("8", False)] * 3, [1, 3], resamples=0) == [0.0, 0.0]


def test_more_draws_than_tries_are_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(ValueError, match=r"pass@4 needs at least 4 tries, got 3"):
        pass_at(1, 3, 4)
    with pytest.raises(ValueError, match=r"maj@4 needs at least 4 tries, got 3"):
        majority_at([("7", True)] * 3, [1, 4])


@pytest.mark.skipif(not DATA, reason="ORCHESTRA_DATA names no folder with recorded traces")
@pytest.mark.parametrize(("name", "solved"), [("aime24", 24), ("aime25", 23)])
def test_the_majority_of_all_recorded_traces_solves_as_many_problems_as_was_published(name: str, solved: int) -> None:
    pool = read_pool(Path(str(DATA)) / "traces" / "parallel_probe_qwen3_8b" / f"{name}.jsonl.gz")
    shares = [
        majority_at([(trace.answer, trace.answer == problem.gold) for trace in problem.traces], [128], resamples=1)[0]
        for problem in pool.problems
    ]
    assert sum(shares) == solved and len(shares) == 30
