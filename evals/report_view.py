"""All of a report in a terminal of 80 columns: accuracies, costs, more tries, equal costs, groups, notes."""

from __future__ import annotations

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .compare import Comparison
from .matched import Axis, Matched
from .replay.labels import wrapped
from .replay.table import signed
from .report import Report, Reported
from .report_table import (
    accuracy,
    accuracy_table,
    amount,
    cost_table,
    estimate,
    interval,
    named,
    plain_table,
    probability,
    seconds,
    signed_interval,
    two,
)
from .summary import Estimate

_ESTIMATES = 4
"""Side by side."""
_AXES: dict[Axis, str] = {"work": "work", "span": "span", "wall": "wall seconds", "context": "context"}


def view(report: Report) -> RenderableType:
    parts: list[RenderableType] = [_benchmark(report), _accuracies(report), _legend(report)]
    parts += [cost_table([one.summary for one in report.runs]), _cost_legend(report)]
    if any(one.summary.pass_at or one.summary.maj_at for one in report.runs):
        parts += _more_tries(report)
    for axis in dict.fromkeys(found.axis for found in report.matched):
        parts += [_equal_costs(report, axis), _matched_legend(report, axis)]
    if any(one.groups for one in report.runs):
        parts += [_groups(report), Text()]
    parts += [Text.assemble(("note  ", "yellow"), note) for note in report.notes]
    return Lines(*parts)


def _benchmark(report: Report) -> Text:
    names = dict.fromkeys(one.summary.benchmark for one in report.runs)
    return Text(", ".join(names), "bold")


def _accuracies(report: Report) -> Table:
    rows = [(one.summary, _difference(report, one), _chance(one.difference)) for one in report.runs]
    return accuracy_table(rows, compared=report.baseline is not None)


def _difference(report: Report, one: Reported) -> Text:
    if one.summary.run == report.baseline:
        return Text("baseline", "dim")
    return _points(one.difference)


def _points(found: Comparison | None) -> Text:
    return Text("–") if found is None else two(signed(found.difference), signed_interval(found.low, found.high))


def _chance(found: Comparison | None) -> Text:
    return Text("") if found is None else two(probability(found.p), f"{found.only_first} / {found.only_second}")


def _legend(report: Report) -> Text:
    lines = ["accuracy: ± one standard error over problems, and 95 % interval"]
    if report.baseline is not None:
        lines += [
            f"− baseline: minus {report.baseline}, paired by problem, in points · p: by sign",
            "flips · only: problems that only this run / only the baseline solves mostly",
        ]
    if any(one.summary.errors for one in report.runs):
        lines.append("err.: rows with infrastructure errors, left out")
    return _dim(lines)


def _cost_legend(report: Report) -> Text:
    loads = sorted({one.summary.at_once for one in report.runs if one.summary.at_once is not None})
    lines = [
        "means a try · work, span: tokens sampled in all, on the critical path ·",
        "par.: work/span · cached: of prompt tokens · wasted: of work, by what was",
        f"cancelled · wall s: a try, {' / '.join(map(str, loads)) or 'different numbers'} at once",
    ]
    return _dim(lines)


def _more_tries(report: Report) -> list[RenderableType]:
    """As many tables as it takes to cut no number short."""
    first = report.runs[0].summary
    headings = [
        f"{name}@{found.k} %" for name, estimates in (("pass", first.pass_at), ("maj", first.maj_at)) for found in estimates
    ]
    parts: list[RenderableType] = []
    for start in range(0, len(headings), _ESTIMATES):
        table = plain_table("run")
        for heading in headings[start : start + _ESTIMATES]:
            table.add_column(heading, justify="right", no_wrap=True)
        for one in report.runs:
            estimates = [*one.summary.pass_at, *one.summary.maj_at][start : start + _ESTIMATES]
            table.add_row(named(one.summary.run), *(_estimate(found, one) for found in estimates))
        parts += [table, Text()]
    return parts


def _estimate(found: Estimate, one: Reported) -> Text:
    if found.value is None:
        return two("–", "too few tries")
    part = "" if found.problems == one.summary.problems else f" on {found.problems}"
    return two(estimate(found.value, found.error) + part, interval(found.low, found.high))


def _equal_costs(report: Report, axis: Axis) -> Table:
    table = plain_table("run")
    table.add_column(f"against, at equal {_AXES[axis]}", no_wrap=True)
    for heading in (f"{axis}\nother's", "accuracy %\nother's", "difference\n95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for found in report.matched:
        if found.axis == axis:
            table.add_row(
                named(found.run),
                _against(found),
                two(_cost(found.cost, axis), _cost(found.other_cost, axis) + ("" if found.reached else "*")),
                two(f"{100 * found.accuracy:.1f}", f"{100 * found.other:.1f}"),
                two(signed(found.difference), signed_interval(found.low, found.high)),
            )
    return table


def _against(found: Matched) -> Text:
    details = [f"{found.traces:.1f} votes"] if found.traces is not None else []
    return two("\n".join(wrapped(found.against, 24)), ", ".join([*details, f"{found.problems:,} problems"]))


def _matched_legend(report: Report, axis: Axis) -> Text:
    lines = ["others cost the same: between two settings, or votes of so many tries"]
    if any(not found.reached for found in report.matched if found.axis == axis):
        lines.append("*: cannot cost the same; the nearest that there is")
    return _dim(lines)


def _cost(value: float, axis: Axis) -> str:
    return f"{seconds(value)} s" if axis == "wall" else amount(value)


def _groups(report: Report) -> Table:
    table = plain_table("group")
    compared = report.baseline is not None
    table.add_column("run", no_wrap=True)
    for heading in ("problems", "accuracy %", *(["− baseline", "95 %", "p"] if compared else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in sorted({group.group for one in report.runs for group in one.groups}):
        members = [(one, group) for one in report.runs for group in one.groups if group.group == name]
        for number, (one, group) in enumerate(members):
            table.add_row(
                named(name) if number == 0 else "",
                named(one.summary.run),
                f"{group.summary.problems:,}",
                accuracy(group.summary),
                *(_in_group(group.difference) if compared else ()),
                end_section=number == len(members) - 1,
            )
    return table


def _in_group(found: Comparison | None) -> tuple[str, str, str]:
    if found is None:
        return "", "", ""
    return signed(found.difference), signed_interval(found.low, found.high), probability(found.p)


def _dim(lines: list[str]) -> Text:
    return Text("\n".join([*lines, ""]), "dim italic")
