"""Five numbers, targets to 1,000: the ranges, what a search names of its results, and the flawless player in narrow windows."""

from __future__ import annotations

import hashlib
from functools import partial
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra.countdown import notation, player, search
from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.problem import FAR_TARGETS, MAX_NUMBER, TARGETS, Problem, Split, generate, named_results, targets_of
from orchestra.countdown.rules import verify
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ProblemError
from orchestra.thread import Join

FIVE = list(islice(generate("validation", seed=0, size=5), 12))
NUMBERS = st.lists(st.integers(1, MAX_NUMBER), min_size=5, max_size=5)


def play(problem: Problem, *, window: int, join: Join = "first", method: str = "fork") -> Attempt:
    setup = Setup(method=method, join=join, beam=0, child_beam=0, window=window)  # type: ignore[arg-type]
    engine = ScriptedEngine(partial(player.answer, window=window), seconds_per_token=1.0)
    return run_virtual(attempt(engine, problem, setup))


@pytest.mark.parametrize(
    ("size", "split", "keys"),
    [
        (3, "train", "c19cb35f167192e4"),
        (3, "validation", "9da4a3e028be0a1a"),
        (3, "test", "de395fd1d4554e6b"),
        (4, "train", "afdc010da1bfacdf"),
        (4, "validation", "64bd2c23f557df6a"),
        (4, "test", "f32c4d8cd9a5a260"),
    ],
)
def test_the_lists_of_three_and_four_numbers_are_those_on_which_everything_was_measured(size: int, split: Split, keys: str) -> None:
    listed = " ".join(problem.key for problem in islice(generate(split, seed=0, size=size), 50))
    assert hashlib.sha256(listed.encode()).hexdigest().startswith(keys)


def test_targets_reach_further_from_five_numbers_on() -> None:
    assert [targets_of(size) for size in (3, 4, 5, 6)] == [TARGETS, TARGETS, FAR_TARGETS, FAR_TARGETS]
    assert Problem((1, 2, 3, 4, 99), 1_000).target == 1_000
    for numbers, target, said in (((3, 5, 7, 9), 101, r"10\.\.100, got 101"), ((3, 5, 7, 9, 11), 1_001, r"10\.\.1000, got 1001")):
        with pytest.raises(ProblemError, match=said):
            Problem(numbers, target)
    assert all(problem.solvable for problem in FIVE) and max(problem.target for problem in FIVE) > 100


def named(ids: tuple[int, ...]) -> list[int]:
    """The results that a search names of two numbers."""
    found: list[int] = []
    for part in notation.text(ids).split(" : ")[1:]:
        for word in part.split():
            if not word.isdigit():
                break
            found.append(int(word))
    return found


@given(NUMBERS, st.sampled_from(FAR_TARGETS))
def test_a_search_names_the_results_in_the_narrowest_range_that_holds_its_target(numbers: list[int], target: int) -> None:
    problem = Problem(tuple(numbers), target)
    results = named(search.serial(problem, beam=3).token_ids)
    assert all(result in named_results(target) for result in results)
    assert named_results(target) == (TARGETS if target <= 100 else FAR_TARGETS)
    if target <= 100:
        four = search.serial(Problem(tuple(numbers[:4]), target), beam=3)
        assert all(result in TARGETS for result in named(four.token_ids))


def test_results_above_100_are_named_on_the_way_to_a_far_target() -> None:
    results = [result for problem in FIVE if problem.target > 100 for result in named(search.far_serial(problem).token_ids)]
    assert any(result > 100 for result in results) and max(results) <= 1_000


@pytest.mark.parametrize("join", ["all", "first"])
def test_forks_over_two_generations_solve_most_problems_and_no_context_leaves_the_window(join: Join) -> None:
    played = [play(problem, window=160, join=join) for problem in FIVE]
    assert sum(one.correct for one in played) >= 10
    requests = [request for one in played for request in one.tree.requests()]
    assert max(len(context) + len(completion.token_ids) for context, completion in requests) <= 160
    threads = [thread for one in played for thread in one.tree.threads]
    assert {thread.depth for thread in threads} == {0, 1, 2}
    assert {thread.status for thread in threads} <= {"finished", "cancelled"}


def test_one_thread_in_the_same_window_solves_fewer_than_in_its_whole_context() -> None:
    problems = list(islice(generate("validation", seed=0, size=5), 30))
    narrow, whole = (sum(play(one, window=window, method="serial").correct for one in problems) for window in (160, 1_024))
    assert narrow < whole < 20


@given(st.sampled_from(FIVE), st.integers(100, 256))
def test_a_thread_below_searches_what_fits_whatever_comes_of_it(problem: Problem, window: int) -> None:
    root = notation.fork_prompt(problem, beam=notation.FREE, child_beam=notation.FREE)
    for first in search.far_calls(problem, window - len(root))[:2]:
        prompt = notation.child_prompt(root, notation.call(first))
        for second in search.far_child(problem, first, window - len(prompt))[1][:3]:
            below = notation.child_prompt(prompt, notation.call(second))
            trace = search.far_below(problem, first, second, window - len(below))
            assert len(below) + len(trace.token_ids) <= max(window, 110)  # one state is always searched
            if trace.path:
                assert verify(problem.numbers, problem.target, trace.path) is None
            wider = search.far_below(problem, first, second, 1_000)
            assert wider.searched[: len(trace.searched)] == trace.searched


def test_a_call_for_a_generation_too_deep_is_an_honest_no() -> None:
    played = play(FIVE[0], window=160)
    prompt = next(tuple(thread.prompt) for thread in played.tree.threads if thread.depth == 2)
    words = player.answer(prompt, window=160)
    third = notation.read_numbers(words[words.index(notation.ID["<3>"]) + 1 :][:1])
    assert third
    deeper = (*prompt[:-1], notation.CALL, *notation.number(third[0]), notation.ID["+"], *notation.number(third[0]), notation.GO)
    assert player.answer(deeper, window=160) == (notation.NONE, notation.END)
