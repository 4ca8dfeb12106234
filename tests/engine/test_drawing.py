"""Draws for many rows at once are those for each of them alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from orchestra.engine import drawing
from orchestra.engine.drawing import How, LogitsError, draw, refuse_no_numbers

Asked = tuple[float, float, float]
"""A row's uniform number, temperature and top-p."""


def drawn(logits: Any, asked: list[Asked], *, top: int = 0, nucleus: bool | None = None) -> Any:
    columns = torch.tensor(asked, dtype=torch.float64).unbind(-1)
    some = any(top_p < 1 for *_, top_p in asked) if nucleus is None else nucleus
    return draw(logits, *columns, How(nucleus=some, top=top))


asked_rows = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([0.0, 1e-300, 0.3, 1.0, 2.5, 1e30]),
        st.sampled_from([1.0, 0.999, 0.5, 1e-9]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(asked_rows, st.integers(0, 2**31), st.sampled_from([1, 2, 50]), st.integers(0, 5))
def test_a_row_draws_the_same_among_any_others(asked: list[Asked], seed: int, vocabulary: int, top: int) -> None:
    logits = 4 * torch.randn(len(asked), vocabulary, generator=torch.Generator().manual_seed(seed))
    together = drawn(logits, asked, top=top)
    for index, row in enumerate(asked):
        alone = drawn(logits[index : index + 1], [row], top=top)
        assert together[index].tolist() == pytest.approx(alone[0].tolist(), abs=1e-6)
        assert together[index, 1] > -math.inf


def test_rows_that_do_not_fit_together_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(7, 10, generator=torch.Generator().manual_seed(0))
    asked = [(index / 7, 1.0, 1.0) for index in range(7)]
    whole = drawn(logits, asked)
    monkeypatch.setattr(drawing, "_MOST_NUMBERS", 25)
    assert drawn(logits, asked).equal(whole)


def test_tokens_are_the_inverse_of_the_cumulated_probabilities() -> None:
    logits = torch.tensor([0.5, 0.0, 0.25, 0.25]).log().expand(6, 4)
    uniform = [0.0, 0.49, 0.51, 0.74, 0.76, 1 - 2**-53]
    assert drawn(logits, [(number, 1.0, 1.0) for number in uniform])[:, 0].tolist() == [0, 0, 2, 2, 3, 3]


def test_the_largest_uniform_number_finds_no_token_that_cannot_come() -> None:
    logits = torch.tensor([[0.3, 0.7, 0.1, -math.inf, -math.inf]])
    assert drawn(logits, [(1 - 2**-53, 1.0, 1.0)])[0, 0] == 2


def test_greedy_rows_take_the_likeliest_token_under_temperature_one_whatever_their_top_p() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    token, logprob, _ = drawn(logits, [(0.99, 0.0, 0.1)])[0].tolist()
    assert (token, logprob) == (1, pytest.approx(float(logits[0].log_softmax(-1)[1])))


def test_the_tiniest_temperature_is_greedy() -> None:
    assert drawn(torch.tensor([[1.0, 3.0, 2.0]]), [(0.99, 1e-300, 1.0)])[0, :2].tolist() == [1, 0.0]


def test_top_p_keeps_the_fewest_tokens_that_hold_its_mass_and_their_logprobs_are_renormalised() -> None:
    logits = torch.tensor([[0.2, 0.5, 0.3]]).log()
    token, logprob, _, *top = drawn(logits, [(0.99, 1.0, 0.6)], top=3)[0].tolist()
    assert (token, logprob) == (2, pytest.approx(math.log(0.375)))
    assert top == [pytest.approx(math.log(0.625)), pytest.approx(math.log(0.375)), -math.inf]


def test_a_top_p_of_one_cuts_nothing_off_beside_a_row_that_has_one() -> None:
    logits = torch.tensor([0.0, *[-17.0] * 40]).expand(2, 41)
    asked = [(0.999_999_9, 1.0, 1.0), (0.5, 1.0, 0.5)]
    assert drawn(logits, asked)[0].equal(drawn(logits[:1], asked[:1])[0])


@pytest.mark.parametrize("bad", [[1.0, math.nan, 2.0], [math.inf, 0.0, 0.0], [-math.inf] * 3])
def test_logits_that_are_no_numbers_are_an_error_which_counts_the_rows(bad: list[float]) -> None:
    found = drawn(torch.tensor([[1.0, 2.0, 3.0], bad, bad]), [(0.5, 1.0, 0.9)] * 3)
    with pytest.raises(LogitsError, match="no numbers in 2 of 3 rows"):
        refuse_no_numbers(found[:, 2])
    refuse_no_numbers(found[:1, 2])


def test_a_token_that_cannot_come_is_no_error() -> None:
    found = drawn(torch.tensor([[1.0, -math.inf, 2.0]]), [(0.5, 0.0, 1.0)])
    refuse_no_numbers(found[:, 2])
    assert found[0, 0] == 2
