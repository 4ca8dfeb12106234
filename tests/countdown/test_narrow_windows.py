"""The flawless player where a whole search does not fit: its children fork, every context fits, and nothing is lost."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from orchestra.cli import main
from orchestra.countdown import notation, player
from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.problem import Problem, generate
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.thread import Join

PROBLEMS = list(islice(generate("validation", seed=0, size=4), 30))
NESTED = Problem((92, 84, 69, 4), 37)
"""In 92 tokens no child finds its solution itself."""


def play(problem: Problem, *, window: int, join: Join = "first", depth: int = 2) -> Attempt:
    setup = Setup(join=join, beam=0, child_beam=0, window=window, depth=depth)
    engine = ScriptedEngine(partial(player.answer, window=window), seconds_per_token=1.0)
    return run_virtual(attempt(engine, problem, setup))


@pytest.mark.parametrize("join", ["all", "first"])
@pytest.mark.parametrize("window", [92, 120, 160])
def test_every_problem_is_solved_within_the_window(window: int, join: Join) -> None:
    played = [play(problem, window=window, join=join) for problem in PROBLEMS]
    assert all(one.correct for one in played)
    requests = [request for one in played for request in one.tree.requests()]
    assert max(len(context) + len(completion.token_ids) for context, completion in requests) <= window
    assert any(thread.depth == 2 for one in played for thread in one.tree.threads) == (window < 160)


def test_one_generation_of_children_solves_fewer() -> None:
    played = [play(problem, window=92, depth=1) for problem in PROBLEMS]
    assert 0 < sum(one.correct for one in played) < len(played)
    assert {thread.depth for one in played for thread in one.tree.threads if thread.status != "refused"} == {0, 1}


def test_a_childs_answer_may_come_from_a_child_of_its_own() -> None:
    played = play(NESTED, window=92)
    (fork,) = played.tree.root.forks
    assert fork.winner is not None and fork.winner.id == "0.0"
    (below,) = fork.winner.forks
    assert below.winner is not None and below.winner.id == "0.0.6"
    said = [notation.read_path(thread.last_words) for thread in (played.tree.root, fork.winner, below.winner)]
    assert said[0] == said[1] == said[2] and played.correct


def test_prompts_with_given_widths_and_windows_that_are_not_known_are_played_as_always() -> None:
    for problem in PROBLEMS[:5]:
        given = notation.fork_prompt(problem, beam=24, child_beam=12)
        assert player.answer(given, window=92) == player.answer(given)
        free = notation.fork_prompt(problem, beam=0, child_beam=0)
        assert player.answer(free) == player.answer(given)
        assert len(player.answer(free, window=60)) < len(player.answer(free))


def test_a_window_without_room_for_any_child_is_an_honest_no() -> None:
    played = play(PROBLEMS[0], window=30)
    assert played.answer is None and played.error is None and played.tree.root.status in ("cut", "finished")


def solve(*options: str) -> int:
    numbers = map(str, NESTED.numbers)
    search = ["--beam", "0", "--child-beam", "0", "--window", "92"]
    return main(["solve", "--engine", "scripted", "--numbers", *numbers, "--target", str(NESTED.target), *search, *options])


def test_solve_shows_children_of_children_on_the_terminal_and_on_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert solve("--join", "all", "--page", str(page)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("0.0.0  started   <bos> <child> 0 <target> 37") and line.count("<call>") == 2 for line in lines)
    assert 'data-thread="0.0.0"' in page.read_text()


def test_depth_says_how_many_generations_may_run(capsys: pytest.CaptureFixture[str]) -> None:
    solve("--join", "all", "--depth", "1")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("0.0.0 ") and "refused" in line for line in lines)
    assert not any(line.startswith("0.0.0 ") and "started" in line for line in lines)
    assert solve("--depth", "0") == 1
    with pytest.raises(SystemExit):
        solve("--depth", "-1")
    assert "--depth" in capsys.readouterr().err
