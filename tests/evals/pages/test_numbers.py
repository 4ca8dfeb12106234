"""The numbers on the page are the runs'."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.compare import compare
from orchestra.evals.pages import report_page
from orchestra.evals.pages.pairs import graded, pairs, solved
from orchestra.evals.pages.safe_json import compact, in_script
from orchestra.evals.pages.settings import settings_of
from orchestra.evals.pages.summary import summary_of
from orchestra.evals.run import ROWS

from .made import Parsed, row, write_run


def test_every_row_is_there_with_its_numbers(tmp_path: Path) -> None:
    rows = [
        row("1", work=740, span=128, wasted=442, context=187, cached=16, prefilled=374, threads=20, wall_seconds=0.62041, epoch=1),
        row("2", correct=False, flaw="uses 7 twice", answer=None, cached=None),
        row("3", error="HTTP 503", retries=3),
    ]
    other = [row("2"), row("4", gold="x", facts={"why": "4 of 8"})]
    parsed = Parsed(report_page([write_run(tmp_path / "a", rows), write_run(tmp_path / "b", other, method="serial")]))
    assert parsed.column(-1, "id") == ["1", "2", "3", "4"]
    assert parsed.column(-1, "gold") == ["41", "41", "41", "x"]
    assert parsed.data["runs"][0]["rows"]["states"] == "rwe"
    assert parsed.column(0, "work") == [740, 100, 100]
    assert parsed.column(0, "wall_seconds") == [0.6204, 2.0, 2.0]
    assert parsed.column(0, "cached") == [16, None, None]
    assert parsed.column(0, "epoch") == [1, 0, 0]
    assert parsed.column(0, "flaw") == [None, "uses 7 twice", None]
    assert parsed.column(1, "problem") == [1, 3]
    assert parsed.column(1, "facts") == [None, {"why": "4 of 8"}]
    assert [run["solved"] for run in parsed.data["runs"]] == ["10--", "-1-1"]


def test_the_summary_leaves_errors_out_and_counts_them(tmp_path: Path) -> None:
    rows = [row("1", epoch=0, work=100), row("1", epoch=1, correct=False, work=300), row("2", work=500, wall_seconds=4.0)]
    found = summary_of(write_run(tmp_path / "a", [*rows, row("3", error="down", work=9999)]), name="a")
    assert (found.problems, found.tries, found.correct, found.errors) == (2, 3, 2, 1)
    assert found.accuracy and found.accuracy.value == 0.75
    assert found.work and found.work.value == 350, "tries at one problem are averaged first"
    assert found.wall_median == 2.0 and found.wall_p95 == pytest.approx(3.8)
    assert found.context is None and found.cached_share is None and found.score is None


def test_part_marks_have_a_column_of_their_own(tmp_path: Path) -> None:
    page = report_page([write_run(tmp_path / "a", [row("1", correct=False, score=0.5), row("2")])])
    assert "score %" in page and "75.0" in page
    assert "score %" not in report_page([write_run(tmp_path / "b", [row("1"), row("2")])])


def test_the_table_without_scripts_says_accuracy_and_errors(tmp_path: Path) -> None:
    rows = [*(row(str(n), correct=n < 3) for n in range(4)), row("9", error="down")]
    text = " ".join(Parsed(report_page([write_run(tmp_path / "a", rows)])).text.split())
    assert "75.0 ±" in text and "Tries that infrastructure failed (1)" in text


@pytest.mark.parametrize("rows", [[], [row("1", error="down"), row("2", error="down")]], ids=["empty", "errors only"])
def test_a_run_without_graded_tries_has_no_numbers(tmp_path: Path, rows: list[object]) -> None:
    run = write_run(tmp_path / "a", rows)  # type: ignore[arg-type]
    full = write_run(tmp_path / "b", [row("1")], method="serial")
    for runs in ([run], [run, full], [full, run]):
        parsed = Parsed(report_page(runs))
        assert parsed.data["runs"][runs.index(run)]["summary"]["accuracy"] is None
        assert parsed.data["pairs"] == []
        assert "NaN" not in parsed.scripts["data"]


def test_a_run_that_has_not_begun_is_a_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", [])
    (run.folder / ROWS).unlink()
    (run.folder / "traces.jsonl.gz").unlink()
    assert Parsed(report_page([run])).data["problems"]["id"] == []


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=20),
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_the_letters_of_solved_count_as_the_comparison_does(
    first: list[tuple[int, bool, bool]], second: list[tuple[int, bool, bool]]
) -> None:
    problems = [str(n) for n in range(6)]
    tries = [
        graded(
            row(str(n), epoch=epoch, correct=correct, error="down" if failed else None)
            for epoch, (n, correct, failed) in enumerate(rows)
        )
        for rows in (first, second)
    ]
    letters = list(zip(*(solved(problems, one) for one in tries), strict=True))
    comparison = compare(*tries)
    if comparison is None:
        assert all("-" in pair for pair in letters)
    else:
        assert comparison.only_first == letters.count(("1", "0")) and comparison.only_second == letters.count(("0", "1"))
        assert comparison.both == letters.count(("1", "1")) and comparison.neither == letters.count(("0", "0"))


def test_all_pairs_are_compared(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(k), [row(str(n), correct=n < 4 * k) for n in range(10)]) for k in range(3)]
    found = pairs(runs)
    assert [(pair["first"], pair["second"]) for pair in found] == [(0, 1), (0, 2), (1, 2)]
    assert [pair["difference"] for pair in found] == [-0.4, -0.8, -0.4]
    assert all(pair["low"] < pair["difference"] < pair["high"] for pair in found)


def test_settings_that_differ_stand_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", []), write_run(tmp_path / "b", [], method="serial")]
    found = settings_of(runs)
    assert found.different == {"method": ["fork", "serial"]}
    assert found.shared == {"benchmark": "toy", "engine": "scripted", "date": "2026-11-22", "commit": "abc1234"}


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / parent / "run", [row("1")]) for parent in ("a", "b")]
    names = [run["name"] for run in Parsed(report_page(runs)).data["runs"]]
    assert names == [str(run.folder) for run in runs]


def test_json_has_no_word_that_browsers_cannot_read() -> None:
    assert compact({"a": [math.nan, math.inf, 1.5]}) == '{"a":[null,null,1.5]}'
    assert in_script("</script><!-- & \u2028 \ud800") == '"\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028 \\ud800"'
