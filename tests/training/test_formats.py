"""Demonstrations in every format: the same search, valid in its protocol, without leaks; and what the checks find in spoiled ones."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from orchestra.training.countdown_demos import demonstrations
from orchestra.training.countdown_problems import problems_of
from orchestra.training.formats import (
    CONVERTERS,
    FORMATS,
    DemoTree,
    Format,
    check_file,
    check_tree,
    expected,
    fates,
    protocol_of,
    read_trees,
    searched,
    write_trees,
)
from orchestra.training.formats.__main__ import main
from orchestra.training.formats.make import demonstrated
from orchestra.training.formats.replay import replay
from orchestra.training.formats.search import Ended
from orchestra.training.packing import Demonstration, pack
from orchestra.training.rollout import Unit

from orchestra.countdown import notation
from orchestra.countdown.attempt import WEAVE
from orchestra.countdown.problem import Problem, generate
from orchestra.countdown.rules import verify
from orchestra.engine import Sampling
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, ProblemError
from orchestra.thread import Join, Limits, run_tree

FORKED: tuple[Format, ...] = ("apr", "weaver")
JOINS = st.sampled_from(["all", "first"])
SEEDS = st.integers(0, 10**6)


def problem_of(seed: int) -> Problem:
    return next(problems_of("train", random.Random(seed)))


def solved(format: Format, join: Join = "first") -> DemoTree:
    """A demonstration with a failure, a success and, if the join is "first", a cancelled child."""
    for problem in generate("train", seed=3):
        found = searched(problem, beam=8, child_beam=6)
        children = fates(found, join=join, rng=random.Random(1), spoil=0.0)
        some = [child for child in children if child.fate == "finished"]
        if {bool(child.path) for child in some} == {True, False} and (join == "all" or len(some) < len(children)):
            return CONVERTERS[format](found, children, join)
    raise AssertionError


@given(SEEDS, st.sampled_from(FORMATS))
@settings(max_examples=60)
def test_every_demonstration_is_valid_and_without_leaks(seed: int, format: Format) -> None:
    rng = random.Random(seed)
    assert check_tree(demonstrated(next(problems_of("train", rng)), format, rng)) == []


@given(SEEDS, JOINS)
@settings(max_examples=40)
def test_both_formats_demonstrate_the_same_children_and_the_same_answer(seed: int, join: Join) -> None:
    found = searched(problem_of(seed), beam=12, child_beam=8)
    children = fates(found, join=join, rng=random.Random(seed))
    apr, weaver = (CONVERTERS[format](found, children, join) for format in FORKED)
    assert apr.fates == weaver.fates
    assert apr.units[1].sampled == weaver.units[1].sampled
    swap = {notation.END: notation.THREAD_END}
    for one, other in zip(apr.units[2:], weaver.units[2:], strict=True):
        assert (one.thread, tuple(swap.get(token, token) for token in one.sampled)) == (other.thread, other.sampled)


@given(SEEDS)
@settings(max_examples=30)
def test_a_childs_prompt_shows_its_parents_outlines_in_one_format_and_only_its_own_call_in_the_other(seed: int) -> None:
    found = searched(problem_of(seed), beam=6, child_beam=5)
    children = fates(found, join="all", rng=random.Random(seed), spoil=0.0)
    apr, weaver = (CONVERTERS[format](found, children, "all") for format in FORKED)
    for unit in apr.units[2:]:
        assert unit.prompt.count(notation.CALL) == 1
    for number, unit in enumerate(weaver.units[2:], start=1):
        root = weaver.units[0]
        assert unit.prompt == (*root.prompt, *root.sampled, *WEAVE.header(number))


@pytest.mark.parametrize("format", FORMATS)
def test_what_follows_from_the_prompts_alone_solves_problems_live(format: Format) -> None:
    prompts: dict[Format, Callable[..., tuple[int, ...]]] = {
        "serial": lambda problem: notation.serial_prompt(problem, beam=99),
        "apr": lambda problem: notation.fork_prompt(problem, beam=24, child_beam=12),
        "weaver": lambda problem: notation.weave_prompt(problem, beam=24, child_beam=12),
    }
    for problem in islice(generate("validation", seed=1), 20):
        engine = ScriptedEngine(lambda prompt: expected(prompt)[1], seconds_per_token=1.0)
        for join in ("all", "first"):
            run = run_tree(
                engine,
                protocol_of(format),
                prompts[format](problem),
                sampling=Sampling(max_tokens=9_000),
                limits=Limits(window=9_000),
                join=join,
            )
            path = notation.read_path(run_virtual(run).root.last_words)
            assert path is not None and verify(problem.numbers, problem.target, path) is None


@pytest.mark.parametrize("format", FORMATS)
def test_replaying_asks_for_the_units_and_trains_every_token_once(format: Format) -> None:
    tree = solved(format, join="all")
    run = replay(tree)
    assert [tuple(context) for context, _ in run.requests()] == [unit.prompt for unit in tree.units]
    assert sum(len(unit.sampled) for unit in tree.units) == sum(len(completion.token_ids) for _, completion in run.requests())


def change(tree: DemoTree, index: int, **fields: object) -> DemoTree:
    units = list(tree.units)
    units[index] = dataclasses.replace(units[index], **fields)  # type: ignore[arg-type]
    return dataclasses.replace(tree, units=tuple(units))


@pytest.mark.parametrize("format", FORKED)
def test_a_child_that_writes_what_its_sibling_found_is_a_leak(format: Format) -> None:
    tree = solved(format, join="all")
    winner = next(unit for unit in tree.units[2:] if notation.GOAL in unit.sampled)
    loser = next(i for i, unit in enumerate(tree.units) if i > 1 and notation.GOAL not in unit.sampled)
    assert any("does not follow from the prompt" in flaw for flaw in check_tree(change(tree, loser, sampled=winner.sampled)))


@pytest.mark.parametrize("format", FORKED)
def test_a_parent_that_knows_what_a_lost_child_found_is_a_leak(format: Format) -> None:
    for problem in generate("train", seed=5):
        found = searched(problem, beam=8, child_beam=6)
        if sum(trace.path is not None for trace in found.traces) == 1:
            break
    children = fates(found, join="all", rng=random.Random(1), spoil=0.0)
    lost = [dataclasses.replace(child, fate="cancelled", token_ids=()) if child.path else child for child in children]
    tree = CONVERTERS[format](found, lost, "all")
    assert any("does not follow from the prompt" in flaw for flaw in check_tree(tree))


def test_a_thread_that_sees_its_siblings_words_is_no_request_of_its_protocol() -> None:
    tree = solved("weaver", join="all")
    root, first = tree.units[0], tree.units[2]
    seen = (*root.prompt, *root.sampled, *WEAVE.header(1), *first.sampled, *WEAVE.header(2))
    flaws = check_tree(change(tree, 3, prompt=seen))
    assert any("no join of all threads" in flaw for flaw in flaws)
    assert any("nothing is demonstrated after" in flaw for flaw in flaws)


@pytest.mark.parametrize("format", FORKED)
def test_missing_units_and_false_fates_are_found(format: Format) -> None:
    tree = solved(format)
    assert check_tree(dataclasses.replace(tree, units=tree.units[:-1]))
    assert check_tree(dataclasses.replace(tree, join="all")), "nobody cancels in an all join"
    finished = tuple("finished" if fate == "cancelled" else fate for fate in tree.fates)
    assert check_tree(dataclasses.replace(tree, fates=finished))


@pytest.mark.parametrize("format", FORMATS)
def test_held_out_and_mixed_up_problems_are_found(format: Format) -> None:
    tree = solved(format)
    assert any("belongs to the train split" in flaw for flaw in check_tree(tree, split="test"))
    other = problem_of(99)
    assert any("the demonstration is of" in flaw for flaw in check_tree(dataclasses.replace(tree, problem=other)))


@given(SEEDS, st.sampled_from(FORMATS), st.data())
@settings(max_examples=150)
def test_any_one_token_that_is_another_is_found(seed: int, format: Format, data: st.DataObject) -> None:
    rng = random.Random(seed)
    tree = demonstrated(next(problems_of("train", rng)), format, rng)
    index = data.draw(st.integers(0, len(tree.units) - 1))
    name = data.draw(st.sampled_from(["prompt", "sampled"]))
    ids: list[int] = list(getattr(tree.units[index], name))
    place = data.draw(st.integers(0, len(ids) - 1))
    assume((format, name, place) != ("serial", "prompt", 2))  # another beam may lead to the same search
    ids[place] = data.draw(st.integers(0, len(notation.VOCABULARY) + 1).filter(lambda token: token != ids[place]))
    assert check_tree(change(tree, index, **{name: tuple(ids)}))


@given(st.lists(st.integers(0, len(notation.VOCABULARY) - 1), min_size=1, max_size=40), st.data())
def test_no_prompt_can_break_the_checks(ids: list[int], data: st.DataObject) -> None:
    base = list(data.draw(st.sampled_from([unit.prompt for format in FORMATS for unit in SAMPLES[format].units])))
    at = data.draw(st.integers(0, len(base)))
    for prompt in (ids, base[:at] + ids, base[:at] + ids + base[at:]):
        try:
            problem, target = expected(prompt)
        except ProblemError:
            continue
        assert problem.key and target


SAMPLES: dict[Format, DemoTree] = {format: solved(format) for format in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
def test_trees_that_were_written_are_read_unchanged(tmp_path: Path, format: Format) -> None:
    write_trees(tmp_path / "a.jsonl", [SAMPLES[format]] * 2)
    assert list(read_trees(tmp_path / "a.jsonl")) == [SAMPLES[format]] * 2


TASK = '"format":"serial","numbers":[3,2,1],"target":24,"join":"all"'


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format":"apr"}',
        "{" + TASK.replace("serial", "x") + ',"fates":[],"units":[["0",[1],[2]]]}',
        "{" + TASK + ',"fates":[],"units":[]}',
        "{" + TASK + ',"fates":["lost"],"units":[["0",[1],[2]]]}',
        "{" + TASK + ',"fates":[],"units":[["0.0",[1],[2]]]}',
        "{" + TASK + ',"fates":[],"units":[["0",["1"],[2]]]}',
        "{" + TASK + ',"fates":[],"units":[["0",[1],[]]]}',
    ],
)
def test_lines_that_are_no_demonstrations_are_refused_by_name(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(ConfigError, match="not a demonstration"):
        check_file(tmp_path / "a.jsonl")


def test_rollouts_are_no_demonstrations() -> None:
    with pytest.raises(ConfigError, match="no log-probabilities"):
        DemoTree(format="serial", problem=problem_of(1), join="all", fates=(), units=(Unit((1,), (2,), (-0.5,), "0"),))


def test_the_rows_that_countdown_demos_packs_are_without_flaws(tmp_path: Path) -> None:
    rng = random.Random(2)
    demos = [demo for problem in islice(problems_of("train", rng), 30) for demo in demonstrations(problem, rng)]
    pack(demos, width=256).save(tmp_path / "a.npz")
    report = check_file(tmp_path / "a.npz")
    assert report.flaws == []
    assert report.units == len(demos)


def test_one_wrong_token_in_packed_rows_is_found_and_named(tmp_path: Path) -> None:
    units = SAMPLES["apr"].units
    demos = [Demonstration(unit.prompt, unit.sampled) for unit in units]
    demos[2] = Demonstration(units[2].prompt, (*units[2].sampled[:-2], notation.GOAL, notation.END))
    pack(demos, width=512).save(tmp_path / "a.npz")
    report = check_file(tmp_path / "a.npz")
    (flaw,) = report.flaws
    assert flaw.startswith("row 0 document 3: the target does not follow")
    with pytest.raises(ConfigError, match="must not be trained on, 1 flaws"):
        report.require()


def test_rows_too_narrow_for_a_prompt_are_refused(tmp_path: Path) -> None:
    unit = SAMPLES["weaver"].units[1]
    pack([Demonstration(unit.prompt, unit.sampled)], width=len(unit.prompt)).save(tmp_path / "a.npz")
    with pytest.raises(ConfigError, match="make rows wider"):
        check_file(tmp_path / "a.npz")


@pytest.mark.parametrize("width", [None, "1024"])
@pytest.mark.parametrize("format", FORMATS)
def test_files_that_are_made_pass_the_check_and_stay_when_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], format: Format, width: str | None
) -> None:
    command = ["make", "--format", format, "--problems", "3", "--shard-size", "2", "--workers", "1", "--out", str(tmp_path)]
    command += ["--width", width] if width else []
    assert main(command) == 0
    files = sorted(path for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert [file.stem for file in files] == [f"{format}-0000", f"{format}-0001"]
    assert main(["check", *map(str, files)]) == 0
    assert ("trees, " in capsys.readouterr().out) is (width is None)
    assert main(["check", "--split", "test", *map(str, files)]) == 1
    assert "belongs to the train split" in capsys.readouterr().out
    assert main(command) == 0
    assert capsys.readouterr().out == ""


def test_a_cut_child_may_be_shown_as_any_beginning_of_its_search_and_returns_nothing() -> None:
    found = searched(solved("apr").problem, beam=8, child_beam=6)
    for length in range(1, max(len(trace.token_ids) for trace in found.traces)):
        children = [Ended("cut", trace.token_ids[: min(length, len(trace.token_ids) - 1)], None) for trace in found.traces]
        for format in FORKED:
            tree = CONVERTERS[format](found, children, "all")
            assert tree.units[1].sampled == (notation.NONE, notation.END)
            assert check_tree(tree) == []
