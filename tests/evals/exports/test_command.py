"""`orchestra export` and `orchestra view`."""

from __future__ import annotations

import argparse
import json
import webbrowser
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from orchestra.evals.method import Kept
from orchestra.evals.run import Run

from orchestra.errors import ConfigError
from orchestra.export_arguments import add_export, add_view

from ..pages.made import Parsed, forked_tree, row, write_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    rows = [row("aa1", epoch=epoch) for epoch in range(2)] + [row("bb2", epoch=epoch, correct=False) for epoch in range(2)]
    kept = [(one.problem, one.epoch, Kept(text="41", tree=forked_tree())) for one in rows]
    return write_run(tmp_path / "run", rows, kept)


def main(*words: str | Path) -> int:
    """As the command line does it."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    add_export(commands)
    add_view(commands)
    args = parser.parse_args([str(word) for word in words])
    module, function = args.run.split(":")
    command: Callable[[argparse.Namespace], int] = getattr(import_module(module), function)
    return command(args)


def processes(path: Path) -> list[str]:
    events = json.loads(path.read_text())["traceEvents"]
    return [event["args"]["name"] for event in events if event["name"] == "process_name"]


def test_perfetto_has_a_process_a_try_that_says_which(run: Run, tmp_path: Path) -> None:
    assert main("export", run.folder, "--to", "perfetto", "--out", tmp_path / "t.json") == 0
    assert processes(tmp_path / "t.json") == [f"problem {name}, epoch {epoch}" for name in ("aa1", "bb2") for epoch in range(2)]


@pytest.mark.parametrize("problem", ["problem bb2", "bb2", "b"])
def test_a_problem_is_chosen_by_name_id_or_the_start_of_its_id(run: Run, tmp_path: Path, problem: str) -> None:
    main("export", run.folder, "--to", "perfetto", "--out", tmp_path / "t.json", "--problem", problem, "--epoch", "1")
    assert processes(tmp_path / "t.json") == ["problem bb2, epoch 1"]


def test_spans_of_each_try_are_a_trace_and_begin_when_the_run_did(run: Run, tmp_path: Path) -> None:
    main("export", run.folder, "--to", "otel", "--out", tmp_path / "t.json", "--limit", "3")
    (resource,) = json.loads((tmp_path / "t.json").read_text())["resourceSpans"]
    spans = resource["scopeSpans"][0]["spans"]
    assert len({span["traceId"] for span in spans}) == 3
    written = (run.folder / "rows.jsonl").stat().st_mtime
    first = min(int(span["startTimeUnixNano"]) for span in spans)
    assert first == pytest.approx((written - 2.0) * 1e9, abs=1e6)


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_tables_hold_the_chosen_rows(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str) -> None:
    if to == "parquet":
        pytest.importorskip("pyarrow")
    assert main("export", run.folder, "--to", to, "--out", tmp_path / "rows", "--problem", "aa1") == 0
    assert capsys.readouterr().err == f"2 tries: {tmp_path / 'rows'}\n"


def test_an_unknown_problem_is_answered_with_those_that_are_near(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no problem 'problem aa': it has 2, such as 'problem aa1'"):
        main("export", run.folder, "--to", "csv", "--out", tmp_path / "x", "--problem", "problem aa")


def test_an_epoch_that_was_not_run_is_answered_with_those_that_were(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="epochs 0 to 1"):
        main("export", run.folder, "--to", "csv", "--out", tmp_path / "x", "--epoch", "7")


def test_threads_that_were_not_kept_are_said_to_be_missing(tmp_path: Path) -> None:
    bare = write_run(tmp_path / "bare", [row("a")])
    with pytest.raises(ConfigError, match="--traces all"):
        main("export", bare.folder, "--to", "perfetto", "--out", tmp_path / "t.json")
    assert not (tmp_path / "t.json").exists()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run|has no rows"):
        main("export", tmp_path, "--to", "csv", "--out", tmp_path / "x")


def test_a_run_is_viewed_as_a_report_in_its_folder(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("view", run.folder) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == run.folder / "report.html" and Parsed(path.read_text()).column(0, "kept")[0] is not None


def test_a_problem_is_viewed_as_the_timelines_of_its_tries(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("view", run.folder, "--problem", "problem aa1") == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == run.folder / "problem-aa1.html"
    text = path.read_text()
    assert "problem aa1, epoch 1" in text and "bb2" not in text


def test_a_page_is_opened_only_when_asked_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    main("view", run.folder, "--out", tmp_path / "page.html")
    assert opened == []
    main("view", run.folder, "--out", tmp_path / "page.html", "--open")
    assert opened == [(tmp_path / "page.html").as_uri()]
