"""`orchestra sample --numbers …` on the flawless scripted player."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestra.cli import main

PROBLEM = ("--numbers", "3", "5", "7", "11", "--target", "24")


def sample(*arguments: str) -> int:
    return main(["sample", "--model", "scripted", *arguments])


def test_the_answer_goes_to_standard_output_and_its_account_to_the_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    policy = "asc_events:n=8,threshold=0.95"
    assert sample(*PROBLEM, "--method", "fork", "--policy", policy, "--page", str(page)) == 0
    out, err = capsys.readouterr()
    assert out == "(11-5)*(7-3)\n"
    assert "24 = (11-5)*(7-3)  (verified)" in err
    assert "8 traces" in err
    assert "11 7 5 3" in page.read_text()


def test_programs_get_the_whole_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert sample(*PROBLEM, "--method", "fork", "--policy", "self_consistency:n=3", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["answer"] == "(11-5)*(7-3)"
    assert result["account"]["work"] == sum(trace["tokens"] for trace in result["traces"])
    assert len(result["traces"]) == result["account"]["launched"] == 3


def test_a_problem_without_a_solution_is_named_and_searched_anyway(capsys: pytest.CaptureFixture[str]) -> None:
    assert sample("--numbers", "1", "1", "1", "1", "--target", "99", "--policy", "self_consistency:n=2") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "99 cannot be reached with 1 1 1 1" in err and "no answer" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--numbers", "3", "5", "7"), "give either a problem in words, or `--numbers` with `--target`"),
        (("How many?", *PROBLEM), "give either a problem in words, or `--numbers` with `--target`"),
        ((*PROBLEM, "--top-p", "0.9"), "`--top-p` is for problems in words"),
        ((*PROBLEM, "--max-tokens", "9"), "`--max-tokens` is for problems in words"),
        (("How many?", "--method", "fork"), "`--method` is for Countdown"),
        (("How many?", "--model", "http://127.0.0.1:9/v1", "--page", "page.html"), "there is no `--page`: leave it out"),
        (("How many?", "--model", "http://127.0.0.1:9/v1", "--top-p", "1"), "there is no `--top-p`: leave it out"),
        ((*PROBLEM, "--policy", "first_finisch:n=3"), "did you mean first_finish?"),
        ((*PROBLEM, "--gpu-memory", "0.3"), "--gpu-memory is for vLLM in this process, not for scripted"),
        (
            ("How many?", "--model", "http://127.0.0.1:9/v1", "--gpu-memory", "0.3"),
            "--gpu-memory is for vLLM in this process, not for http://127.0.0.1:9/v1",
        ),
        (("--numbers", "3", "5", "200", "--target", "24"), "got [200]"),
    ],
)
def test_what_cannot_be_sampled_is_said_before_anything_starts(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err and "starting" not in err
