"""What the runs of the scheduler benchmark say: a figure a run, medians with ranges, and a Markdown table. The figure of a run:

    wide, chain   microseconds a task, also as a multiple of raw asyncio's
    layered       makespan / critical path
    leaves        makespan / lower bound, max(critical path, total / slots)
    stream        the longest that a node whose line and inputs were there waited, in milliseconds

A ratio compares runs of the same round.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .peers import BASELINE
from .workloads import Workload

Runs = Sequence[Mapping[str, Any]]
"""What the processes of one peer printed for one point, each with its `round`; those that failed have `error`."""


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    figure: Spread | None
    """None when not one run ended well."""
    times_baseline: Spread | None
    """Paired by round; None where the figure has a bound of its own."""
    num_failed: int


def figure(run: Mapping[str, Any], workload: Workload) -> float:
    """One run's number, in the unit that the module's docstring gives for its kind."""
    if workload.kind in ("wide", "chain"):
        return 1e6 * float(run["seconds"]) / len(workload.seconds)
    if workload.kind == "stream":
        return 1e3 * float(run["worst_delay_s"])
    return float(run["seconds"]) / workload.lower_bound_s


def spread(values: Sequence[float]) -> Spread | None:
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def cell(runs: Runs, baseline: Runs, workloads: Mapping[int, Workload]) -> Cell:
    """`workloads` are those of the rounds."""
    figures = {run["round"]: figure(run, workloads[run["round"]]) for run in runs if "error" not in run}
    of_baseline = {run["round"]: figure(run, workloads[run["round"]]) for run in baseline if "error" not in run}
    paired = [number for number in figures if number in of_baseline and workloads[number].kind in ("wide", "chain")]
    return Cell(
        figure=spread(list(figures.values())),
        times_baseline=spread([figures[number] / of_baseline[number] for number in paired]),
        num_failed=len(runs) - len(figures),
    )


def summary(
    points: Mapping[str, Mapping[int, Workload]], runs: Mapping[str, Mapping[str, Runs]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """For each point and peer its cell, as plain data. `points` gives the workload of each round, `runs` goes by point and peer."""
    return {
        point: {peer: dataclasses.asdict(cell(rows, peers.get(BASELINE, ()), points[point])) for peer, rows in peers.items()}
        for point, peers in runs.items()
    }


HEADINGS = {
    "wide": "{point}: µs a task, × raw",
    "chain": "{point}: µs a link, × raw",
    "layered": "{point}: makespan / critical path",
    "leaves": "{point}: makespan / lower bound",
    "stream": "{point}: longest wait, ms",
}


def markdown(
    kinds: Mapping[str, str],
    summaries: Mapping[str, Mapping[str, Mapping[str, Any]]],
    rows: Sequence[str],
    absent: Mapping[str, str],
) -> str:
    """Medians, (ranges) and ratios. `kinds` gives each point's kind; `absent` says why a row of `rows` has no numbers."""
    lines = [
        "| | " + " | ".join(HEADINGS[kind].format(point=point) for point, kind in kinds.items()) + " |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for row in rows:
        cells = [absent[row]] + [""] * (len(kinds) - 1) if row in absent else [_text(summaries[point].get(row)) for point in kinds]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _text(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return "–"
    failed = f"{cell['num_failed']} failed" if cell["num_failed"] else ""
    if cell["figure"] is None:
        return failed
    text = "{} ({}–{})".format(*(_short(cell["figure"][key]) for key in ("median", "least", "most")))
    if cell["times_baseline"]:
        text += f", {_short(cell['times_baseline']['median'])}×"
    return f"{text}, {failed}" if failed else text


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 2 else f"{value:.3f}"
