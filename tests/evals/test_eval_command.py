"""`orchestra eval` and `orchestra report` from end to end on the scripted engine: rows, resuming, and every kind of bad input."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from orchestra.evals.row import Row
from orchestra.evals.rows import RowFolder
from orchestra.evals.run import read_rows

from orchestra.cli import main
from orchestra.engine import Request
from orchestra.engine.scripted import ScriptedEngine
from orchestra.errors import ConfigError, EngineError


def evaluate(out: Path, *options: str) -> int:
    return main(["eval", "countdown", "--engine", "scripted", "--out", str(out), *options])


def rows(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("method", [["serial"], ["fork"], ["fork", "--join", "first"], ["weave"]])
def test_an_eval_writes_one_row_a_problem_and_a_report_sums_them_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: list[str]
) -> None:
    assert evaluate(tmp_path / "run", "--limit", "12", "--method", *method) == 0
    found = rows(tmp_path / "run")
    assert len(found) == len({row["problem"] for row in found}) == 12
    assert {"answer", "correct", "error", "work", "span", "cached", "wall_seconds", "threads", "explored"} <= found[0].keys()
    assert all((row["answer"] is not None) == row["correct"] for row in found)
    capsys.readouterr()
    assert main(["report", str(tmp_path / "run"), "--json"]) == 0
    (summary,) = (run["summary"] for run in json.loads(capsys.readouterr().out)["runs"])
    assert summary["problems"] == 12 and summary["correct"] == sum(bool(row["correct"]) for row in found)
    assert main(["report", str(tmp_path / "run")]) == 0
    assert ("serial" if method == ["serial"] else f"{method[0]} (") in capsys.readouterr().out


def test_the_same_command_again_runs_only_what_is_owed(tmp_path: Path) -> None:
    evaluate(tmp_path, "--limit", "5")
    first = (tmp_path / "rows.jsonl").read_text()
    evaluate(tmp_path, "--limit", "8")
    second = (tmp_path / "rows.jsonl").read_text()
    assert second.startswith(first) and len(second.splitlines()) == 8
    evaluate(tmp_path, "--limit", "8")
    assert (tmp_path / "rows.jsonl").read_text() == second


def test_a_torn_last_line_is_owed_again(tmp_path: Path) -> None:
    evaluate(tmp_path, "--limit", "4")
    path = tmp_path / "rows.jsonl"
    path.write_text(path.read_text()[:-40])
    evaluate(tmp_path, "--limit", "4")
    assert len(rows(tmp_path)) == 4


def test_a_row_with_an_engine_error_is_owed_again(tmp_path: Path) -> None:
    evaluate(tmp_path, "--limit", "4")
    path = tmp_path / "rows.jsonl"
    found = rows(tmp_path)
    found[1] |= {"error": "no answer from http://gone", "correct": False, "answer": None}
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    evaluate(tmp_path, "--limit", "4")
    assert len(rows(tmp_path)) == 4 and all(row["error"] is None for row in rows(tmp_path))


def test_a_damaged_row_in_the_middle_is_an_error_that_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(tmp_path, "--limit", "4")
    path = tmp_path / "rows.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], '{"problem": 1}', *lines[2:]]) + "\n")
    assert evaluate(tmp_path, "--limit", "4") == 2
    assert "rows.jsonl:2 is no row" in capsys.readouterr().err


def test_a_folder_of_another_experiment_is_refused_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(tmp_path, "--limit", "4", "--method", "serial")
    before = (tmp_path / "rows.jsonl").read_text()
    assert evaluate(tmp_path, "--limit", "4", "--method", "serial", "--window", "320") == 2
    assert "window: 160 → 320" in capsys.readouterr().err
    assert (tmp_path / "rows.jsonl").read_text() == before


def test_a_dead_engine_ends_the_run_instead_of_failing_every_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = 0

    def dies(request: Request) -> EngineError | None:
        nonlocal started
        started += 1
        return EngineError("http://gone does not answer") if started > 100 else None

    monkeypatch.setattr("orchestra.countdown.setup.open_engine", lambda spec, *, answer, **_: ScriptedEngine(answer, failures=dies))
    assert evaluate(tmp_path, "--limit", "60", "--concurrency", "4") == 1
    error = capsys.readouterr().err
    assert (
        "the engine failed on 4 problems in a row, at last with: thread 0: http://gone does not answer. Finished rows are kept"
        in error
    )
    good = [row for row in rows(tmp_path) if row["error"] is None]
    assert 0 < len(good) < 10 and len(rows(tmp_path)) < 20
    monkeypatch.undo()
    assert evaluate(tmp_path, "--limit", "60") == 0
    assert len(rows(tmp_path)) == 60 and all(row["error"] is None for row in rows(tmp_path))


def test_a_problems_file_is_known_by_its_content_not_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, moved = tmp_path / "problems.jsonl", tmp_path / "elsewhere" / "problems.jsonl"
    moved.parent.mkdir()
    first.write_text('{"numbers": [3, 5, 7, 11], "target": 24}\n{"numbers": [3, 5, 7, 11], "target": 26}\n')
    moved.write_text(first.read_text())
    assert evaluate(tmp_path / "run", "--problems", str(first), "--limit", "1") == 0
    assert evaluate(tmp_path / "run", "--problems", str(moved)) == 0
    assert len(rows(tmp_path / "run")) == 2
    first.write_text('{"numbers": [3, 5, 7, 11], "target": 30}\n')
    assert evaluate(tmp_path / "run", "--problems", str(first)) == 2
    assert "holds a different run (problems:" in capsys.readouterr().err


def test_epochs_are_rows_of_their_own(tmp_path: Path) -> None:
    evaluate(tmp_path, "--limit", "3", "--epochs", "2")
    assert {(row["problem"], row["epoch"]) for row in rows(tmp_path)} == {
        (row["problem"], e) for row in rows(tmp_path) for e in (0, 1)
    }
    assert len(rows(tmp_path)) == 6


def test_timelines_of_the_first_problems_are_written_beside_the_rows(tmp_path: Path) -> None:
    evaluate(tmp_path, "--limit", "5", "--timelines", "2")
    assert (tmp_path / "timeline.html").read_text().count('role="tree"') == 2


def test_bad_lines_of_a_problems_file_are_named_and_the_others_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text(
        '{"numbers": [3, 5, 7, 11], "target": 24}\n'
        "{not json\n"
        "\n"
        '{"numbers": [3, 5, 7, 110], "target": 24}\n'
        '{"numbers": "three", "target": 24}\n'
        "[1, 2]\n" + '{"numbers": [1, 1, 1, 1], "target": 99}\n' + "[" * 100_000 + "\n"
        '{"numbers": [true, 5, 7, 11], "target": 24}\n'
    )
    assert evaluate(tmp_path / "run", "--problems", str(file)) == 0
    errors = " ".join(capsys.readouterr().err.split())
    for line in (2, 4, 5, 6, 8, 9):
        assert f"problems.jsonl: left out line {line}: " in errors
    assert "1 of 2 problems have no solution" in errors
    assert {row["name"]: row["correct"] for row in rows(tmp_path / "run")} == {"3,5,7,11=24": True, "1,1,1,1=99": False}


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "it is empty"), ("{}\n", "line 1: it needs a field 'numbers'"), (None, "cannot be read")],
)
def test_a_file_without_problems_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    file = tmp_path / "problems.jsonl"
    if content is not None:
        file.write_text(content)
    assert evaluate(tmp_path / "run", "--problems", str(file)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "tensorrt"], "unknown engine 'tensorrt': use one of auto, vllm, transformers, scripted, or the URL"),
        (["--engine", "transformers", "--model", "/no/such/model"], "there is no model folder /no/such/model"),
        (["--temperature", "-1"], "`temperature` must not be negative, got -1.0"),
        (["--beam", "100"], "`beam` must lie in 1..99, or be 0 for a width that the model chooses, got 100"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["eval", "countdown", "--out", str(tmp_path / "run"), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "countdown", "--out", "x", "--method", "guess"],
        ["eval", "countdown", "--out", "x", "--seconds", "0"],
        ["eval", "countdown", "--out", "x", "--shard", "4/4"],
        ["eval", "countdown", "--out", "x", "--budget", "money=3"],
        ["eval", "countdown", "--out", "x", "--traces", "some"],
        ["fly"],
    ],
)
def test_wrong_arguments_print_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: orchestra" in capsys.readouterr().err


def test_an_out_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert evaluate(tmp_path / "file" / "run") == 2
    assert "choose another --out" in capsys.readouterr().err


ROW = Row(
    benchmark="countdown",
    problem="0123456789abcdef",
    answer=None,
    correct=False,
    score=0.0,
    status="finished",
    work=1,
    span=1,
    wall_seconds=1.0,
    at_once=1,
)


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_ends_the_run_with_the_next_step_and_leaves_whole_rows(tmp_path: Path, room: int) -> None:
    """A limit on the size of files stands for the disk: writing past it fails, after a part of the row when there is room for one."""
    with RowFolder(tmp_path, {"experiment": {}}) as folder:
        folder.append(ROW)
        size = (tmp_path / "rows.jsonl").stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, before[1]))
        try:
            with pytest.raises(ConfigError, match="Rows written so far are safe: make room and run the same command again"):
                folder.append(ROW.model_copy(update={"epoch": 1}))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        folder.append(ROW.model_copy(update={"epoch": 2}))
    assert [row.epoch for row in read_rows(tmp_path)] == [0, 2]


@pytest.mark.parametrize("content", ["{", "[]", '{"experiment": 3}'])
def test_an_eval_into_a_folder_with_a_damaged_config_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "config.json").write_text(content)
    assert evaluate(tmp_path, "--limit", "2") == 2
    assert "config.json is damaged" in capsys.readouterr().err


def test_several_tries_at_one_problem_do_not_count_as_several_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(tmp_path / "one", "--limit", "6", "--method", "serial")
    evaluate(tmp_path / "four", "--limit", "6", "--method", "serial", "--epochs", "4")
    capsys.readouterr()
    main(["report", str(tmp_path / "one"), str(tmp_path / "four"), "--json"])
    one, four = (run["summary"] for run in json.loads(capsys.readouterr().out)["runs"])
    assert (four["problems"], four["tries"]) == (6, 24)
    assert (one["accuracy"], one["accuracy_error"]) == (four["accuracy"], four["accuracy_error"])


@pytest.mark.parametrize("content", [None, "{", "[]", '{"experiment": 3}'])
def test_a_report_of_no_run_says_what_it_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None) -> None:
    if content:
        (tmp_path / "config.json").write_text(content)
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no run" in (error := capsys.readouterr().err) or "is damaged" in error


SLOW = """
import asyncio, sys
from orchestra.engine import open as opening
from orchestra.engine.scripted import ScriptedEngine
from orchestra import cli
real = opening.open_engine
import orchestra.countdown.setup as setup
setup.open_engine = lambda spec, *, answer, **rest: ScriptedEngine(answer, seconds_per_token=0.001)
sys.exit(cli.main(sys.argv[1:]))
"""


def start_slow(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        SLOW,
        "eval",
        "countdown",
        "--engine",
        "scripted",
        "--out",
        str(out),
        "--concurrency",
        "2",
        *options,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not ((out / "rows.jsonl").exists() and len((out / "rows.jsonl").read_text().splitlines()) >= 3):
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(("kill", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_run_keeps_its_rows_and_goes_on_with_the_same_command(
    tmp_path: Path, kill: signal.Signals, status: int
) -> None:
    process = start_slow(tmp_path, "--limit", "500")
    process.send_signal(kill)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == status
    if kill == signal.SIGINT:
        assert "interrupted; finished rows are kept" in errors and "Traceback" not in errors
    kept = (tmp_path / "rows.jsonl").read_text()
    finished = kept.count("\n")
    assert 3 <= finished < 500
    assert evaluate(tmp_path, "--limit", str(finished + 2)) == 0
    assert len({row["problem"] for row in rows(tmp_path)}) == len(rows(tmp_path)) >= finished + 2


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = start_slow(tmp_path, "--limit", "500")
    try:
        assert evaluate(tmp_path, "--limit", "500") == 2
        assert "another process is writing to" in capsys.readouterr().err
    finally:
        process.kill()
        process.communicate()
    assert os.path.exists(tmp_path / ".lock")
    assert evaluate(tmp_path, "--limit", "3") == 0, "a killed process leaves no lock behind"
