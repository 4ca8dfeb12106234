"""The three numbers a token, against sums done by hand."""

from __future__ import annotations

import subprocess
import sys
from math import exp, inf, log, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine import Completion, Request, Sampling, Scores, Timings
from orchestra.engine.scores import LEAST_LOGPROB

NEAR = 1e-5


def scores_of(*rows: list[float], top: int = 4) -> Scores:
    scores = Scores(top)
    for row in rows:
        scores.add(row)
    return scores


def values(scores: Scores) -> list[tuple[float, float, float]]:
    return list(zip(scores.confidence, scores.entropy, scores.mass, strict=True))


def near(*expected: float) -> object:
    return pytest.approx(expected, rel=NEAR, abs=NEAR)


def test_two_candidates_by_hand() -> None:
    scores = scores_of([log(1 / 2), log(1 / 4)], top=2)
    assert values(scores) == [near(1.5 * log(2), 1 / 2 * 1 + 1 / 4 * 2, 3 / 4)]
    renormalised = 2 / 3 * log2(3 / 2) + 1 / 3 * log2(3)
    assert scores.entropy[0] / scores.mass[0] + log2(scores.mass[0]) == pytest.approx(renormalised, abs=NEAR)


def test_a_certain_token_has_the_highest_confidence_and_no_entropy() -> None:
    scores = scores_of([0.0])
    assert values(scores) == [(-3 * LEAST_LOGPROB / 4, 0.0, 1.0)]
    assert "-" not in f"{scores.confidence[0]}{scores.entropy[0]}"


@pytest.mark.parametrize("never", [-inf, -9999.0, -40.0], ids=["in process", "as vLLM's server writes it", "improbable"])
def test_candidates_that_top_p_cut_off_count_as_improbable(never: float) -> None:
    assert values(scores_of([log(1 / 2), never, log(1 / 2), never])) == [near((2 * log(2) - 2 * LEAST_LOGPROB) / 4, 1.0, 1.0)]


def test_a_token_that_stands_alone_is_surer_than_a_toss_between_many() -> None:
    alone, toss = scores_of([0.0]), scores_of([log(1 / 4)] * 4)
    assert alone.confidence[0] > toss.confidence[0]


def test_a_slice_is_a_copy_and_slices_make_the_whole_again() -> None:
    whole = scores_of([-0.1, -3.0], [-1.0], [-0.5, -2.0, -4.0, -6.0])
    before = whole[:]
    part = whole[:1]
    part.extend(whole[1:])
    assert part == whole == before
    assert (len(part), len(whole[1:]), len(whole[3:]), whole[1:].top) == (3, 2, 0, 4)


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=20))
def test_of_a_whole_distribution_they_are_its_own(weights: list[float]) -> None:
    probabilities = [weight / sum(weights) for weight in weights]
    scores = scores_of([log(p) for p in probabilities], top=len(weights))
    confidence, entropy = -sum(map(log, probabilities)) / len(weights), -sum(p * log2(p) for p in probabilities)
    assert values(scores) == [near(confidence, entropy, 1.0)]


@given(st.lists(st.floats(-30.0, -0.1), min_size=1, max_size=20))
def test_the_order_of_the_candidates_does_not_matter(row: list[float]) -> None:
    total = sum(map(exp, row))
    row = [logprob - log(max(total, 1.0)) for logprob in row]
    (token,) = values(scores_of(row, top=20))
    assert values(scores_of(row[::-1], top=20)) == [near(*token)]


@given(st.lists(st.lists(st.floats(-30.0, -0.1) | st.just(-inf) | st.just(-9999.0), min_size=3, max_size=3), max_size=9))
def test_many_rows_at_once_give_what_they_give_one_by_one(rows: list[list[float]]) -> None:
    numpy = pytest.importorskip("numpy")
    rows = [[-0.05, *row] for row in rows]
    together = Scores(4)
    together.add_rows(numpy.array(rows).reshape(-1, 4))
    assert values(together) == [near(*token) for token in values(scores_of(*rows))]


def test_engines_that_need_no_numpy_do_without_it() -> None:
    program = "import sys; sys.modules['numpy'] = None; from orchestra.engine import Scores; Scores(1).add([0.0])"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("top", [-1, 21])
def test_only_up_to_twenty_candidates_may_be_asked_for(top: int) -> None:
    with pytest.raises(ValueError, match=f"`top_logprobs` must be from 0 to 20, got {top}"):
        Sampling(max_tokens=1, top_logprobs=top)


def test_a_callback_for_scores_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="`on_scores` needs `Sampling.top_logprobs`"):
        Request(prompt=[1], sampling=Sampling(max_tokens=1), on_scores=lambda _: None)


def test_a_completion_has_as_many_scores_as_tokens() -> None:
    timings = Timings(submitted=0.0, finished=0.0)
    with pytest.raises(AssertionError):
        Completion(token_ids=[7, 8], logprobs=None, scores=scores_of([0.0]), finish="stop", timings=timings)
