"""Demonstrations of children that fork again are checked like all others: every legal search has no flaws, and what is planted is found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.training.countdown_demos import free_demonstrations, main
from orchestra.training.countdown_problems import problems_of
from orchestra.training.formats import check_file, expected
from orchestra.training.formats.check import check_unit
from orchestra.training.rollout import Unit

from orchestra.countdown import notation, player, search
from orchestra.countdown.attempt import Setup, attempt
from orchestra.countdown.problem import generate
from orchestra.countdown.rules import Operation
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ProblemError

N, CALL, GOAL, NONE, END = notation.number, notation.CALL, notation.GOAL, notation.NONE, notation.END


def units(seed: int, window: int, problems: int = 2) -> Iterator[Unit]:
    rng = random.Random(seed)
    for problem in islice(problems_of("train", rng), problems):
        for demo in free_demonstrations(problem, rng, window):
            yield Unit(demo.prompt, demo.target, (), "?")


KNOWN = [unit for unit in units(1, 92, problems=40) if unit.prompt[1] == notation.CHILD]
BLOCKS = [unit for unit in KNOWN if unit.sampled[-1] == notation.WAIT]
JOINS = [unit for unit in KNOWN if unit.prompt[-1] == notation.RESULTS_END]
BELOW = [unit for unit in KNOWN if unit.prompt.count(CALL) == 2]


def spoiled(unit: Unit, *, prompt: tuple[int, ...] | None = None, sampled: tuple[int, ...] | None = None) -> list[str]:
    """The flaws of a unit that had none."""
    assert check_unit(unit) == []
    return check_unit(replace(unit, prompt=prompt or unit.prompt, sampled=sampled or unit.sampled))


@given(st.integers(0, 10_000), st.integers(84, 200))
@settings(max_examples=40)
def test_nested_searches_have_no_flaws_in_any_window_and_none_is_of_another_split(seed: int, window: int) -> None:
    for unit in units(seed, window, 1):
        assert check_unit(unit) == []
        assert "belongs to the train split" in check_unit(unit, split="test")[0]


@pytest.mark.parametrize("window", [92, 120])
def test_what_a_flawless_player_writes_live_has_no_flaws(window: int) -> None:
    setup = Setup(beam=0, child_beam=0, window=window)
    nested = 0
    for problem in islice(generate("validation", seed=2, size=4), 12):
        engine = ScriptedEngine(partial(player.answer, window=window), seconds_per_token=1.0)
        for thread in run_virtual(attempt(engine, problem, setup)).tree.threads:
            nested += thread.depth == 2
            for context, completion in thread.requests():
                unit = Unit(tuple(context), tuple(completion.token_ids), (), thread.id)
                assert check_unit(unit, split="validation", problem=problem) == []
    assert nested


@pytest.mark.parametrize("units", [BLOCKS, BELOW], ids=["forking", "below"])
def test_a_search_that_was_cut_anywhere_has_no_flaws_when_it_need_not_be_whole(units: list[Unit]) -> None:
    for unit in units[:10]:
        for end in range(1, len(unit.sampled)):
            cut = replace(unit, sampled=unit.sampled[:end])
            assert check_unit(cut, whole=False) == [] and check_unit(cut) != []


@given(st.sampled_from(KNOWN), st.data())
@settings(max_examples=150)
def test_another_number_in_a_search_or_an_answer_is_found(unit: Unit, data: st.DataObject) -> None:
    end = unit.sampled.index(CALL) if CALL in unit.sampled else len(unit.sampled)
    places = [place for place in range(end) if notation.read_numbers([unit.sampled[place]])]
    if not places:
        return  # only `<none>`
    place = data.draw(st.sampled_from(places))
    other = data.draw(st.integers(0, 99).map(lambda value: N(value)[0]).filter(lambda token: token != unit.sampled[place]))
    assert spoiled(unit, sampled=(*unit.sampled[:place], other, *unit.sampled[place + 1 :]))


@given(st.sampled_from(BELOW), st.data())
def test_one_token_that_is_another_in_a_prompt_with_two_calls_is_found(unit: Unit, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(unit.prompt) - 1))
    other = data.draw(st.integers(0, len(notation.VOCABULARY) - 1).filter(lambda token: token != unit.prompt[place]))
    problem, _ = expected(unit.prompt)
    changed = replace(unit, prompt=(*unit.prompt[:place], other, *unit.prompt[place + 1 :]))
    assert check_unit(unit, problem=problem) == [] and check_unit(changed, problem=problem)


def calls_of(unit: Unit) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """What a forking child searched itself, and its calls."""
    start = unit.sampled.index(CALL)
    calls: list[tuple[int, ...]] = []
    for token in unit.sampled[start:-1]:
        calls = [*calls, (token,)] if token == CALL else [*calls[:-1], (*calls[-1], token)]
    return unit.sampled[:start], calls


@pytest.mark.parametrize("unit", BLOCKS[:5])
def test_calls_that_a_child_may_not_make_are_found(unit: Unit) -> None:
    own, calls = calls_of(unit)
    block = [token for call in calls for token in call]
    wait = unit.sampled[-1]
    operation = unit.prompt[unit.prompt.index(CALL) : -1]
    second = own.index(notation.ID["<2>"]) if notation.ID["<2>"] in own else None
    assert spoiled(unit, sampled=(*own, *block, *calls[0], wait)), "twice"
    assert spoiled(unit, sampled=(*own, CALL, *N(99), notation.ID["*"], *N(98), *block, wait)), "of numbers that are not there"
    assert spoiled(unit, sampled=(*own, *operation, *block, wait)), "of its parent's state, whose numbers are used up"
    assert spoiled(unit, sampled=(*own, *block)), "without an end"
    assert spoiled(unit, sampled=(*own, wait)), "of nobody"
    if second is not None:
        searched = (CALL, *own[second + 1 : own.index(notation.EQUALS, second)])
        assert spoiled(unit, sampled=(*own, *searched, *block, wait)), "of a state that it has searched itself"
    assert spoiled(unit, sampled=(*own, *block, wait, NONE, END)), "before an end"


def test_calls_after_a_path_that_it_has_found_itself_are_found() -> None:
    winner = next(
        unit for unit in KNOWN if GOAL in unit.sampled and unit.prompt.count(CALL) == 1 and unit.prompt[-1] == notation.GO
    )
    start = winner.sampled.index(GOAL)
    call = (CALL, *winner.prompt[winner.prompt.index(CALL) + 1 : -1])
    assert spoiled(winner, sampled=(*winner.sampled[:start], *call, notation.WAIT))


def path(unit: Unit) -> tuple[int, ...]:
    return unit.sampled[unit.sampled.index(GOAL) : -1]


def test_answers_that_leaked_are_found() -> None:
    # Of the same problem: the answer is right, but nothing in the prompt of this thread leads to it.
    for unit in [one for one in BELOW if GOAL not in one.sampled]:
        task = unit.prompt[: unit.prompt.index(CALL)]
        if known := next((one for one in KNOWN if one.prompt[: len(task)] == task and GOAL in one.sampled), None):
            break
    else:
        raise AssertionError("no failing thread below a child of a problem whose answer is shown")
    assert "does not follow from the prompt" in spoiled(unit, sampled=(*unit.sampled[:-2], *path(known), END))[0]
    assert spoiled(unit, sampled=(*path(known), END))


def test_an_answer_that_no_child_returned_is_found() -> None:
    winner = next(unit for unit in JOINS if GOAL in unit.sampled)
    lost = (*winner.prompt[: winner.prompt.index(GOAL)], NONE, notation.RESULTS_END)
    assert "does not follow from the prompt" in spoiled(winner, prompt=lost)[0]
    assert "does not follow from the prompt" in spoiled(winner, sampled=(NONE, END))[0]
    loser = next(unit for unit in JOINS if GOAL not in unit.prompt)
    assert "does not follow from the prompt" in spoiled(loser, sampled=(*path(winner), END))[0]


def test_results_that_no_child_of_it_can_have_returned_are_found() -> None:
    unit = next(unit for unit in JOINS if GOAL in unit.sampled)
    place = unit.prompt.index(notation.RESULTS)
    own, block = unit.prompt[:place], unit.prompt[place:]
    assert "outcomes of" in spoiled(unit, prompt=(*own, *block[:-1], *[NONE] * 40, notation.RESULTS_END))[0]
    assert "no block of results" in spoiled(unit, prompt=own)[0]
    assert "no block of results" in spoiled(unit, prompt=(*own, notation.RESULTS, notation.RESULTS_END))[0]
    last = len(block) - 1 - block[::-1].index(notation.EQUALS)
    wrong = (*block[: last + 1], *N(0), *block[last + 2 :])
    assert "a returned path is wrong" in spoiled(unit, prompt=(*own, *wrong))[0]
    assert "its own search is not" in spoiled(unit, prompt=(*own[:-1], *block))[0]
    # A right path, but of a child that another call asked for.
    head = unit.prompt[: unit.prompt.index(CALL)]
    problem, _ = expected((*head[:1], notation.FORK, head[2], *head[2:], notation.GO))
    found = search.serial(problem, beam=1_000).path
    assert found
    operations = [one for one in search.calls(problem, beam=30) if one != found[0]]
    for operation in operations:
        prompt = (*head, CALL, *notation.call(operation), notation.GO)
        visit = notation.visit(1, operation, search.rest(operation, search.state_after(problem.numbers, operation)))
        with pytest.raises(ProblemError, match="not of a state that it could call for"):
            expected((*prompt, *visit, notation.RESULTS, *notation.goal(found), notation.RESULTS_END))


def test_prompts_that_call_for_too_much_or_come_from_another_width_are_refused() -> None:
    unit = BELOW[0]
    head = unit.prompt[:-1]
    second = unit.sampled.index(notation.ID["<2>"])
    words = unit.sampled[second + 1 :]
    result = notation.read_numbers(words[words.index(notation.EQUALS) + 1 : words.index(notation.LEAVES)])
    assert result and len(result) == 2
    third = notation.call(Operation(max(result), "+", min(result), 0))
    with pytest.raises(ProblemError, match="nothing to search"):
        expected((*head, CALL, *third, notation.GO))
    with pytest.raises(ProblemError, match="children of a given width do not fork"):
        expected((*unit.prompt[:2], *N(12), *unit.prompt[3:]))


def test_files_of_nested_demonstrations_pass_the_check(tmp_path: Path) -> None:
    main(["--problems", "12", "--free", "0.8", "--window", "92", "--workers", "1", "--out", str(tmp_path)])
    report = check_file(tmp_path / "demos-0000.npz")
    assert report.flaws == [] and report.units > 100
