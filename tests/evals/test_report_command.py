"""`orchestra report` from its arguments to what it prints."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from orchestra.evals.report_command import report_command

from orchestra.errors import ConfigError
from orchestra.report_arguments import add_report

from .made_runs import tries, write_run
from .pages.made import Parsed

NAMES = "abcdefghijkl"
Report = Callable[..., str]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    serial = [one for n, name in enumerate(NAMES) for one in tries(name, "rrww" if n % 2 else "rwww", group=f"level {n % 3}")]
    fork = [
        one for n, name in enumerate(NAMES) for one in tries(name, "rrrw" if n % 3 else "wwww", work=210, threads=5, explored=9)
    ]
    serial += tries("with an error", "e")
    return [write_run(tmp_path / "serial", serial), write_run(tmp_path / "fork", fork, method="fork (first)")]


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> str:
        parser = argparse.ArgumentParser()
        add_report(parser.add_subparsers())
        args = parser.parse_args(["report", *map(str, arguments)])
        assert args.run == "orchestra.evals.report_command:report_command"
        assert report_command(args) == 0
        return capsys.readouterr().out

    return run


def test_the_tables_fit_into_80_columns_and_say_all(runs: list[Path], report: Report) -> None:
    every = ["--pass-at", 1, 2, 3, 4, "--maj-at", 2, 3, "--matched", "work", "--matched", "wall", "--by", "group"]
    text = report(*runs, *every)
    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "tiny",
        "serial",
        "fork (first)",
        "baseline",
        "pass@4 %",
        "maj@3 %",
        "at equal work",
        "majority of serial",
        "level 2",
    ):
        assert words in text
    assert "…" not in text, "something was cut short"
    assert "explored" in text and "1 err." in text and "With 12 problems" in text


def test_one_run_is_reported_without_a_comparison(runs: list[Path], report: Report) -> None:
    text = report(runs[0])
    assert "± " in text and "minus" not in text and "at equal" not in text


def test_json_has_the_same_numbers(runs: list[Path], report: Report) -> None:
    found = json.loads(report(*runs, "--json", "--pass-at", 2, "--matched", "span", "--baseline", runs[1]))
    assert found["baseline"] == "fork (first)"
    serial, fork = found["runs"]
    assert serial["summary"]["accuracy"] == pytest.approx(0.375) and serial["summary"]["errors"] == 1
    assert serial["difference"]["problems"] == 12 and fork["difference"] is None
    assert serial["difference"]["difference"] == pytest.approx(0.375 - fork["summary"]["accuracy"])
    assert 0 < serial["difference"]["p"] <= 1 and serial["summary"]["pass_at"][0]["k"] == 2
    assert found["matched"] and found["notes"]


def test_a_page_is_written_with_the_same_numbers(runs: list[Path], report: Report, tmp_path: Path) -> None:
    found = json.loads(report(*runs, "--json"))
    page = tmp_path / "page.html"
    assert report(*runs, "--html", page, "--maj-at", 2, "--baseline", runs[0]).strip() == str(page)
    parsed = Parsed(page.read_text(encoding="utf-8"))
    assert [run["summary"]["accuracy_low"] for run in parsed.data["runs"]] == [
        one["summary"]["accuracy_low"] for one in found["runs"]
    ]
    assert "maj@2 %" in parsed.text and "majority of serial" in parsed.text


def test_a_limit_of_the_page_needs_a_page(runs: list[Path], report: Report, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--html FILE"):
        report(*runs, "--kept-limit", 5)
    report(*runs, "--kept-limit", 5, "--html", tmp_path / "page.html")


def test_the_same_command_prints_the_same_numbers(runs: list[Path], report: Report) -> None:
    arguments = [*runs, "--json", "--maj-at", 2, "--matched", "work"]
    assert report(*arguments) == report(*arguments) != report(*arguments, "--seed", 1)


@pytest.mark.parametrize(
    "arguments", [[], ["runs/a", "--pass-at", "0"], ["runs/a", "--matched", "money"], ["runs/a", "--json", "--html", "x"]]
)
def test_wrong_arguments_are_refused(arguments: list[str], report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        report(*arguments)
    assert "report: error:" in capsys.readouterr().err
