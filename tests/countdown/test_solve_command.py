"""`orchestra solve` on the flawless scripted player, and its words when there is nothing to be proud of."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestra.cli import main
from orchestra.countdown.attempt import Setup, read_attempt
from orchestra.countdown.command import verdict
from orchestra.countdown.problem import Problem

from .test_search import PROBLEM, claim


def solve(*arguments: str) -> int:
    return main(["solve", "--engine", "scripted", *arguments])


def test_a_solvable_problem_ends_in_a_verified_expression_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert solve("--numbers", "3", "5", "7", "11", "--target", "24", "--page", str(page)) == 0
    out = capsys.readouterr().out
    assert "24 = (11*7-5)/3  (verified)" in out
    assert "0.17   finished" in out and "0.0    cancelled" in out
    assert "11 7 5 3" in page.read_text()


def test_an_unsolvable_problem_says_so_and_searches_anyway(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve("--numbers", "1", "1", "1", "1", "--target", "99") == 1
    out = capsys.readouterr().out
    assert "99 cannot be reached with 1 1 1 1" in out
    assert "no solution found: the search ended without one" in out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            ["--method", "serial", "--window", "40"],
            "no solution found: it ran out of tokens: a larger --window or --tree-tokens gives it more",
        ),
        (["--tree-tokens", "30"], "no solution found: it ran out of tokens: a larger --window or --tree-tokens gives it more"),
    ],
)
def test_a_search_that_runs_out_says_of_what(capsys: pytest.CaptureFixture[str], options: list[str], reason: str) -> None:
    assert solve("--numbers", "91", "89", "51", "44", "--target", "76", *options) == 1
    assert reason in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("numbers", "target", "message"),
    [
        (["3", "5"], "24", "a problem has 3 to 6 numbers, got 2"),
        (["3", "5", "200"], "24", "got [200]"),
        (["3", "5", "7"], "1000", "got 1000"),
    ],
)
def test_numbers_out_of_range_are_wrong_arguments(
    capsys: pytest.CaptureFixture[str], numbers: list[str], target: str, message: str
) -> None:
    assert solve("--numbers", *numbers, "--target", target) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "shown", "change"),
    [
        (["--depth", "0"], "refused   threads may be nested 0 deep", "they may be nested 0 deep: --depth 1 lets them run"),
        (
            ["--beam", "0", "--window", "92", "--depth", "1"],
            "refused   threads may be nested 1 deep",
            "they may be nested 1 deep: --depth 2 lets them run",
        ),
        (
            ["--window", "92", "--beam", "0", "--child-beam", "12"],
            "cut       77 tokens: … ",
            "child threads ran out of tokens (--window 92): a larger one gives them more; --beam 0 --child-beam 0 fits narrow ones",
        ),
        (
            ["--window", "92", "--beam", "0", "--child-beam", "12", "--tree-tokens", "5000"],
            "cut       77 tokens: … ",
            "child threads ran out of tokens (--window 92, --tree-tokens 5000): larger ones give them more",
        ),
    ],
)
def test_children_that_could_not_search_say_why_and_what_to_change(
    capsys: pytest.CaptureFixture[str], options: list[str], shown: str, change: str
) -> None:
    assert solve("--numbers", "92", "84", "69", "4", "--target", "37", *options) == 1
    out = capsys.readouterr().out
    assert shown in out and change in out


def test_a_model_is_named_only_for_problems_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve("--numbers", "91", "89", "51", "44", "--target", "76", "--tree-tokens", "30") == 1
    assert "a model that chooses widths, such as models/countdown-6m-nested\n" in capsys.readouterr().out
    assert solve("--numbers", "91", "89", "51", "44", "7", "--target", "76", "--tree-tokens", "30") == 1
    assert "a model that chooses widths\n" in capsys.readouterr().out


def test_a_model_that_chooses_the_roots_width_chooses_its_childrens(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve("--numbers", "92", "84", "69", "4", "--target", "37", "--window", "92", "--beam", "0") == 0
    assert "<fork> 0 0 <target>" in capsys.readouterr().out
    assert Setup(beam=0).effective_child_beam == 0 and Setup(beam=0, child_beam=12).effective_child_beam == 12
    assert Setup().effective_child_beam == 12 and Setup(method="serial", beam=0).effective_child_beam == 12


def test_a_share_of_the_gpu_is_for_vllm(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve("--numbers", "3", "5", "7", "--target", "24", "--gpu-memory", "0.3") == 2
    assert "--gpu-memory is for vLLM in this process, not for scripted" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        solve("--numbers", "3", "5", "7", "--target", "24", "--gpu-memory", "30")
    assert "expected a share above 0 and up to 1, got '30'" in capsys.readouterr().err


def test_a_false_claim_is_not_an_answer() -> None:
    false = read_attempt(PROBLEM, claim(PROBLEM, "<goal> 11 + 5 = 6 7 - 3 = 4 6 * 4 = 24 <end>"))
    assert "the solution that the model claimed is none: `11 + 5 = 6` is not true" in verdict(false, Setup())


def test_an_engine_failure_is_not_a_missing_solution() -> None:
    tree = claim(Problem((11, 7, 5, 3), 24), "<none> <end>")
    tree.root.status, tree.root.error = "failed", "http://gone does not answer"
    assert "the engine failed" in verdict(read_attempt(PROBLEM, tree), Setup())
