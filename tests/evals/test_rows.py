"""The folder of a run: what a killed process leaves, and what opening it again mends."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra.evals.method import Kept
from orchestra.evals.row import Row
from orchestra.evals.rows import RowFolder
from orchestra.evals.run import ROWS, TRACES, Run, read_kept, read_rows

from orchestra.errors import ConfigError

CONFIG = {"experiment": {"benchmark": "tiny", "method": "serial"}}


def row(number: int = 0, *, epoch: int = 0, error: str | None = None) -> Row:
    return Row(
        benchmark="tiny", problem=f"{number:016x}", epoch=epoch, answer="37", correct=error is None, score=1.0, error=error,
        status="finished", work=10, span=10, wall_seconds=1.0, at_once=1,
    )  # fmt: skip


def write(folder: Path, *rows: Row) -> None:
    with RowFolder(folder, CONFIG) as opened:
        for one in rows:
            opened.append(one, Kept(text=f"text of {one.problem}"))


def test_finished_rows_are_done_and_errors_are_owed_again(tmp_path: Path) -> None:
    write(tmp_path, row(1), row(2, error="gone"), row(1, epoch=1))
    with RowFolder(tmp_path, CONFIG) as folder:
        assert folder.done == {row(1).key, row(1, epoch=1).key} and folder.correct == 2
    assert [one.error for one in read_rows(tmp_path)] == [None, None]


def test_a_file_that_needs_no_mending_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, row(1), row(2))
    before = (tmp_path / ROWS).stat()
    write(tmp_path)
    after = (tmp_path / ROWS).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@given(cut=st.integers(min_value=0, max_value=5_000))
def test_wherever_a_process_was_killed_whole_rows_stay_and_none_comes_twice(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    write(folder, *map(row, range(6)))
    rows = (folder / ROWS).read_bytes()
    (folder / ROWS).write_bytes(rows[:cut])
    whole = len(rows[:cut].split(b"\n")) - 1
    with RowFolder(folder, CONFIG) as opened:
        assert len(opened.done) >= whole
        for number in range(6):
            if row(number).key not in opened.done:
                opened.append(row(number))
    assert [one.problem for one in Run(folder).rows] == [row(number).problem for number in range(6)]
    assert len((folder / ROWS).read_text().splitlines()) == 6


@given(cut=st.integers(min_value=0, max_value=1_000))
def test_a_torn_trace_goes_and_the_next_ones_can_be_read(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("run")
    write(folder, *map(row, range(4)))
    path = folder / TRACES
    path.write_bytes(path.read_bytes()[:cut])
    whole = [problem for problem, _, _ in read_kept(path)]
    write(folder, row(9))
    assert [problem for problem, _, _ in read_kept(path)] == [*whole, row(9).problem]
    with gzip.open(path) as file:
        assert len(file.read().splitlines()) == len(whole) + 1


def test_damaged_traces_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, row(1))
    (tmp_path / TRACES).write_bytes(b"nothing that gzip has written")
    with pytest.raises(ConfigError, match="delete it to go on without its traces"):
        write(tmp_path)


def test_a_changed_experiment_is_refused_and_what_only_explains_it_is_not(tmp_path: Path) -> None:
    write(tmp_path, row(1))
    with RowFolder(tmp_path, {**CONFIG, "versions": {"vllm": "0.33"}}) as folder:
        folder.note("engine", {"name": "vllm"})
    assert Run(tmp_path).config["engine"] == {"name": "vllm"}
    with (
        pytest.raises(ConfigError, match="method: 'serial' → 'fork'"),
        RowFolder(tmp_path, {"experiment": {"benchmark": "tiny", "method": "fork"}}),
    ):
        pass


def test_a_finished_run_keeps_where_its_rows_come_from_and_a_resumed_one_says_both(tmp_path: Path) -> None:
    with RowFolder(tmp_path, {**CONFIG, "commit": "a"}) as folder:
        folder.note("engine", {"name": "first"})
        folder.append(row(1))
    with RowFolder(tmp_path, {**CONFIG, "commit": "b"}):
        pass
    assert Run(tmp_path).config == {**CONFIG, "commit": "a", "engine": {"name": "first"}}
    for _ in range(2):  # the same origin again is no other one
        with RowFolder(tmp_path, {**CONFIG, "commit": "b"}) as folder:
            folder.note("engine", {"name": "second"})
    config = Run(tmp_path).config
    assert (config["commit"], config["engine"]) == ("b", {"name": "second"})
    assert config["earlier"] == [{"commit": "a", "engine": {"name": "first"}}]


def test_half_of_a_character_ends_no_run(tmp_path: Path) -> None:
    with RowFolder(tmp_path, CONFIG) as folder:
        folder.append(row(1).model_copy(update={"answer": "a\ud800b", "facts": {"why": "\udfff"}}), Kept(text="c\udc00d"))
    assert [(one.answer, one.facts) for one in read_rows(tmp_path)] == [("a?b", {"why": "?"})]
    assert [kept.text for _, kept in Run(tmp_path).kept()] == ["c?d"]


def test_a_server_that_serves_another_model_is_refused(tmp_path: Path) -> None:
    with RowFolder(tmp_path, CONFIG) as folder:
        folder.check_server("a at http://host")
        folder.note("engine", {"name": "a at http://host"})
        folder.check_server("b at http://host")  # nothing has been tried yet
        folder.append(row(1))
    with RowFolder(tmp_path, CONFIG) as folder:
        folder.check_server("a at http://host")
        with pytest.raises(ConfigError, match="holds rows of a at http://host, and the server is now b"):
            folder.check_server("b at http://host")
