"""What the runs of the agents benchmark say: medians with quartiles, speed-ups over ReAct question by question, and the paper's beside them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table

BASELINE = "react"
HEADINGS = {
    "react": "ReAct",
    "native": "native parallel calls",
    "plan": "plan, streamed",
    "plan, JSON lines": "plan in JSON lines, streamed",
    "plan first": "plan, not streamed",
}
PAPER: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "movie": {"react": (20.47, 1.0), "native": (7.42, 2.76), "plan": (5.47, 3.74)},
    "parallelqa": {"react": (35.90, 1.0), "native": (19.29, 1.86), "plan": (16.69, 2.15), "plan first": (21.72, 1.65)},
}
"""Seconds and speed-ups over ReAct, with live tools and models: LLMCompiler (arXiv 2312.04511), tables 1 and 2. Its speed-up without streaming is
the quotient of its latencies."""
PAPER_MODELS = {"movie": "gpt-3.5-turbo-1106", "parallelqa": "gpt-4-turbo-1106"}

Rows = Sequence[Mapping[str, Any]]
"""One a question: `id`, `kind`, and in `runs` what became of each mode: `Run`'s fields, `computed_s` and `right`; or `error`."""


@dataclass(frozen=True, slots=True)
class Spread:
    low: float
    """The first quartile."""
    median: float
    high: float
    """The third."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One mode on one set of questions."""

    questions: int
    right: int
    failed: int
    seconds: Spread | None
    """None when not one run ended well; the same for those below."""
    mean_s: float | None
    speedup: Spread | None
    """ReAct's seconds / the mode's, of the same question."""
    mean_speedup: float | None
    """Of the means, as in the paper."""
    over_computed: Spread | None
    """Measured / computed: what harness, HTTP and machine add."""
    most_over_computed: float | None
    mean_turns: float | None
    mean_tokens: float | None
    mean_calls: float | None


def spread(values: Sequence[float]) -> Spread | None:
    if len(values) < 2:
        return Spread(*[values[0]] * 3) if values else None
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(low, median, high)


def cell(rows: Rows, mode: str) -> Cell:
    runs = [row["runs"][mode] for row in rows if "error" not in row["runs"][mode]]
    pairs = [
        (row["runs"][BASELINE]["seconds"], row["runs"][mode]["seconds"])
        for row in rows
        if not any("error" in row["runs"][name] for name in (BASELINE, mode))
    ]
    over = [run["seconds"] / run["computed_s"] for run in runs]
    return Cell(
        questions=len(rows),
        right=sum(run["right"] for run in runs),
        failed=len(rows) - len(runs),
        seconds=spread([run["seconds"] for run in runs]),
        mean_s=_mean([run["seconds"] for run in runs]),
        speedup=spread([base / ours for base, ours in pairs]),
        mean_speedup=sum(base for base, _ in pairs) / sum(ours for _, ours in pairs) if pairs else None,
        over_computed=spread(over),
        most_over_computed=max(over, default=None),
        mean_turns=_mean([run["turns"] for run in runs]),
        mean_tokens=_mean([run["sampled_tokens"] for run in runs]),
        mean_calls=_mean([run["calls"] for run in runs]),
    )


def summary(rows: Rows, modes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each kind of question and each mode its cell, as plain data."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    return {kind: {mode: asdict(cell([row for row in rows if row["kind"] == kind], mode)) for mode in modes} for kind in kinds}


def lines(summaries: Mapping[str, Mapping[str, Mapping[str, Any]]], modes: Sequence[str]) -> list[list[str]]:
    """Head and rows of the table. `summaries` goes by the name of the rates, then as `summary` gives it; the paper's row comes after the last of
    its kind."""
    table = [["questions; model", *(HEADINGS[mode] for mode in modes), "measured / computed, median (most)"]]
    for kind in dict.fromkeys(kind for kinds in summaries.values() for kind in kinds):
        for name, kinds in summaries.items():
            if kind in kinds:
                cells = [kinds[kind][mode] for mode in modes]
                table.append([f"{kind}, {cells[0]['questions']}; {name}", *map(_text, cells), _over(cells)])
        table.append([f"paper, {kind}; {PAPER_MODELS[kind]}", *(_paper(kind, mode) for mode in modes), ""])
    return table


def markdown(table: Sequence[Sequence[str]]) -> str:
    head, *rows = table
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def rich_table(table: Sequence[Sequence[str]]) -> Table:
    head, *rows = table
    view = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for place, heading in enumerate(head):
        view.add_column(heading, justify="right" if place else "left")
    for row in rows:
        view.add_row(*row, style="dim" if row[0].startswith("paper") else None)
    view.caption = "median (quartiles) of the speed-up over ReAct question by question, and of seconds"
    return view


def _text(cell: Mapping[str, Any]) -> str:
    notes = [f"{cell['failed']} failed"] if cell["failed"] else []
    if (wrong := cell["questions"] - cell["failed"] - cell["right"]) > 0:
        notes.append(f"{wrong} wrong")
    if cell["seconds"] is None:
        return ", ".join(notes)
    seconds = f"{cell['seconds']['median']:.2f} s"
    faster = cell["speedup"]
    if faster is None or faster["low"] == faster["high"] == 1:
        return ", ".join([seconds, *notes])
    return ", ".join([f"{faster['median']:.2f}× ({faster['low']:.2f}–{faster['high']:.2f})", seconds, *notes])


def _over(cells: Sequence[Mapping[str, Any]]) -> str:
    ours = [cell for cell in cells if cell["over_computed"] is not None]
    if not ours:
        return ""
    medians = [cell["over_computed"]["median"] for cell in ours]
    most = max(cell["most_over_computed"] for cell in ours)
    return f"{min(medians):.3f}–{max(medians):.3f} ({most:.3f})"


def _paper(kind: str, mode: str) -> str:
    if mode not in PAPER[kind]:
        return ""
    seconds, faster = PAPER[kind][mode]
    return f"{seconds:.2f} s" if mode == BASELINE else f"{faster:.2f}×, {seconds:.2f} s"


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
