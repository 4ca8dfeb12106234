"""Prompts that are read together, and the few shapes in which that is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numpy")

from orchestra.engine import prefill
from orchestra.engine.prefill import MOST_FILLED, PREFILL_CHUNK, PREFILL_TOKENS
from orchestra.engine.shapes import few_rows, few_tokens


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(1, 600))
def test_every_prompt_is_read_once_beside_such_as_are_alike(lengths: list[int], most: int) -> None:
    prompts = [[1 + index] * length for index, length in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prefill, "PREFILL_TOKENS", most)
        found = list(prefill.groups(prompts, range(100, 100 + len(prompts))))
    read = [place for group in found for place in group.places]
    assert sorted(read) == [100 + index for index, length in enumerate(lengths) if length]
    for group in found:
        assert len(group.places) == 1 or group.ids.size <= most
        for place, length, ids in zip(group.places, group.lengths, group.ids, strict=True):
            assert ids[:length].tolist() == prompts[place - 100]
        assert sum(group.lengths) * 2 >= group.ids.size
        assert all(group.longer_than(start) == sum(length > start for length in group.lengths) for start in (0, 5, 50))


@given(st.integers(1, PREFILL_CHUNK), st.integers(1, 2000))
def test_a_group_that_is_filled_up_repeats_its_last_row_and_has_room(length: int, many: int) -> None:
    first, *_ = prefill.groups([[7] * length] * many, range(many))
    rows, tokens = few_rows(len(first.places)), few_tokens(length)
    filled = first.filled(rows, tokens)
    assert filled.size <= MOST_FILLED
    assert filled[:, 0].tolist() == first.places + [first.places[-1]] * (rows - len(first.places))
    assert (filled[:, 1 : 1 + length] == 7).all() and not filled[:, 1 + length :].any()


@given(st.integers(1, 10_000))
def test_numbers_are_rounded_up_to_few(num: int) -> None:
    assert num <= few_rows(num) < 2 * num or num == few_rows(num) == 1
    assert num <= few_tokens(num) < max(2 * num, 17)
    assert len({few_rows(size) for size in range(1, num + 1)}) <= 2 * num.bit_length()


@pytest.mark.parametrize(("num", "few"), [(1, 1), (3, 4), (33, 48), (48, 48), (49, 64), (65, 96), (97, 128), (1537, 2048)])
def test_few_numbers_of_rows_are_passed(num: int, few: int) -> None:
    assert few_rows(num) == few


def test_the_largest_group_is_bounded() -> None:
    [first, *_] = prefill.groups([[1]] * 20_000, range(20_000))
    assert len(first.places) * 16 == PREFILL_TOKENS
