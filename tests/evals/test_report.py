"""What is made of rows: summaries, merged shards, comparisons, notes."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestra.evals.measured import Measured, measure
from orchestra.evals.report import report_of, summarise, summary_of

from orchestra.errors import ConfigError

from .made_runs import row, tries, write_run


def test_tries_at_a_problem_are_averaged_first_and_errors_are_left_out() -> None:
    rows = [*tries("a", "rrrw"), *tries("b", "wwee"), *tries("c", "e")]
    summary = summary_of(rows, run="run", method="serial")
    assert (summary.problems, summary.tries, summary.correct, summary.errors) == (2, 6, 3, 3)
    assert summary.accuracy == pytest.approx((3 / 4 + 0) / 2)
    assert summary.accuracy_error == pytest.approx(3 / 8)


def test_an_empty_run_has_a_summary_without_numbers() -> None:
    summary = summary_of([], run="r", method="serial")
    assert summary.accuracy is None and summary.wall_seconds is None and summary.epochs == 0


def test_costs_are_means_and_shares_of_all_tokens() -> None:
    costs = [
        {"work": 100, "span": 50, "wasted": 10, "cached": 30, "prefilled": 10, "context": 60, "threads": 3, "explored": 4},
        {"work": 300, "span": 150, "wasted": 50, "cached": 50, "prefilled": 10, "context": 100, "threads": 5, "explored": 8},
    ]
    rows = [row(f"p{number}", wall_seconds=number + 1.0, **cost) for number, cost in enumerate(costs)]
    summary = summary_of(rows, run="run", method="fork")
    assert (summary.work, summary.span, summary.parallelism, summary.context) == (200, 100, 2, 80)
    assert (summary.threads, summary.explored) == (4, 6)
    assert summary.wasted_share == pytest.approx(60 / 400) and summary.cached_share == pytest.approx(80 / 100)
    assert summary.wall_seconds == 1.5 and summary.wall_p95 == pytest.approx(1.95)


def test_what_a_row_does_not_know_is_not_made_up() -> None:
    summary = summary_of([row("a", cached=5, prefilled=5, context=9), row("b")], run="run", method="serial")
    assert summary.cached_share is None and summary.context is None and summary.threads is None and summary.explored is None


def test_part_marks_and_classes_are_reported_where_there_are_some() -> None:
    marked = summary_of([row("a", score=0.5, correct=False), row("b")], run="run", method="serial")
    assert marked.score == 0.75 and marked.macro_f1 is None
    classed = [
        row(name, gold=gold, answer=gold, correct=True) for name, gold in zip("abcd", ("yes", "yes", "no", "no"), strict=True)
    ]
    summary = summary_of([*classed, row("e", gold="no", answer="yes", correct=False)], run="run", method="serial")
    assert summary.macro_f1 == pytest.approx((4 / 5 + 4 / 5) / 2) and summary.score is None


def test_right_answers_that_are_written_differently_vote_together_where_there_is_one_gold_answer(tmp_path: Path) -> None:
    answers = [("1/2", True), (r"\frac12", True), ("0.3", False), ("0.30", False), ("0.300", False)]
    rows = [row("a", epoch, answer=answer, correct=correct, gold="1/2") for epoch, (answer, correct) in enumerate(answers)]
    report = report_of([write_run(tmp_path, rows)], maj_at=[5])
    (found,) = report.runs[0].summary.maj_at
    assert found.value == 0.0
    rows = [
        *rows[:2],
        row("a", 2, answer="1/ 2", gold="1/2"),
        *(one.model_copy(update={"epoch": 3 + n}) for n, one in enumerate(rows[3:])),
    ]
    (found,) = report_of([write_run(tmp_path, rows)], maj_at=[5]).runs[0].summary.maj_at
    assert found.value == 1.0


def test_right_answers_to_a_problem_without_a_gold_one_are_different_answers(tmp_path: Path) -> None:
    rows = [
        row("a", epoch, gold=None, answer=answer, correct=answer != "x") for epoch, answer in enumerate(["3+5", "4*2", "x", "x"])
    ]
    (found,) = report_of([write_run(tmp_path, rows)], maj_at=[4]).runs[0].summary.maj_at
    assert found.value == 0.0


def test_problems_with_too_few_tries_are_left_out_of_pass_at_k(tmp_path: Path) -> None:
    run = write_run(tmp_path, [*tries("a", "rw"), *tries("b", "r")])
    one, two, three = report_of([run], pass_at=[1, 2, 3]).runs[0].summary.pass_at
    assert (one.value, one.problems) == (0.75, 2)
    assert (two.value, two.problems) == (1.0, 1)
    assert (three.value, three.problems) == (None, 0)


def test_shards_of_one_run_are_one_run(tmp_path: Path) -> None:
    first = write_run(tmp_path / "0", tries("a", "rw"), seed=1, shard="0/2")
    second = write_run(tmp_path / "1", tries("b", "rr"), seed=1, shard="1/2")
    (run,) = measure([first, second])
    assert run.label == "serial (2 shards)" and sorted(run.tries) == ["a", "b"]
    (reported,) = report_of([first, second]).runs
    assert reported.summary.problems == 2 and len(reported.folders) == 2


def test_the_same_experiment_run_twice_is_two_runs_named_by_their_folders(tmp_path: Path) -> None:
    runs = measure([write_run(tmp_path / name, tries("a", "rw")) for name in ("once", "again")])
    assert [run.label for run in runs] == ["once", "again"]
    twin = measure([write_run(tmp_path / name / "serial", tries("a", "r")) for name in ("x", "y")])
    assert len({run.label for run in twin}) == 2


def test_other_experiments_are_other_runs_and_a_folder_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", tries("a", "r"), model="small")
    second = write_run(tmp_path / "b", tries("b", "r"), model="large")
    assert len(measure([first, second, tmp_path / "b" / ".." / "a"])) == 2


def test_the_last_row_of_a_try_counts() -> None:
    run = Measured.of_rows([*tries("a", "e"), *tries("a", "r")], label="run", benchmark="tiny", method="serial")
    assert run.errors == 0 and run.correct == {"a": [True]}


def test_runs_are_compared_with_the_first_or_with_the_baseline_that_is_named(tmp_path: Path) -> None:
    serial = write_run(tmp_path / "serial", [*tries("a", "rw"), *tries("b", "ww")])
    fork = write_run(tmp_path / "fork", [*tries("a", "rr"), *tries("b", "rw")], method="fork (first)")
    report = report_of([serial, fork])
    assert report.baseline == "serial" and report.runs[0].difference is None
    assert report.runs[1].difference is not None and report.runs[1].difference.difference == 0.5
    turned = report_of([serial], baseline=fork)
    assert [one.summary.run for one in turned.runs] == ["fork (first)", "serial"]
    assert turned.runs[1].difference is not None and turned.runs[1].difference.difference == -0.5


def test_a_baseline_may_be_written_differently_from_the_run_that_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [write_run(tmp_path / name, tries("a", "rw"), method=name) for name in ("serial", "plan")]
    monkeypatch.chdir(tmp_path)
    report = report_of(runs, baseline=Path("plan"))
    assert report.baseline == "plan" and len(report.runs) == 2
    assert report_of([Path("serial"), Path("plan")], baseline=runs[1]).baseline == "plan"


def test_runs_with_other_problems_are_compared_on_the_common_ones_and_it_is_said(tmp_path: Path) -> None:
    serial = write_run(tmp_path / "serial", [*tries("a", "r"), *tries("b", "w")])
    fork = write_run(tmp_path / "fork", [*tries("b", "r"), *tries("c", "w")], method="fork (first)")
    alone = write_run(tmp_path / "alone", tries("z", "r"), method="plan")
    report = report_of([serial, fork, alone])
    assert report.runs[1].difference is not None and report.runs[1].difference.problems == 1
    assert report.runs[2].difference is None
    assert any("compared on the 1 that they have in common" in note for note in report.notes)
    assert any("plan and serial have no problem in common" in note for note in report.notes)


def test_groups_are_compared_each_by_itself(tmp_path: Path) -> None:
    serial = write_run(tmp_path / "serial", [*tries("a", "r", group="easy"), *tries("b", "w", group="hard"), *tries("c", "w")])
    fork = write_run(tmp_path / "fork", [*tries("a", "r", group="easy"), *tries("b", "r", group="hard")], method="fork (all)")
    _, found = report_of([serial, fork], by_group=True).runs
    assert [(one.group, one.difference and one.difference.difference) for one in found.groups] == [("easy", 0.0), ("hard", 1.0)]


def test_errors_and_unfinished_runs_are_said(tmp_path: Path) -> None:
    notes = report_of([write_run(tmp_path / "a", [*tries("a", "re"), *tries("b", "rr")])]).notes
    assert any(note.startswith("1 row with infrastructure errors") for note in notes)
    notes = report_of([write_run(tmp_path / "b", [*tries("a", "r"), *tries("b", "rr")])]).notes
    assert any("1 to 2 tries a problem" in note for note in notes)
    notes = report_of([write_run(tmp_path / "c", tries("a", "ee"))]).notes
    assert "serial has no graded row but errors." in notes


def test_the_power_note_speaks_of_single_runs_and_of_differences(tmp_path: Path) -> None:
    serial = write_run(tmp_path / "serial", [one for name in "abcdefgh" for one in tries(name, "rw")])
    fork = write_run(
        tmp_path / "fork", [one for name in "abcdefgh" for one in tries(name, "rw" if name < "e" else "rr")], method="fork"
    )
    alone = write_run(
        tmp_path / "alone", [one for n, name in enumerate("abcdefgh") for one in tries(name, "rw" if n % 2 else "rr")]
    )
    assert any("With 8 problems, differences below" in note and "--baseline" in note for note in report_of([alone]).notes)
    assert any("With 8 problems, differences to the baseline" in note for note in report_of([serial, fork]).notes)


def test_what_cannot_be_matched_is_said(tmp_path: Path) -> None:
    serial = write_run(tmp_path / "serial", tries("a", "r"))
    fork = write_run(tmp_path / "fork", tries("a", "r", at_once=1), method="fork (all)")
    report = report_of([serial, fork], axes=["work", "wall"])
    assert report.matched == []
    assert any(note.startswith("Nothing has the same work: give another method at two settings") for note in report.notes)
    assert any("their wall seconds do not compare" in note for note in report.notes)


def test_runs_of_different_benchmarks_stand_side_by_side_but_are_not_compared(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", tries("a", "r"), benchmark="aime24")
    second = write_run(tmp_path / "b", tries("b", "r"), benchmark="gsm8k")
    report = report_of([first, second])
    assert report.baseline is None and all(one.difference is None for one in report.runs)
    assert any("different benchmarks (aime24, gsm8k)" in note for note in report.notes)
    with pytest.raises(ConfigError, match=r"different benchmarks \(aime24, gsm8k\)"):
        report_of([first, second], baseline=first)
    with pytest.raises(ConfigError, match=r"different benchmarks \(aime24, gsm8k\)"):
        report_of([first, second], axes=["work"])


def test_a_folder_without_a_run_and_a_run_without_rows_are_errors_that_name_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        summarise(tmp_path)
    with pytest.raises(ConfigError, match="has no rows yet"):
        report_of([write_run(tmp_path / "empty", [])])


def test_a_damaged_row_is_an_error_with_its_line(tmp_path: Path) -> None:
    run = write_run(tmp_path, tries("a", "rr"))
    file = run / "rows.jsonl"
    file.write_text('{"problem": 1}\n' + file.read_text())
    with pytest.raises(ConfigError, match=r"rows\.jsonl:1 is no row"):
        report_of([run])
