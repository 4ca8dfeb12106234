"""Serial searches beside a search: the first answer that holds ends all. Played on scripted engines, one second a token."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from orchestra.evals.methods.costs import costs_of_tree

from orchestra.cli import main
from orchestra.countdown import notation, player
from orchestra.countdown.attempt import Attempt, Setup, attempt
from orchestra.countdown.command import verdict
from orchestra.countdown.hints import limited
from orchestra.countdown.model import ModelCard
from orchestra.countdown.picture import to_record
from orchestra.countdown.problem import Problem, generate
from orchestra.engine import Request
from orchestra.engine.scripted import ScriptedEngine
from orchestra.engine.virtual import run_virtual
from orchestra.errors import ConfigError, EngineError
from orchestra.thread import RACE
from orchestra.trace.page import page
from orchestra.trace.record import read_records, write_records

PROBLEMS = list(islice(generate("validation", seed=5), 40))
PROBLEM = Problem((11, 7, 5, 3), 24)
RIGHT, FALSE, NOTHING = (
    "<goal> 11 - 5 = 6 7 - 3 = 4 6 * 4 = 24 <end>",
    "<goal> 11 + 5 = 6 7 - 3 = 4 6 * 4 = 24 <end>",
    "<none> <end>",
)


def play(problem: Problem, setup: Setup, *, scouts_say: str | None = None, **options: Any) -> tuple[ScriptedEngine, Attempt]:
    """Flawlessly, except that all scouts say the words of `scouts_say`."""

    def answer(prompt: Sequence[int]) -> Sequence[int]:
        if scouts_say is not None and prompt[1] == notation.SERIAL:
            return [notation.ID[word] for word in scouts_say.split()]
        return player.answer(prompt)

    engine = ScriptedEngine(answer, seconds_per_token=1.0, **options)
    return engine, run_virtual(attempt(engine, problem, setup))


def test_a_search_with_scouts_takes_as_long_as_the_first_right_answer() -> None:
    winners = set()
    for problem in PROBLEMS:
        _, forked = play(problem, Setup(join="first"))
        _, alone = play(problem, Setup(method="serial"))
        _, raced = play(problem, Setup(join="first", scouts=1))
        assert raced.correct and raced.flaw is None
        assert raced.ledger.span == min(done.ledger.span for done in (forked, alone) if done.correct)
        winners.add(raced.tree.speaker.id)
    assert winners == {"0.0", "0.1"}, "both ways win somewhere"


def test_a_scouts_right_answer_ends_the_search() -> None:
    _, done = play(PROBLEM, Setup(scouts=3), scouts_say=RIGHT)
    assert (done.answer, done.flaw, done.label) == ("(11-5)*(7-3)", None, "fork (all), 3 scouts")
    assert done.tree.protocol == RACE and done.tree.speaker.id == "0.1"
    assert done.ledger.span == len(RIGHT.split())
    assert done.tree.threads[1].status == "cancelled" and done.ledger.wasted > 0


def test_the_silent_root_is_no_thread_and_a_scout_that_ran_out_of_tokens_none_that_was_cut() -> None:
    _, alone = play(PROBLEM, Setup())
    _, done = play(PROBLEM, Setup(scouts=2), scouts_say=" ".join(["11 - 5 = 6"] * 40))
    costs = costs_of_tree(done.tree, done.ledger)
    assert [done.tree.threads[number].status for number in (-2, -1)] == ["cut", "cut"]
    assert done.tree.num_threads == costs.threads == alone.tree.num_threads + 2 == 1 + alone.ledger.children + 2
    assert f"{costs.threads} threads, " in verdict(done, Setup(scouts=2))
    assert costs.cut == costs_of_tree(alone.tree, alone.ledger).cut == 0


def test_what_tokens_kept_from_starting_is_not_said_to_be_too_deep() -> None:
    starved = Setup(depth=1, scouts=2, tree_tokens=700)
    _, done = play(PROBLEM, starved, scouts_say=NOTHING)
    assert any(thread.status == "refused" for thread in done.tree.threads)
    assert not any("may be nested" in line for line in limited(done, starved))
    flat = Setup(depth=0, scouts=2)
    _, done = play(PROBLEM, flat, scouts_say=NOTHING)
    assert any("nested 0 deep: --depth 1 lets them run" in line for line in limited(done, flat))


@pytest.mark.parametrize("said", [FALSE, NOTHING])
def test_what_does_not_hold_ends_only_the_scout_that_said_it(said: str) -> None:
    _, alone = play(PROBLEM, Setup())
    _, done = play(PROBLEM, Setup(scouts=2), scouts_say=said)
    assert done.answer == alone.answer is not None and done.flaw is None
    assert done.tree.speaker.id == "0.0" and done.ledger.wasted == 0
    assert done.ledger.work == alone.ledger.work + 2 * len(said.split())


def test_without_an_answer_the_search_itself_is_what_failed() -> None:
    unsolvable, setup = Problem((1, 1, 1, 1), 99), Setup(scouts=2)
    _, done = play(unsolvable, setup, scouts_say=FALSE)
    assert (done.answer, done.flaw, done.error) == (None, None, None)
    assert done.tree.speaker.id == "0.0"
    assert "no solution found[/]: the search ended without one" in verdict(done, setup)


def test_a_race_that_ran_out_says_of_what() -> None:
    hard = Problem((91, 89, 51, 44), 76)
    few, short = Setup(method="serial", scouts=2, window=40), Setup(scouts=2, seconds=5)
    assert "it ran out of tokens: a larger --window" in verdict(play(hard, few)[1], few)
    assert "it ran out of time" in verdict(play(hard, short)[1], short)


def test_an_engine_that_failed_a_scout_leaves_nothing_known() -> None:
    def failures(request: Request) -> EngineError | None:
        return EngineError("down") if request.prompt[1] == notation.SERIAL else None

    setup = Setup(scouts=1)
    _, done = play(PROBLEM, setup, failures=failures)
    assert done.error == "thread 0.1: down"
    assert "the engine failed[/], so nothing is known: thread 0.1: down" in verdict(done, setup)


@pytest.mark.parametrize("tokens", [10, 100, 500])
def test_scouts_and_search_share_the_tokens(tokens: int) -> None:
    engine, done = play(Problem((1, 1, 1, 1), 99), Setup(scouts=3, tree_tokens=tokens))
    assert done.ledger.work == sum(len(completion.token_ids) for _, completion in engine.log) <= tokens


def test_scouts_draw_apart_and_alike_again_with_the_same_seed() -> None:
    def drawn(seed: int) -> list[tuple[float, int | None]]:
        engine, _ = play(PROBLEM, Setup(scouts=4, scout_temperature=1.5, seed=seed), scouts_say=NOTHING)
        scouts = [request for request, _ in engine.log if request.prompt[1] == notation.SERIAL]
        assert len({tuple(request.prompt) for request in scouts}) == 1
        assert {request.sampling.temperature for request, _ in engine.log if request not in scouts} == {0.0}
        return [(request.sampling.temperature, request.sampling.seed) for request in scouts]

    assert len(set(drawn(7))) == 4 and {temperature for temperature, _ in drawn(7)} == {1.5}
    assert drawn(7) == drawn(7) and not set(drawn(7)) & set(drawn(8))


def test_a_search_without_scouts_is_no_race() -> None:
    _, done = play(PROBLEM, Setup())
    assert done.tree.protocol == "apr" and done.tree.speaker is done.tree.root and done.label == "fork (all)"


def test_a_race_is_recorded_read_back_and_drawn(tmp_path: Path) -> None:
    made = to_record(play(PROBLEM, Setup(scouts=2), scouts_say=RIGHT)[1])
    write_records([made], tmp_path / "race.jsonl")
    assert read_records(tmp_path / "race.jsonl") == [made]
    assert made.facts["answer"] == "(11-5)*(7-3)" and made.winners == {"0.1"}
    assert "fork (all), 2 scouts" in page([made], title="a race")


@pytest.mark.parametrize(
    ("setup", "label"),
    [
        (Setup(scouts=1), "fork (all), 1 scout"),
        (Setup(join="first", scouts=8), "fork (first), 8 scouts"),
        (Setup(method="serial", scouts=2), "serial, 2 scouts"),
    ],
)
def test_tables_say_how_many_scouts_there_were(setup: Setup, label: str) -> None:
    assert setup.label == label and setup.threads == Setup(method=setup.method).threads + setup.scouts


def test_a_scout_searches_as_serial_searches_do_and_chooses_widths_where_the_search_does() -> None:
    narrow = Setup(beam=12, child_beam=6, window=100, tree_tokens=900, scouts=2, scout_temperature=2.0).scout
    assert (narrow.method, narrow.effective_beam, narrow.effective_window, narrow.temperature) == ("serial", 5, 100, 2.0)
    assert narrow.scouts == 0 and not narrow.free
    assert Setup(beam=0, scouts=2).scout.free and Setup(beam=0, scouts=2).scout.temperature == 1.0
    assert Setup(scouts=2).scout.temperature == 2.0, "a model of fixed widths needs more to explore"
    assert not Setup(child_beam=0, scouts=2).scout.free


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scouts": -1}, "`scouts` must not be negative, got -1"),
        ({"scouts": 1, "scout_temperature": 0.0}, "`scout_temperature` must be a number above 0, got 0.0; at 0 all scouts"),
        ({"scouts": 1, "scout_temperature": -1.0}, "`scout_temperature` must be a number above 0, got -1.0"),
        ({"scouts": 1, "scout_temperature": float("inf")}, "`scout_temperature` must be a number above 0, got inf"),
        ({"scouts": 1, "scout_temperature": float("nan")}, "`scout_temperature` must be a number above 0, got nan"),
    ],
)
def test_scouts_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Setup(**options)


def test_a_temperature_of_no_scouts_is_refused() -> None:
    with pytest.raises(ConfigError, match="`scout_temperature` is for scouts"):
        Setup(scout_temperature=1.0)


def test_a_model_that_was_never_shown_serial_searches_has_no_scouts(tmp_path: Path) -> None:
    card = ModelCard(methods=("fork",), free=("fork",))
    card.check(tmp_path, Setup())
    with pytest.raises(ConfigError, match="knows fork, and scouts search serially: leave"):
        card.check(tmp_path, Setup(scouts=1))
    chooses = ModelCard(methods=("serial", "fork"), free=("fork",))
    chooses.check(tmp_path, Setup(scouts=1))
    with pytest.raises(ConfigError, match="was not shown how to choose a width in `--method serial`"):
        chooses.check(tmp_path, Setup(beam=0, scouts=1))


TASK = ["solve", "--engine", "scripted", "--numbers", "3", "5", "7", "11", "--target", "24"]


def test_the_command_shows_a_race_and_its_verified_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = tmp_path / "page.html"
    assert main([*TASK, "--scouts", "2", "--scout-temperature", "2", "--page", str(shown)]) == 0
    out = capsys.readouterr().out
    assert "(verified)" in out and "of 3 children returned, 0." in out and "was first to succeed" in out
    assert "2 scouts" in shown.read_text()


def test_the_command_refuses_scouts_that_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TASK, "--scouts", "2", "--scout-temperature", "0"]) == 2
    assert "at 0 all scouts would be the same" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*TASK, "--scouts", "-1"])
    assert "--scouts" in capsys.readouterr().err
