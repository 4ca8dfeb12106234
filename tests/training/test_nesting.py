"""Children that fork again: every context fits the window, and what demonstrations show is what a run asks for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.training import nesting
from orchestra.training.countdown_demos import free_demonstrations, main
from orchestra.training.countdown_format import malformed_parts
from orchestra.training.countdown_problems import problems_of

from orchestra.countdown import notation, search
from orchestra.countdown.attempt import FORK, Attempt, Setup, attempt
from orchestra.countdown.problem import Problem, generate
from orchestra.countdown.rules import verify
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual

PROBLEMS = [p for p in islice(problems_of("train", random.Random(3)), 60) if p.solvable and len(p.numbers) == 4]
HELD_OUT = list(islice(generate("validation", seed=0, size=4), 40))


def player(problem: Problem, *, window: int, looks: int) -> ScriptedEngine:
    """Writes what demonstrations with promising order show, whatever it is asked for."""
    root = notation.fork_prompt(problem, beam=notation.FREE, child_beam=notation.FREE)
    children = {
        one.prompt: one
        for call in search.fitting(search.calls(problem, beam=24), window - len(root))
        for one in [nesting.child(problem, call, parent=root, window=window, looks=looks)]
    }

    def answer(prompt: Sequence[int]) -> Sequence[int]:
        prompt = tuple(prompt)
        if prompt[-1] == notation.RESULTS_END:
            return search.final_answer([path_of(prompt)])
        if prompt == root:
            return search.calling_block([one.operation for one in children.values()])
        if prompt in children:
            return children[prompt].written
        parent = prompt[: len(prompt) - prompt[::-1].index(notation.CALL) - 1]
        one = children[(*parent, notation.GO)]
        place = [notation.call(operation) for operation in one.called].index(prompt[len(parent) + 1 : -1])
        return one.below[place].token_ids

    return ScriptedEngine(answer, seconds_per_token=1.0)


def path_of(prompt: tuple[int, ...]) -> tuple[search.Operation, ...] | None:
    results = prompt[len(prompt) - prompt[::-1].index(notation.RESULTS) : -1]
    if notation.GOAL not in results:
        return None
    words = results[results.index(notation.GOAL) :]
    other = (notation.NONE, notation.CANCELLED, notation.CUT, notation.REFUSED, notation.GOAL)
    end = next((i for i, token in enumerate(words[1:], start=1) if token in other), len(words))
    path = notation.read_path(words[:end])
    return tuple(path) if path else None


def play(problem: Problem, *, window: int, looks: int, join: str, depth: int = 2) -> Attempt:
    setup = Setup(method="fork", join=join, beam=0, child_beam=0, window=window, depth=depth, logprobs=True)  # type: ignore[arg-type]

    async def run() -> Attempt:
        async with player(problem, window=window, looks=looks) as engine:
            return await attempt(engine, problem, setup)

    return run_virtual(run())


@pytest.mark.parametrize("join", ["all", "first"])
def test_in_narrow_windows_every_problem_is_solved_by_children_that_fork(join: str) -> None:
    played = [play(problem, window=92, looks=1, join=join) for problem in HELD_OUT]
    assert all(one.correct for one in played), [one.flaw for one in played]
    assert max(thread.depth for one in played for thread in one.tree.threads) == 2
    assert max(len(thread.context) for one in played for thread in one.tree.threads) <= 92
    assert sum(map(malformed_parts, played)) == 0


def test_without_a_second_generation_their_calls_are_refused_and_fewer_problems_are_solved() -> None:
    played = [play(problem, window=92, looks=1, join="first", depth=1) for problem in HELD_OUT]
    assert any(thread.status == "refused" for one in played for thread in one.tree.threads)
    assert sum(one.correct for one in played) < len(played)
    assert sum(map(malformed_parts, played)) == 0


def test_what_a_cancelled_child_had_called_is_wasted_too() -> None:
    played = [play(problem, window=92, looks=1, join="first") for problem in HELD_OUT]
    found = 0
    for one in played:
        cancelled = [thread.id for thread in one.tree.threads if thread.status == "cancelled"]
        lost = [t for t in one.tree.threads if any(t.id == at or t.id.startswith(f"{at}.") for at in cancelled)]
        assert one.ledger.wasted == sum(len(part.token_ids) for t in lost for part in t.segments if part.sampled)
        found += any(thread.status == "finished" for thread in lost)
    assert found


@given(seed=st.integers(0, 200), window=st.integers(92, 200), looks=st.integers(0, 5))
def test_a_child_searches_each_state_once_itself_or_by_a_child_of_its_own(seed: int, window: int, looks: int) -> None:
    problem = PROBLEMS[seed % len(PROBLEMS)]
    root = notation.fork_prompt(problem, beam=notation.FREE, child_beam=notation.FREE)
    for operation in search.calls(problem, beam=3):
        one = nesting.child(problem, operation, parent=root, window=window, looks=looks)
        alone = search.child(problem, operation, beam=1_000)
        assert one.last.path == alone.path  # nothing is lost, and the order is the same
        assert one.own == alone.token_ids[: len(one.own)]
        assert len(one.prompt) + len(one.written) <= window + 4  # few paths are longer than the common ones
        if one.last.path:
            assert verify(problem.numbers, problem.target, one.last.path) is None


def test_demonstrations_stay_in_their_window_and_have_children_that_fork() -> None:
    rng = random.Random(1)
    shown = [one for problem in PROBLEMS for one in free_demonstrations(problem, rng, 92)]
    forked = [one for one in shown if one.prompt[1] != notation.SERIAL]
    too_long = [one for one in forked if len(one.prompt) + len(one.target) > 92]
    assert len(too_long) < 0.01 * len(forked)
    children = [one for one in forked if one.prompt[1] == notation.CHILD]
    assert sum(one.target[-1] == FORK.markers.wait for one in children) > 0.3 * len(PROBLEMS)
    assert any(one.prompt[-1] == notation.RESULTS_END for one in children)
    assert any(one.prompt.count(notation.CALL) == 2 for one in children)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--window 92", "--window limits the forked searches of --free"),
        ("--window 50 --free 0.7", "argument --window: must be at least 80, got 50"),
    ],
)
def test_a_window_without_free_searches_or_useful_threads_is_a_wrong_argument(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: str, message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--problems", "10", *options.split(), "--out", f"{tmp_path}/demos"])
    assert stopped.value.code == 2 and message in capsys.readouterr().err
