"""The programs in `examples/` that measure and look at runs, run as a user runs them, and the commands of its guide."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from orchestra import cli
from orchestra.eval_arguments import add_eval
from orchestra.export_arguments import add_export, add_view
from orchestra.report_arguments import add_report

from .test_examples import value_of

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(example: str, folder: Path, *args: str) -> str:
    """What an example prints; its files are in `folder` then."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / example), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_methods_are_run_compared_and_put_on_a_page(tmp_path: Path) -> None:
    printed = run("compare_two_runs.py", tmp_path)
    assert "serial" in printed and "fork" in printed
    page = tmp_path / printed.splitlines()[-1].rpartition(" ")[2]
    assert "<html" in page.read_text(encoding="utf-8")
    rows = {name: (tmp_path / f"runs/compare/{name}/rows.jsonl").read_text().splitlines() for name in ("serial", "fork")}
    assert {name: len(lines) for name, lines in rows.items()} == {"serial": 50, "fork": 50}
    run("compare_two_runs.py", tmp_path, "runs/compare/serial", "runs/compare/fork")
    assert (tmp_path / "runs/compare/serial/rows.jsonl").read_text().splitlines() == rows["serial"], "nothing was run again"


def test_a_traced_run_prints_its_threads_and_spans_and_writes_a_file(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.sdk")
    printed = run("traced_run.py", tmp_path)
    threads, answer, spans, file = printed.strip().split("\n\n")
    assert threads.splitlines()[-1].startswith("0      finished") and value_of(answer) == 25
    children = [line for line in spans.splitlines() if line.startswith("    invoke_agent thread 0.")]
    requests = [line for line in spans.splitlines() if line.strip().startswith("text_completion symbolic player, ")]
    assert spans.startswith("invoke_workflow ") and len(children) == 6 and len(requests) == 8
    assert "traceEvents" in json.loads((tmp_path / file.split()[1]).read_text())


def commands() -> list[list[str]]:
    """Those of orchestra in the guide to a server of one's own."""
    text = (EXAMPLES / "aime_on_your_server.md").read_text(encoding="utf-8")
    return [shlex.split(line)[1:] for line in re.findall(r"^ +(orchestra .*)$", text, re.MULTILINE)]


def test_every_command_of_the_guide_is_understood() -> None:
    parser = argparse.ArgumentParser()
    subcommands = parser.add_subparsers()
    for add in (add_eval, add_report, add_export, add_view):
        add(subcommands)
    found = [parser.parse_args(words) for words in commands()]
    assert [args.run.rpartition(":")[2] for args in found] == ["evaluate"] * 3 + ["report_command", "view", "export", "export"]


def test_the_guide_s_dry_runs_say_what_would_be_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"id": str(number), "problem": f"What is {number} + 1?", "answer": str(number + 1)} for number in range(3)]
    Path("aime24.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for words in commands():
        if words[0] == "eval":
            assert cli.main([*words, "--data", "aime24.jsonl", *([] if "--dry-run" in words else ["--dry-run"])]) == 0
            said = capsys.readouterr()
            assert "12" in said.out + said.err, "3 problems, 4 epochs"
    assert [path.name for path in tmp_path.iterdir()] == ["aime24.jsonl"], "nothing was run"
