"""Demonstrations of five numbers: without flaws, within their window, of their split, and the same as what the player plays."""

from __future__ import annotations

import random
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.training import five
from orchestra.training.countdown_demos import free_demonstrations, main
from orchestra.training.countdown_format import malformed_parts
from orchestra.training.countdown_problems import problems_of
from orchestra.training.formats import check_file
from orchestra.training.formats.check import check_unit
from orchestra.training.packing import load
from orchestra.training.rollout import Unit

from orchestra.countdown import notation, player, search
from orchestra.countdown.attempt import FORK, Setup, attempt
from orchestra.countdown.problem import generate
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.thread import Join


def units(seed: int, window: int, problems: int = 1) -> list[Unit]:
    rng = random.Random(seed)
    drawn = islice(problems_of("train", rng, size=five.SIZE), problems)
    return [Unit(one.prompt, one.target, (), "?") for problem in drawn for one in free_demonstrations(problem, rng, window)]


@given(st.integers(0, 10_000), st.integers(five.LEAST_WINDOW, 256))
@settings(max_examples=12, deadline=None)
def test_forks_have_no_flaws_in_any_window_fit_it_and_none_is_of_another_split(seed: int, window: int) -> None:
    for unit in units(seed, window):
        if len(unit.prompt) + len(unit.sampled) <= 1_024:
            assert check_unit(unit) == []
        assert "belongs to the train split" in check_unit(unit, split="test")[0]
        if unit.prompt[1] != notation.SERIAL:
            assert len(unit.prompt) + len(unit.sampled) <= window


def test_every_level_is_shown_failing_and_succeeding_with_both_joins() -> None:
    shown = units(1, 160, problems=12)
    for calls in (0, 1, 2):
        level = [unit for unit in shown if unit.prompt[1] != notation.SERIAL and unit.prompt.count(notation.CALL) == calls]
        ends = {unit.sampled[0] if unit.prompt[-1] == notation.RESULTS_END else unit.sampled[-1] for unit in level}
        if calls < 2:
            assert ends == {notation.GOAL, notation.NONE, FORK.markers.wait}
            assert any(notation.CANCELLED in unit.prompt for unit in level)
        else:
            assert ends == {notation.END} and {notation.GOAL in unit.sampled for unit in level} == {True, False}
    serial = [unit for unit in shown if unit.prompt[1] == notation.SERIAL]
    assert len(serial) == 12 and all(unit.prompt[2] == notation.number(notation.FREE)[0] for unit in serial)


def test_another_result_in_a_thread_below_is_found() -> None:
    unit = next(one for one in units(2, 160, problems=3) if one.prompt.count(notation.CALL) == 2)
    place = unit.sampled.index(notation.LEAVES) - 1
    other = notation.number(7)[0] if unit.sampled[place] != notation.number(7)[0] else notation.number(8)[0]
    assert check_unit(unit) == []
    assert check_unit(Unit(unit.prompt, (*unit.sampled[:place], other, *unit.sampled[place + 1 :]), (), "?"))


@pytest.mark.parametrize("join", ["all", "first"])
def test_what_the_player_writes_live_has_no_flaws_and_is_what_demonstrations_in_promising_order_show(join: Join) -> None:
    window, setup = 160, Setup(join=join, beam=0, child_beam=0, window=160, logprobs=True)
    for problem in islice(generate("validation", seed=3, size=five.SIZE), 2):
        engine = ScriptedEngine(partial(player.answer, window=window), seconds_per_token=1.0)
        played = run_virtual(attempt(engine, problem, setup))
        assert malformed_parts(played) == 0
        for thread in played.tree.threads[:60]:
            for context, completion in thread.requests():
                unit = Unit(tuple(context), tuple(completion.token_ids), (), thread.id)
                assert check_unit(unit, split="validation", whole=thread.status == "finished", problem=problem) == []
        root = notation.fork_prompt(problem, beam=notation.FREE, child_beam=notation.FREE)
        for operation in search.far_calls(problem, window - len(root)):
            child = five.child(problem, operation, parent=root, window=window)
            assert child.written == player.answer(child.prompt, window=window)
            below = notation.child_prompt(child.prompt, notation.call(child.called[-1]))
            assert child.below[-1].token_ids == player.answer(below, window=window)


def test_problems_of_five_numbers_have_far_targets_and_some_have_no_solution() -> None:
    problems = list(islice(problems_of("train", random.Random(3), size=five.SIZE), 100))
    assert {len(problem.numbers) for problem in problems} == {five.SIZE} and {problem.split for problem in problems} == {"train"}
    assert max(problem.target for problem in problems) > 500
    assert 0 < sum(not problem.solvable for problem in problems) < 20


def test_files_pass_the_check_and_their_tokens_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--size", "5", "--window", "160", "--problems", "8", "--workers", "1", "--out", str(tmp_path)])
    report = check_file(tmp_path / "demos-0000.npz")
    assert report.flaws == [] and report.units > 100
    assert f"1/1 shards, {load([tmp_path / 'demos-0000.npz']).num_tokens:,} tokens, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--size 5", "--size 5 needs a --window of 128 tokens at least\n"),
        ("--size 5 --window 92", "--size 5 needs a --window of 128 tokens at least, got 92"),
        ("--size 5 --window 0", "--size 5 needs a --window of 128 tokens at least, got 0"),
        ("--size 5 --window 160 --large 0.4", "--large is for problems of four numbers: leave it out, or --size 5"),
    ],
)
def test_what_five_numbers_cannot_be_shown_with_is_a_wrong_argument(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: str, message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*options.split(), "--problems", "8", "--out", str(tmp_path / "demos")])
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_a_window_that_holds_no_useful_thread_is_refused() -> None:
    problem = next(problems_of("train", random.Random(0), size=five.SIZE))
    with pytest.raises(ConfigError, match="128 tokens at least, got 92"):
        list(free_demonstrations(problem, random.Random(0), 92))
