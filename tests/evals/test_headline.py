"""The headline benchmark runs: what a try records, files and shards, and every part on the scripted player."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from orchestra.evals.benchmarks.headline import __main__ as program
from orchestra.evals.benchmarks.headline import table, window
from orchestra.evals.benchmarks.headline.clock import repeated
from orchestra.evals.benchmarks.headline.figures import (
    at_window,
)
from orchestra.evals.benchmarks.headline.measure import Problems, measured
from orchestra.evals.benchmarks.headline.record import Model, Point, by_seed, joined, read, write
from orchestra.evals.benchmarks.headline.seeds import results_of
from orchestra.evals.problems import from_split

from orchestra.countdown import player
from orchestra.countdown.attempt import Setup
from orchestra.engine import Completion, Request
from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import ConfigError, EngineError

from .made_headline import point, recording

GAMES = from_split("test", seed=0, limit=12)
PROBLEMS = Problems(split="test", size=4, places=range(12), games=GAMES)


def play(setup: Setup, **options: Any) -> Point:
    async def run() -> Point:
        async with ScriptedEngine(player.answer) as engine:
            return await measured(engine, PROBLEMS, setup, name="point", role="serial", at_once=3, **options)

    return asyncio.run(run())


@pytest.mark.parametrize("size", [40, 90, 160, 400])
def test_a_window_read_from_a_longer_run_is_what_a_run_in_it_gives(size: int) -> None:
    wide = play(Setup(method="serial", window=1024))
    within = play(Setup(method="serial", window=size))
    found = window.within(wide, size)
    assert found.correct == [votes[0] > 0 for votes in within.votes]
    assert found.work == [work[0] for work in within.work]


def test_shards_are_put_together_in_the_order_of_their_problems() -> None:
    whole = point("serial-window", [[1], [0], [2], [0], [1]])
    shards = [
        recording([whole.model_copy(update={name: getattr(whole, name)[i::2] for name in ("places", "votes", "work", "prompts")})])
        for i in range(2)
    ]
    (seed,) = by_seed(reversed(shards))
    assert seed.points == [whole.model_copy(update={"places": list(range(5)), "seconds": 2.0})]


def test_parts_that_do_not_belong_together_are_refused() -> None:
    one = point("serial-window", [[1]])
    with pytest.raises(ConfigError, match="holds a problem twice"):
        by_seed([recording([one]), recording([one])])
    with pytest.raises(ConfigError, match="of seeds 0 and 1: give each seed a folder"):
        joined([recording([one]), recording([], seed="1")])
    with pytest.raises(ConfigError, match="windows 160 and 170"):
        by_seed([recording([one]), recording([], window=170)])
    other = one.model_copy(update={"places": [1], "setup": {**one.setup, "window": 100}})
    with pytest.raises(ConfigError, match="different settings"):
        by_seed([recording([one]), recording([other])])


def test_one_try_at_each_problem_records_what_it_cost() -> None:
    forked = play(Setup(method="fork", join="all"))
    assert all(votes in ([1], [0]) for votes in forked.votes) and forked.span is not None and forked.children is not None
    assert all(span[0] < work[0] for span, work in zip(forked.span, forked.work, strict=True))
    assert at_window({"fork-all": forked})["fork, join all"]["children"].value > 1
    serial = play(Setup(method="serial"), tries=3)
    assert serial.span is None and serial.spans == serial.work and {len(votes) for votes in serial.votes} == {3}


def test_tries_until_solved_end_at_the_first_right_one() -> None:
    tried = play(Setup(method="serial", window=100), tries=3, until_solved=True)
    assert {tuple(votes) for votes in tried.votes} == {(1,), (0, 0, 0)}


def test_tries_stand_in_the_order_in_which_they_began_however_they_end() -> None:
    class Delayed(ScriptedEngine):
        """Its first request ends last; the others are cut short."""

        def __init__(self) -> None:
            super().__init__(lambda prompt: player.answer(prompt)[: None if self.asked == 1 else 3])
            self.asked, self.others = 0, asyncio.Event()

        async def generate(self, request: Request) -> Completion:
            self.asked += 1
            if self.asked == 1:
                completion = await super().generate(request)
                await self.others.wait()
                return completion
            if self.asked == 3:
                self.others.set()
            return await super().generate(request)

    async def run() -> Point:
        async with Delayed() as engine:
            one = Problems(split="test", size=4, places=[0], games=GAMES[:1])
            return await measured(engine, one, Setup(method="serial"), name="point", role="serial", at_once=2, tries=3)

    (work,) = asyncio.run(run()).work
    assert work[0] > 3 and work[1:] == [3, 3]


def test_loads_whose_rounds_take_a_problem_twice_are_named() -> None:
    assert repeated(100, alone=40, loads=[1, 2, 64], rounds=2) == [64]
    assert repeated(100, alone=40, loads=[1, 2, 64], rounds=3) == [1, 64]


def test_an_engine_that_fails_ends_the_measurement_instead_of_counting_as_wrong() -> None:
    class Broken(ScriptedEngine):
        async def generate(self, request: Request) -> Completion:
            raise EngineError("the server is gone")

    async def run() -> None:
        async with Broken(player.answer) as engine:
            await measured(engine, PROBLEMS, Setup(method="serial"), name="point", role="serial", at_once=2)

    with pytest.raises(EngineError, match="says nothing about the answer: .*the server is gone"):
        asyncio.run(run())


def test_a_recording_survives_its_file_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    path, kept = tmp_path / "serial.json.gz", recording([point("serial-window", [[1], [0]])])
    write(path, kept)
    first = path.read_bytes()
    write(path, kept)
    assert read(path) == kept and path.read_bytes() == first
    path.write_bytes(first[:-10])
    with pytest.raises(ConfigError, match=r"serial\.json\.gz cannot be read"):
        read(path)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"other\.json is no recording"):
        read(tmp_path / "other.json")


def run(out: Path, *options: str) -> int:
    base = ["--engine", "scripted", "--limit", "8", "--validation", "24", "--swept", "4", "--temperatures", "0.5", "1"]
    small = ["--five", "2", "--alone", "2", "--loads", "1", "2", "--rounds", "2", "--fork-beam", "24", "10", "--child-beam", "12"]
    code: int = program.main(
        [
            *base,
            *small,
            "--serial-beam",
            "6",
            "--wide-beam",
            "15",
            "--start",
            "start",
            "--seed-name",
            "0",
            "--out",
            str(out),
            *options,
        ]
    )
    return code


def test_every_part_runs_and_the_tables_and_pictures_come_from_its_files_alone(tmp_path: Path) -> None:
    out, readme, page = tmp_path / "run", tmp_path / "README.md", tmp_path / "page.md"
    assert run(out) == 0
    readme.write_text("# It\n<!-- headline -->\n<!-- /headline -->\n")
    page.write_text("<!-- headline-page -->\n<!-- /headline-page -->\n")
    files = [str(path) for path in sorted(out.iterdir())]
    again = ["--readme", str(readme), "--page", str(page), "--pictures", str(tmp_path)]
    assert table.main([*files, *again]) == 0
    first = readme.read_text(), page.read_text()
    assert "missed by" in first[0] and "not measured" not in first[0]
    assert all(title in first[1] for title in table.TITLES.values())
    for name in table.PICTURES:
        assert ElementTree.fromstring((tmp_path / name).read_text()).tag.endswith("svg")
    assert table.main([*files, *again]) == 0
    assert (readme.read_text(), page.read_text()) == first


def test_parts_and_shards_of_other_processes_give_the_same_numbers(tmp_path: Path) -> None:
    whole, divided = tmp_path / "whole", tmp_path / "divided"
    parts = ["window", "serial", "samples", "fork"]
    assert run(whole, "--parts", *parts) == 0
    assert run(divided, "--parts", "window") == 0
    for shard in ("0/2", "1/2"):
        assert run(divided, "--parts", "serial", "samples", "fork", "--shard", shard) == 0
    (first,), (second,) = (results_of(by_seed(map(read, folder.iterdir()))) for folder in (whole, divided))
    assert first.sections == second.sections
    assert any(label.endswith("chosen on validation") for label in first.sections["price"])


def test_validation_problems_are_not_those_by_which_training_chose_its_checkpoints(tmp_path: Path) -> None:
    assert run(tmp_path, "--parts", "window", "fork") == 0
    points = [point for path in tmp_path.iterdir() for point in read(path).points]
    assert {(point.split, point.problem_seed) for point in points} == {("validation", 1), ("test", 0)}
    assert {point.places[-1] for point in points if point.name.startswith("validation-fork")} == {3}, "as many as are swept"


def test_a_part_whose_file_exists_is_skipped_until_it_is_to_be_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--parts", "window") == 0
    path = tmp_path / "window.json.gz"
    kept = read(path)
    write(path, kept.model_copy(update={"engine": "marked"}))
    capsys.readouterr()
    assert run(tmp_path, "--parts", "window", "--limit", "9") == 0
    assert f"window: skipped, {path} exists (--repeat" in capsys.readouterr().err and read(path).engine == "marked"
    assert run(tmp_path, "--parts", "window", "serial", "--shard", "0/2") == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["serial-0of2.json.gz", "window.json.gz"]
    assert run(tmp_path, "--parts", "window", "--repeat") == 0
    assert read(path).window == kept.window and read(path).engine == kept.engine


def test_a_folder_that_holds_another_seed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--parts", "window") == 0
    for options in (["--parts", "fork"], ["--parts", "window"], ["--parts", "window", "--repeat"]):
        assert run(tmp_path, "--seed-name", "1", *options) == 1
        assert "is of seed 0, not 1: give each seed an --out of its own" in capsys.readouterr().err


def test_another_window_than_that_of_the_other_parts_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--parts", "window") == 0
    window = read(tmp_path / "window.json.gz").window
    assert run(tmp_path, "--parts", "serial", "--window", str(window + 1)) == 1
    assert f"at the window {window}, not {window + 1}: leave out --window" in capsys.readouterr().err


def five_of(out: Path, *options: str) -> tuple[list[Point], str]:
    """The points of five numbers, and the page's section of them."""
    assert run(out, "--parts", "five", "--window", "120", *options) == 0
    recordings = by_seed(map(read, out.iterdir()))
    page = table.page_block(recordings, results_of(recordings))
    return recordings[0].points, page[page.index("### Five numbers") :]


