"""Runs become a table beside the paper's numbers."""

from __future__ import annotations

from typing import Any

from orchestra.evals.benchmarks.agents.table import cell, lines, markdown, rich_table, summary
from rich.console import Console


def row(kind: str, **seconds: float | None) -> dict[str, Any]:
    """A row of runs that should take 1 s each; None is a failure."""
    run = {"computed_s": 1.0, "right": True, "turns": 2, "sampled_tokens": 9, "calls": 4}
    runs = {mode: {"error": "boom"} if value is None else {**run, "seconds": value} for mode, value in seconds.items()}
    return {"id": "1", "kind": kind, "runs": runs}


def test_speedups_compare_runs_of_the_same_question() -> None:
    rows = [row("movie", react=4.0, plan=1.0), row("movie", react=6.0, plan=3.0), row("movie", react=None, plan=8.0)]
    found = cell(rows, "plan")
    assert found.speedup is not None and found.speedup.median == 3.0
    assert (found.mean_speedup, found.most_over_computed, found.failed, cell(rows, "react").failed) == (2.5, 8.0, 0, 1)


def test_the_table_shows_failures_wrong_answers_and_the_papers_numbers() -> None:
    rows = [row("movie", react=4.0, plan=1.0), row("movie", react=6.0, plan=3.0), row("movie", react=2.0, plan=None)]
    rows[0]["runs"]["plan"]["right"] = False
    table = lines({"rates": summary(rows, ["react", "plan"])}, ["react", "plan"])
    assert markdown(table).splitlines() == [
        "| questions; model | ReAct | plan, streamed | measured / computed, median (most) |",
        "| --- | --- | --- | --- |",
        "| movie, 3; rates | 4.00 s | 3.00× (2.50–3.50), 2.00 s, 1 failed, 1 wrong | 2.000–4.000 (6.000) |",
        "| paper, movie; gpt-3.5-turbo-1106 | 20.47 s | 3.74×, 5.47 s |  |",
    ]
    with (console := Console(width=200)).capture() as captured:
        console.print(rich_table(table))
    assert "3.74×" in captured.get()
