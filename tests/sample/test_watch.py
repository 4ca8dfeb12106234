"""What a streamed trace tells its policy does not depend on how its tokens come."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.engine.scores import Scores
from orchestra.sample.policy import Needs
from orchestra.sample.watch import Watch

groups = st.lists(st.integers(1, 40), max_size=30)


def scores(values: list[int]) -> Scores:
    floats = array("f", values)
    return Scores(20, floats, floats[:], floats[:])


@given(groups, st.integers(0, 17), st.integers(0, 17))
def test_every_piece_and_every_last_milestone_is_told_as_soon_as_it_is_there(groups: list[int], stride: int, every: int) -> None:
    watch = Watch(Needs(stride=stride, tokens_every=every))
    told: list[float] = []
    reached = 0
    for count in groups:
        before = watch.tokens
        due = watch.take(count, scores(list(range(before, before + count))))
        assert watch.tokens == before + count
        passed = bool(every) and watch.tokens // every > before // every
        whole = bool(stride) and watch.tokens // stride > before // stride
        assert due == (passed or whole)
        if due:
            told += watch.pieces()
            milestone = watch.milestone()
            assert (milestone is not None) == passed
            reached = milestone or reached
    total = sum(groups)
    assert reached == (total // every * every if every else 0)
    assert (
        told == [pytest.approx(first + (stride - 1) / 2) for first in range(0, total // stride * stride, stride)]
        if stride
        else not told
    )


def test_without_scores_there_are_milestones_only() -> None:
    watch = Watch(Needs(stride=4, tokens_every=6))
    assert watch.take(5, None) and watch.pieces() == () and watch.milestone() is None
    assert watch.take(3, None) and watch.pieces() == () and watch.milestone() == 6
