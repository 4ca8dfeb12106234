"""The third way to search: threads that see what their parent wrote. Played without a flaw, refused where a model never learned it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from orchestra.cli import main
from orchestra.countdown import Setup, attempt, notation, player, search, shipped_model
from orchestra.countdown.attempt import Attempt
from orchestra.countdown.model import CARD, ModelCard, read_card
from orchestra.countdown.picture import to_record
from orchestra.countdown.problem import Problem, generate
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError
from orchestra.thread import Join

PROBLEMS = list(islice(generate("test", seed=11), 40))
PROBLEM = Problem((3, 5, 7, 11), 24)


def play(problem: Problem, setup: Setup) -> Attempt:
    return run_virtual(attempt(ScriptedEngine(player.answer, seconds_per_token=1.0), problem, setup))


@pytest.mark.parametrize("join", ["all", "first"])
def test_a_flawless_weaver_solves_every_problem_that_a_forking_one_solves(join: Join) -> None:
    for problem in PROBLEMS:
        woven, forked = (play(problem, Setup(method=method, join=join)) for method in ("weave", "fork"))  # type: ignore[arg-type]
        assert woven.correct and forked.correct
        assert woven.explored == forked.explored or join == "first"
        assert woven.tree.root.status == "finished", "the default window holds all that the children wrote"


def test_a_childs_context_begins_with_all_that_its_parent_saw_and_wrote() -> None:
    done = play(PROBLEM, Setup(method="weave"))
    (seen, outlines), (joined, _) = done.tree.root.requests()
    (fork,) = done.tree.root.forks
    for number, child in enumerate(fork.children, start=1):
        ((context, _),) = child.requests()
        assert context == [*seen, *outlines.token_ids, notation.THREAD, *notation.number(number)]
    assert joined[: len(seen) + len(outlines.token_ids)] == [*seen, *outlines.token_ids]


def test_a_refused_block_is_answered_with_none() -> None:
    prompt = notation.weave_prompt(PROBLEM, beam=4, child_beam=4)
    outlines = search.outline_block(search.calls(PROBLEM, beam=4))
    assert player.answer((*prompt, *outlines, notation.REFUSED, notation.PARALLEL_END)) == (notation.NONE, notation.END)


def test_the_answer_is_the_first_whole_path_and_none_that_was_cut() -> None:
    prompt = notation.weave_prompt(PROBLEM, beam=2, child_beam=12)
    outlines = search.outline_block(search.calls(PROBLEM, beam=2))
    words = "<thread> 1 <goal> 11 * 7 = 77 77 - 5 = 72 <cut> </thread> <thread> 2 <goal> 11 * 7 = 77 77 - 5 = 72 72 / 3 = 24 </thread> </parallel>"
    answer = player.answer((*prompt, *outlines, *(notation.ID[word] for word in words.split())))
    assert notation.text(answer) == "<goal> 11 * 7 = 77 77 - 5 = 72 72 / 3 = 24 <end>"


def test_the_window_of_each_method_holds_its_search_unless_another_is_given() -> None:
    assert [Setup(method=method).effective_window for method in ("serial", "fork", "weave")] == [160, 160, 3_072]  # type: ignore[arg-type]
    assert Setup(method="weave", window=500).effective_window == 500


def test_another_method_brings_its_own_window_and_beam_unless_they_were_given() -> None:
    serial, woven = Setup(method="serial"), replace(Setup(method="serial"), method="weave")
    assert (woven.effective_window, woven.effective_beam) == (3_072, 24)
    assert replace(woven, method="fork").effective_window == serial.effective_window == 160
    assert replace(Setup(method="serial", window=99, beam=7), method="weave") == Setup(method="weave", window=99, beam=7)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("window", (-5, 0)),
        ("tree_tokens", (-5, 0)),
        ("temperature", (-5.0, math.nan, math.inf)),
        ("seconds", (-5.0, 0.0, math.nan, math.inf)),
    ],
)
def test_a_setup_that_no_search_can_have_is_refused_at_once(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=f"`{name}` must .*, got {value}"):
            Setup(**{name: value})


@pytest.mark.parametrize("join", ["all", "first"])
def test_tables_and_pages_name_the_method_and_the_join(join: Join) -> None:
    done = play(PROBLEM, Setup(method="weave", join=join))
    assert done.label == to_record(done).title == f"weave ({join})"


def test_the_command_weaves_and_draws_its_threads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    task = ("--numbers", "3", "5", "7", "11", "--target", "24")
    assert main(["solve", "--engine", "scripted", "--method", "weave", *task, "--page", str(page)]) == 0
    assert "24 = (11*7-5)/3  (verified)" in capsys.readouterr().out
    assert "weave (first)" in page.read_text() and "thread" in page.read_text()


def folder_with(tmp_path: Path, **card: object) -> Path:
    (tmp_path / CARD).write_text(json.dumps({"notation": 1, "sizes": [4], **card}))
    return tmp_path


def test_a_card_without_methods_is_of_a_model_that_knows_the_first_two(tmp_path: Path) -> None:
    assert read_card(folder_with(tmp_path)) == ModelCard(sizes=(4,), methods=("serial", "fork"), free=())


def test_a_card_survives_being_written_and_methods_of_later_versions_are_left_out(tmp_path: Path) -> None:
    card = ModelCard(methods=("fork", "weave"), free=("fork",))
    card.write(tmp_path)
    assert read_card(tmp_path) == card
    assert read_card(folder_with(tmp_path, methods=["weave", "swim"])).methods == ("weave",)


@pytest.mark.parametrize("methods", [[], ["swim"], "weave", 3])
def test_a_card_without_a_method_that_is_known_is_damaged(tmp_path: Path, methods: object) -> None:
    with pytest.raises(ConfigError, match="is damaged"):
        read_card(folder_with(tmp_path, methods=methods))


@pytest.mark.parametrize(
    ("card", "what"),
    [
        ({"sizes": ["3", "4"]}, r"`sizes\.0`: .*integer, got '3'; `sizes\.1`"),
        ({"sizes": "34"}, "`sizes`: .*got '34'"),
        ({"sizes": []}, "`sizes`: .*at least 1 item"),
        ({"sizes": [0]}, r"`sizes\.0`: .*greater than or equal to 1, got 0"),
        ({"sizes": [True]}, r"`sizes\.0`"),
        ({"sizes": None}, "`sizes`"),
        ({"notation": "1"}, "`notation`: .*got '1'"),
        ({"notation": None}, "`notation`"),
        ({"methods": ["fork"], "free": ["serial"]}, "`free` has serial, which `methods` .*lack"),
        ({"free": ["weave"]}, "`free` has weave"),
        ({"free": "fork"}, "`free`: .*got 'fork'"),
    ],
)
def test_a_card_that_cannot_be_says_what_is_wrong_with_it(tmp_path: Path, card: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigError, match=rf"countdown\.json is damaged: {what}"):
        read_card(folder_with(tmp_path, **card))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"notation": 1}', "3", '"card"'])
def test_a_card_that_is_none_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / CARD).write_text(text)
    with pytest.raises(ConfigError, match="is damaged: .*copy the model again, or mend the card"):
        read_card(tmp_path)


def test_keys_of_later_versions_are_ignored_and_another_notation_is_named_before_all_else(tmp_path: Path) -> None:
    assert read_card(folder_with(tmp_path, methods=["weave"], free=["swim"], widths=[1])) == ModelCard(
        sizes=(4,), methods=("weave",)
    )
    with pytest.raises(ConfigError, match="was trained on notation 2, this version of orchestra speaks 1"):
        read_card(folder_with(tmp_path, notation=2, sizes={"from": 3}))


def test_a_model_is_asked_only_for_what_it_was_shown(tmp_path: Path) -> None:
    card = ModelCard(methods=("serial", "weave"), free=("weave",))
    card.check(tmp_path, Setup(method="weave", beam=0, child_beam=0))
    card.check(tmp_path, Setup(method="serial"))
    with pytest.raises(ConfigError, match=r"knows serial and weave, not fork: .*countdown_demos"):
        card.check(tmp_path, Setup(method="fork"))
    with pytest.raises(ConfigError, match="was not shown how to choose a width in `--method serial`"):
        card.check(tmp_path, Setup(method="serial", beam=0))


@pytest.mark.parametrize("command", [["solve"], ["sample"], ["eval", "countdown", "--limit", "1"]])
@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_a_model_that_never_wove_is_refused_before_an_engine_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: list[str], engine: str
) -> None:
    pytest.importorskip(engine)
    if "weave" in read_card(shipped_model()).methods:
        pytest.skip("the shipped model weaves")
    task = ["--out", str(tmp_path)] if command[0] == "eval" else ["--numbers", "3", "5", "7", "11", "--target", "24"]
    chosen = ["--model" if command[0] == "sample" else "--engine", engine]
    assert main([*command, *task, *chosen, "--method", "weave"]) == 2
    assert "knows serial and fork, not weave" in capsys.readouterr().err
