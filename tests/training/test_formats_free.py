"""Demonstrations that draw their own widths and order are checked, too: any legal search is right, and nothing else is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training.countdown_demos import free_demonstrations
from orchestra.training.countdown_problems import problems_of
from orchestra.training.formats.check import check_unit
from orchestra.training.rollout import Unit

from orchestra.countdown import notation


def units(seed: int, problems: int = 2) -> Iterator[Unit]:
    rng = random.Random(seed)
    for problem in islice(problems_of("train", rng), problems):
        for demo in free_demonstrations(problem, rng):
            yield Unit(demo.prompt, demo.target, (), "?")


@given(st.integers(0, 10_000))
def test_searches_of_any_width_and_order_have_no_flaws_and_none_is_of_another_split(seed: int) -> None:
    for unit in units(seed, 1):
        assert check_unit(unit) == []
        assert "belongs to the train split" in check_unit(unit, split="test")[0]


@given(st.integers(0, 10_000), st.data())
def test_a_search_that_was_cut_anywhere_has_no_flaws_when_it_need_not_be_whole(seed: int, data: st.DataObject) -> None:
    unit = next(units(seed))
    end = data.draw(st.integers(1, len(unit.sampled) - 1))
    cut = replace(unit, sampled=unit.sampled[:end])
    assert check_unit(cut, whole=False) == []
    assert check_unit(cut) != []


@given(st.integers(0, 10_000), st.data())
def test_a_search_in_which_one_word_is_another_number_is_a_flaw(seed: int, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from([one for one in units(seed) if notation.CALL not in one.sampled]))
    places = [place for place, token in enumerate(unit.sampled) if notation.read_numbers([token])]
    if not places:
        return  # only `<none>`
    place = data.draw(st.sampled_from(places))
    other = notation.number((notation.read_numbers([unit.sampled[place]]) or [0])[0] % 99 + 1)
    assert check_unit(replace(unit, sampled=(*unit.sampled[:place], *other, *unit.sampled[place + 1 :])))


@pytest.mark.parametrize("wrong", ["twice", "illegal", "unfinished"])
def test_calls_that_are_made_twice_or_illegal_or_do_not_end_are_flaws(wrong: str) -> None:
    unit = next(one for one in units(1) if one.sampled[0] == notation.CALL and one.sampled.count(notation.CALL) > 1)
    second = unit.sampled.index(notation.CALL, 1)
    first = unit.sampled[:second]
    spoiled = {
        "twice": first + unit.sampled,
        "illegal": (notation.CALL, *notation.number(99), *first[2:], *unit.sampled[second:]),
        "unfinished": unit.sampled[:-1],
    }[wrong]
    assert check_unit(unit) == [] and check_unit(replace(unit, sampled=spoiled))
