"""`orchestra replay` from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orchestra import cli
from orchestra.sample.pool_file import write_pool

from .made import random_pool

POLICIES = ["--policy", "asc_events:n=8", "--policy", "short_m:n=8,m=4"]


@pytest.fixture
def pool(tmp_path: Path) -> str:
    path = tmp_path / "pool.jsonl.gz"
    write_pool(random_pool(problems=6, groups=2), path)
    return str(path)


def replay(*arguments: str) -> int:
    return cli.main(["replay", *arguments, "--resamples", "5", "--processes", "1"])


def test_a_table_of_the_baseline_and_each_policy(pool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(pool, *POLICIES) == 0
    out = capsys.readouterr().out
    assert "made: 6 problems × 5 resamples" in out
    assert all(name in out for name in ("self_consistency:", "asc_events:n=8", "short_m:n=8,m=4", "set0 (3)", "set1 (3)"))
    assert max(map(len, out.splitlines())) <= 80


def test_without_policies_the_default_set(pool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(pool, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["rows"]) > 6 and report["rows"][0]["policy"] == report["baseline"] == "self_consistency:n=20"


def test_out_is_a_page_a_picture_and_numbers(pool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    assert replay(pool, *POLICIES, "--out", str(out), "--json") == 0
    assert json.loads((out / "results.json").read_text()) == json.loads(capsys.readouterr().out)
    assert ElementTree.fromstring((out / "frontier.svg").read_text()).tag == "{http://www.w3.org/2000/svg}svg"
    page = (out / "frontier.html").read_text()
    assert "asc_events:" in page and "http://" not in page and "https://" not in page and "<script" not in page


def test_a_baseline_of_ones_own_and_slots(pool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(pool, *POLICIES, "--baseline", "self_consistency:n=4", "--slots", "2", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["baseline"], report["slots"]) == ("self_consistency:n=4", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "there is no pool nowhere.jsonl; give a .jsonl or .jsonl.gz file"),
        (["{pool}", "--policy", "asc_event:n=8"], "no policy is called 'asc_event': did you mean asc_events"),
        (["{pool}", "--policy", "deep_conf:n=8"], "can express none of the policies; run them live, or record what they need"),
        (["{pool}", "--out", "{pool}/x"], "cannot write"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_the_next_step(
    pool: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(*(argument.format(pool=pool) for argument in arguments)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a console there has no process groups to interrupt")
def test_ctrl_c_ends_all_processes_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "pool.jsonl"
    write_pool(random_pool(problems=3, traces=200), path)
    program = """
import sys
from orchestra import cli
from orchestra.evals.replay import command, resample
command.run = lambda what, processes, advance: resample.run(what, processes=processes, advance=lambda: print("one", flush=True))
sys.exit(cli.main(sys.argv[1:]))
"""
    arguments = ["replay", str(path), "--policy", "asc_events:n=200", "--resamples", "3000", "--processes", "2"]
    # A new session is a process group, as a terminal has it. Its output ends when the last process that could write to it has ended.
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as replaying:
        assert replaying.stdout is not None and replaying.stdout.readline() == "one\n"
        os.killpg(replaying.pid, signal.SIGINT)
        _, said = replaying.communicate()
    assert (replaying.returncode, said.strip()) == (130, "orchestra: interrupted")
