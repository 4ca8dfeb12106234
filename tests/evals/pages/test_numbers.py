"""The numbers on the page are the runs'."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orchestra.evals.compare import compare
from orchestra.evals.measured import measure
from orchestra.evals.method import Kept
from orchestra.evals.pages import report_page
from orchestra.evals.pages.pairs import graded, pairs, solved
from orchestra.evals.pages.safe_json import compact, in_script
from orchestra.evals.pages.settings import settings_of
from orchestra.evals.pages.shown import Shown, shown_in
from orchestra.evals.report import report_of
from orchestra.evals.row import Row
from orchestra.evals.run import ROWS, Run
from orchestra.evals.summary import summary_of_run

from orchestra.errors import ConfigError

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


def words(page: str) -> str:
    """What the page says without its scripts."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def shown(runs: list[Run]) -> list[Shown]:
    return shown_in(report_of([run.folder for run in runs]), runs)


def test_the_page_has_the_numbers_of_the_terminal(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, [row(str(n), correct=n % k > 0) for n in range(9)], method=name)
        for k, name in enumerate("ab", 2)
    ]
    report = report_of([run.folder for run in runs])
    parsed = Parsed(report_page(runs))
    for found, one, measured in zip(parsed.data["runs"], report.runs, measure([run.folder for run in runs]), strict=True):
        assert found["summary"] == one.summary.model_dump(exclude={"pass_at", "maj_at"})
        assert one.summary == summary_of_run(measured) and found["label"] == one.summary.run
    difference = report.runs[1].difference
    assert difference is not None and parsed.data["baseline"] == 0
    assert parsed.data["pairs"] == [
        {"first": 1, "second": 0, **difference.model_dump(include={"problems", "difference", "low", "high", "p"})}
    ]
    assert report.notes and all(note in parsed.text for note in report.notes)


def test_shards_are_one_run(tmp_path: Path) -> None:
    parts = [[row(str(n)) for n in range(start, 6, 2)] for start in (0, 1)]
    runs = [write_run(tmp_path / f"s{n}", part, [(part[0].problem, 0, Kept(text=f"part {n}"))]) for n, part in enumerate(parts)]
    parsed = Parsed(report_page(runs))
    (found,) = parsed.data["runs"]
    assert (found["label"], found["name"], found["summary"]["problems"]) == ("fork (2 shards)", "fork (2 shards)", 6)
    assert [kept["text"] for index in range(6) if (kept := parsed.kept(0, index))] == ["part 0", "part 1"]


def test_equal_costs_are_compared_where_a_method_has_several_settings(tmp_path: Path) -> None:
    tries = [[row(str(n), correct=n % 3 < k, work=100 * k) for n in range(6)] for k in (1, 2)]
    family = [write_run(tmp_path / str(k), rows, method=f"fork {k}") for k, rows in enumerate(tries)]
    other = write_run(tmp_path / "other", [row(str(n), work=150) for n in range(6)], method="serial")
    text = words(report_page([other, *family]))
    assert "At equal cost" in text and "fork … (2 settings) 150 150 100.0 50.0 +50.0" in text
    assert "At equal cost" not in report_page(family)


def test_what_was_asked_of_the_report_is_on_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", [row(str(n), epoch=epoch, group=f"level {n}") for n in range(3) for epoch in range(4)])
    report = report_of([run.folder], pass_at=[2], maj_at=[4], by_group=True)
    text = words(report_page([run], report=report))
    assert "pass@2 % maj@4 %" in text and "level 2" in text


def test_part_marks_have_a_column_of_their_own(tmp_path: Path) -> None:
    page = report_page([write_run(tmp_path / "a", [row("1", correct=False, score=0.5), row("2")])])
    assert "score %" in page and "75.0" in page
    assert "score %" not in report_page([write_run(tmp_path / "b", [row("1"), row("2")])])


def test_the_table_without_scripts_says_accuracy_and_errors(tmp_path: Path) -> None:
    rows = [*(row(str(n), correct=n < 3) for n in range(4)), row("9", error="down")]
    text = " ".join(Parsed(report_page([write_run(tmp_path / "a", rows)])).text.split())
    assert "75.0 ±" in text and "1 row with infrastructure errors" in text


@pytest.mark.parametrize("rows", [[], [row("1", error="down"), row("2", error="down")]], ids=["empty", "errors only"])
def test_a_run_without_graded_tries_has_no_numbers(tmp_path: Path, rows: list[Row]) -> None:
    run = write_run(tmp_path / "a", rows)
    full = write_run(tmp_path / "b", [row("1")], method="serial")
    for runs in ([run, full], [full, run]):
        parsed = Parsed(report_page(runs))
        assert parsed.data["runs"][runs.index(run)]["summary"]["accuracy"] is None
        assert parsed.data["pairs"] == []
        assert "NaN" not in parsed.scripts["data"]


def test_a_run_that_has_not_begun_is_no_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", [])
    (run.folder / ROWS).unlink()
    with pytest.raises(ConfigError, match="has no rows yet"):
        report_page([run])


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


@pytest.mark.parametrize("baseline", [0, 2])
def test_all_pairs_are_compared(tmp_path: Path, baseline: int) -> None:
    runs = [write_run(tmp_path / str(k), [row(str(n), correct=n < 4 * k) for n in range(10)]) for k in range(3)]
    report = report_of([run.folder for run in runs], baseline=runs[baseline].folder)
    found = pairs(shown_in(report, runs), baseline=baseline)
    assert {pair["first"]: pair["difference"] for pair in found if pair["second"] == baseline} == (
        {1: 0.4, 2: 0.8} if baseline == 0 else {0: -0.8, 1: -0.4}
    )
    assert len(found) == 3 and all(pair["low"] < pair["difference"] < pair["high"] for pair in found)


def test_settings_that_differ_stand_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", [row("1")]), write_run(tmp_path / "b", [row("1")], method="serial")]
    found = settings_of(shown(runs))
    assert found.different == {"method": ["fork", "serial"]}
    assert found.shared == {"benchmark": "toy", "engine": "scripted", "date": "2026-11-22", "commit": "abc1234"}


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / parent / "run", [row("1")]) for parent in ("a", "b")]
    assert [run["label"] for run in Parsed(report_page(runs)).data["runs"]] == [str(run.folder) for run in runs]


def test_json_has_no_word_that_browsers_cannot_read() -> None:
    assert compact({"a": [math.nan, math.inf, 1.5]}) == '{"a":[null,null,1.5]}'
    assert in_script("</script><!-- & \u2028 \ud800") == '"\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028 \\ud800"'