def test_five_numbers_are_searched_by_the_policies_where_they_have_no_model_of_their_own(tmp_path: Path) -> None:
    points, page = five_of(tmp_path)
    assert [(point.name, point.role, point.setup["beam"]) for point in points] == [
        ("five-serial", "serial", 15),
        ("five-fork-all-120", "fork", 24),
        ("five-fork-first-120", "fork", 24),
        ("five-fork-all-240", "fork", 24),
        ("five-fork-first-240", "fork", 24),
    ]
    assert page.startswith("### Five numbers, targets to 1,000, a first look\n")
    assert all(
        f"| {way}, window × {times} |" in page for way in ("serial", "fork, join all", "fork, join first") for times in (1, 2)
    )
    assert page.endswith("numbers.\n")


def test_a_model_for_five_numbers_searches_for_them_both_ways_as_wide_as_it_likes_in_a_window_of_its_own(tmp_path: Path) -> None:
    points, page = five_of(tmp_path, "--five-model", "five", "--five-window", "130")
    assert {point.role for point in points} == {"five"} and {point.setup["beam"] for point in points} == {0}
    assert [point.setup["window"] for point in points] == [1024, 130, 130, 260, 260]
    assert list(read(tmp_path / "five.json.gz").models) == ["five"], "no other engine was opened"
    assert page.endswith("numbers; the windows are of 130 / 260 tokens.\n")


