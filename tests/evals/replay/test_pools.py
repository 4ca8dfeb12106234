"""Pools from what a user names."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from orchestra.evals.replay.pools import joined, open_pools, read_run
from orchestra.evals.row import Row
from orchestra.evals.run import ROWS

from orchestra.errors import ConfigError
from orchestra.sample.pool import Pool
from orchestra.sample.pool_file import write_pool

from .made import random_pool

DATA = os.environ.get("ORCHESTRA_DATA")


def row(epoch: int = 0, **changed: object) -> Row:
    fields: dict[str, object] = {
        "benchmark": "countdown", "problem": "0123456789abcdef", "name": "3,5,7,11=24", "epoch": epoch, "answer": "(5+7)*(11-3*3)",
        "correct": True, "score": 1.0, "status": "finished", "work": 90, "span": 40, "wall_seconds": 1.0, "at_once": 1,
    }  # fmt: skip
    return Row.model_validate(fields | changed)


def run_of(folder: Path, *rows: Row) -> Path:
    folder.mkdir(parents=True)
    (folder / ROWS).write_text("".join(one.model_dump_json() + "\n" for one in rows))
    return folder


def test_the_epochs_of_an_eval_are_the_traces_of_its_problems(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "fork", row(1, answer=None, correct=False, timed_out=True), row(0))
    pool = read_run(folder)
    first, second = pool.problems[0].traces
    assert (pool.name, pool.problems[0].group, pool.problems[0].gold) == ("fork", "fork", None)
    assert (first.tokens, first.span, first.correct) == (90, 40, True), "epochs come in their order"
    assert (second.answer, second.correct, second.cut) == (None, False, True)


def test_a_run_may_be_named_by_its_rows(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "fork", row())
    assert open_pools([folder / ROWS]) == open_pools([folder])


def test_rows_with_engine_errors_are_left_out_and_counted(tmp_path: Path) -> None:
    pool = read_run(run_of(tmp_path / "fork", row(), row(1, error="connection refused")))
    assert len(pool.problems[0].traces) == 1
    assert pool.notes == [f"{tmp_path / 'fork'}: 1 of 2 rows with engine errors left out"]


def test_a_run_without_a_finished_row_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no finished row"):
        read_run(run_of(tmp_path / "fork", row(error="connection refused")))


def test_a_row_that_was_edited_is_named_by_file_and_line(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "fork", row())
    with (folder / ROWS).open("a") as file:
        file.write("{}\n")
    with pytest.raises(ConfigError, match=rf"{ROWS}:2 is no row \(benchmark: "):
        open_pools([folder])


def test_a_folder_is_all_its_pool_files_and_each_is_a_set(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pool = random_pool(problems=2, name=name)
        write_pool(replace(pool, problems=[replace(p, group="") for p in pool.problems]), tmp_path / f"{name}.jsonl.gz")
    found = open_pools([tmp_path])
    assert found.name == "a+b" and [problem.group for problem in found.problems] == ["a", "a", "b", "b"]


def test_a_folder_with_nothing_in_it_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither pool files .* nor a run"):
        open_pools([tmp_path])


def test_the_same_id_in_two_pools_gets_the_name_of_the_second_in_front() -> None:
    ours, theirs = random_pool(problems=1), replace(random_pool(problems=1), name="theirs")
    assert [problem.id for problem in joined([ours, theirs]).problems] == ["made-0", "theirs/made-0"]
    with pytest.raises(ConfigError, match="give each pool once"):
        joined([ours, ours])


def test_what_was_recorded_at_other_distances_is_left_out_with_a_note() -> None:
    pools = [Pool("a", random_pool(name="a").problems, probe_every=500), Pool("b", random_pool(name="b").problems, probe_every=100)]
    found = joined(pools)
    assert (found.probe_every, found.notes) == (
        0,
        ["forced answers are left out: the pools differ in how often they were recorded"],
    )


@pytest.mark.skipif(not DATA, reason="ORCHESTRA_DATA names no folder with recorded traces")
def test_the_recorded_aime_traces_are_two_sets_of_thirty_problems() -> None:
    pool = open_pools([Path(DATA or "") / "traces/parallel_probe_qwen3_8b"])
    assert (len(pool.problems), pool.depth, pool.probe_every, pool.notes) == (60, 128, 500, [])
    assert {problem.group for problem in pool.problems} == {"aime24", "aime25"}
    right = [sum(trace.correct for trace in problem.traces) / 128 for problem in pool.problems]
    assert 0.70 < sum(right) / 60 < 0.72
