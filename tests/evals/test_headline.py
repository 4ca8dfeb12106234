"""The headline benchmark runs: what a try records, files and shards, and every part on the scripted player."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from orchestra.evals.benchmarks.headline import __main__ as program
from orchestra.evals.benchmarks.headline import table, window
from orchestra.evals.benchmarks.headline.figures import (
    at_window,
)
from orchestra.evals.benchmarks.headline.measure import Problems, measured
from orchestra.evals.benchmarks.headline.record import Point, by_seed, read, write
from orchestra.evals.benchmarks.headline.seeds import result_of
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
    (joined,) = by_seed(reversed(shards))
    assert joined.points == [whole.model_copy(update={"places": list(range(5)), "seconds": 2.0})]


def test_parts_that_do_not_belong_together_are_refused() -> None:
    one = point("serial-window", [[1]])
    with pytest.raises(ConfigError, match="holds a problem twice"):
        by_seed([recording([one]), recording([one])])
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
            "5",
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
    results = [result_of(*by_seed(map(read, folder.iterdir()))) for folder in (whole, divided)]
    assert results[0].sections == results[1].sections


def test_what_cannot_be_measured_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--engine", "transformers", "--serial", str(tmp_path / "gone")) == 1
    assert f"there is no model folder {tmp_path / 'gone'}" in capsys.readouterr().err
    assert run(tmp_path, "--parts", "serial", "--window", "160", "--shard", "8/9") == 1
    assert "make fewer shards" in capsys.readouterr().err
    assert run(tmp_path, "--loads", "0") == 1 and run(tmp_path, "--fork-beam", "9", "8", "7", "--child-beam", "2", "1") == 1


def test_a_part_whose_needs_were_not_measured_says_which_part_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--parts", "fork") == 1
    assert "run the part window first" in capsys.readouterr().err
    assert run(tmp_path, "--parts", "samples", "--window", "160") == 1
    assert run(tmp_path, "--parts", "clock", "--window", "160") == 1
    assert "run the parts serial and fork first" in capsys.readouterr().err
