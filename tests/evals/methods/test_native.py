"""What of a search identifies a run of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orchestra.evals.run import Run

from orchestra.cli import main

COMMAND = ["eval", "countdown", "--engine", "scripted", "--limit", "3"]


def experiment(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "config.json").read_text())["experiment"])


def test_runs_from_before_threads_could_nest_are_resumed_by_the_command_that_began_them(tmp_path: Path) -> None:
    assert main([*COMMAND, "--limit", "2", "--out", str(tmp_path)]) == 0
    assert "depth" not in experiment(tmp_path), "as the folders of earlier versions"
    assert main([*COMMAND, "--out", str(tmp_path)]) == 0
    assert main([*COMMAND, "--depth", "2", "--out", str(tmp_path)]) == 0
    assert len(Run(tmp_path).rows) == 3


def test_another_depth_is_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--depth", "1", "--out", str(tmp_path / "one")]) == 0
    assert experiment(tmp_path / "one")["depth"] == 1
    assert main([*COMMAND, "--out", str(tmp_path / "one")]) == 2
    assert "depth: 1 → None" in capsys.readouterr().err


def test_runs_from_before_there_were_scouts_are_resumed_by_the_command_that_began_them(tmp_path: Path) -> None:
    assert main([*COMMAND, "--limit", "2", "--out", str(tmp_path)]) == 0
    assert not {"scouts", "scout_temperature"} & experiment(tmp_path).keys(), "as the folders of earlier versions"
    assert main([*COMMAND, "--scouts", "0", "--out", str(tmp_path)]) == 0
    assert len(Run(tmp_path).rows) == 3


def test_scouts_make_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scouted = [*COMMAND, "--scouts", "2", "--join", "first", "--out", str(tmp_path)]
    assert main(scouted) == 0
    began = experiment(tmp_path)
    assert (began["method"], began["scouts"], began["scout_temperature"]) == ("fork (first), 2 scouts", 2, 2.0)
    assert all(row.correct for row in Run(tmp_path).rows)
    assert main([*scouted, "--scout-temperature", "1.5"]) == 2
    assert "scout_temperature: 2.0 → 1.5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--policy", "self_consistency:n=2"], "leave out `scouts`, or the policy"),
        (["--method", "serial", "--budget", "span=90"], "no limit on its span"),
        (["--scout-temperature", "0"], "at 0 all scouts would be the same"),
    ],
)
def test_what_scouts_cannot_go_with_is_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--scouts", "2", *options, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_narrow_windows_are_solved_by_children_that_fork(tmp_path: Path) -> None:
    narrow = ["--beam", "0", "--child-beam", "0", "--window", "92", "--limit", "20"]
    assert main([*COMMAND, *narrow, "--out", str(tmp_path / "two")]) == 0
    assert main([*COMMAND, *narrow, "--depth", "1", "--out", str(tmp_path / "one")]) == 0
    two, one = (sum(row.correct for row in Run(tmp_path / name).rows) for name in ("two", "one"))
    assert one < two == 20


@pytest.mark.parametrize("depth", ["-1", "1.5", "two"])
def test_depths_that_are_no_counts_are_refused(depth: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*COMMAND, "--depth", depth])
    assert "--depth" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ([], 25 * 160),
        (["--depth", "0"], 160),
        (["--scouts", "8"], (25 + 8) * 160),
        (["--method", "serial", "--scouts", "8"], 9 * 160),
        (["--depth", "1", "--beam", "0", "--child-beam", "0", "--window", "92"], 25 * 92),
        (["--beam", "0", "--child-beam", "0", "--window", "92"], (1 + 24 + 24 * 12) * 92),
    ],
)
def test_the_most_that_a_try_can_cost_counts_every_generation(
    options: list[str], most: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, *options, "--dry-run"]) == 0
    assert f"{most:,} a try" in capsys.readouterr().out