def test_the_page_says_what_the_model_for_five_numbers_was_trained_on_and_how_far_older_lists_go(tmp_path: Path) -> None:
    points, _ = five_of(tmp_path, "--five-model", "five")
    known = Model(name="four", parameters=None, weights=None, sizes=(3, 4))
    seed = recording(points, window=120).model_copy(
        update={"models": {"serial": known, "five": known.model_copy(update={"name": "five", "sizes": (5,)})}}
    )
    page = table.page_block([seed], results_of([seed]))
    assert page.endswith("The models were trained on problems of 5 numbers.\n")
    older = seed.model_copy(update={"points": [point.model_copy(update={"largest_target": 100}) for point in points]})
    assert "### Five numbers, targets to 100, a first look\n" in table.page_block([older], results_of([older]))


def test_what_cannot_be_measured_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--engine", "transformers", "--serial", str(tmp_path / "gone")) == 1
    assert f"there is no model folder {tmp_path / 'gone'}" in capsys.readouterr().err
    assert run(tmp_path, "--parts", "serial", "--window", "160", "--shard", "8/9") == 1
    assert "make fewer shards" in capsys.readouterr().err
    assert run(tmp_path, "--loads", "0") == 1 and run(tmp_path, "--five-window", "0") == 1
    assert run(tmp_path, "--fork-beam", "9", "8", "7", "--child-beam", "2", "1") == 1


def test_a_part_whose_needs_were_not_measured_says_which_part_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--parts", "fork") == 1
    assert "run the part window first" in capsys.readouterr().err
    assert run(tmp_path, "--parts", "samples", "--window", "160") == 1
    assert run(tmp_path, "--parts", "clock", "--window", "160") == 1
    assert "run the parts serial and fork first" in capsys.readouterr().err
