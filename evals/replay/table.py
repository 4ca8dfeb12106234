"""A report in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .labels import wrapped
from .results import Difference, Estimate, Matched, Report, Row

_NAME = 17


def view(report: Report) -> RenderableType:
    """The comparison, the sets if there are several, what was left out, and notes."""
    parts: list[RenderableType] = [_policies(report), _legend(report)]
    if len(report.groups) > 1:
        parts.append(_sets(report))
    parts.extend(_remarks(report))
    return Group(*parts)


def _policies(report: Report) -> Table:
    table = _table(f"{report.pool}: {report.problems} problems × {report.resamples} resamples")
    table.add_column("policy", no_wrap=True)
    columns = ("accuracy", "tokens", "span", "− baseline", "− majority\nat tokens", "− majority\nat span")
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            named(row),
            _two(percent(row.accuracy.value), plus_minus(row.accuracy)),
            _two(tokens(row.tokens.value), share(row.tokens_share)),
            _two(tokens(row.span.value), share(row.span_share)),
            _two(*difference(row.difference)) if row.difference else Text("baseline", "dim"),
            _two(*matched(row.at_tokens, report)),
            _two(*matched(row.at_span, report)),
        )
    return table


def _legend(report: Report) -> Text:
    lines = [
        "accuracy: % ± standard error over problems · tokens: all sampled · span: on",
        "the critical path, both with their share of the baseline's · −: paired",
        "difference in points with 95 % interval, to the baseline and to a plain",
        "majority of as many traces as sample the same tokens, or have the same span",
    ]
    if any("*" in matched(found, report)[0] for row in report.rows for found in (row.at_tokens, row.at_span)):
        lines.append("*: for over a tenth of the problems no majority of this pool costs the same")
    return Text("\n".join([*lines, ""]), "dim italic")


def _sets(report: Report) -> Table:
    table = _table("")
    table.add_column("by set", no_wrap=True)
    for group, problems in report.groups.items():
        table.add_column(f"{group} ({problems})", justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(named(row), *(_in_group(row, group) for group in report.groups))
    return table


def _in_group(row: Row, name: str) -> Text:
    group = row.groups[name]
    head = f"{percent(group.accuracy.value)}  {tokens(group.tokens.value)}  {tokens(group.span.value)}"
    return _two(head, "  ".join(difference(group.difference)) if group.difference else "baseline")


def _remarks(report: Report) -> Iterator[Text]:
    for skipped in report.skipped:
        yield Text.assemble(("left out  ", "yellow"), f"{skipped.policy}: {skipped.reason}")
    for note in report.notes:
        yield Text.assemble(("note  ", "dim"), note)


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=0,
        show_edge=False,
    )


def named(row: Row) -> str:
    return "\n".join(wrapped(row.policy, _NAME))


def _two(first: str, second: str) -> Text:
    return Text.assemble(first, "\n", (second, "dim"))


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def plus_minus(estimate: Estimate) -> str:
    return "–" if estimate.error is None else f"±{100 * estimate.error:.1f}"


def tokens(value: float) -> str:
    """Three digits or so: "187k", "14.7k", "812"."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.{2 if value < 9.995 * size else 1 if value < 99.95 * size else 0}f}{unit}"
    return f"{value:.0f}"


def share(value: float) -> str:
    return f"{100 * value:.0f} %"


def difference(found: Difference) -> tuple[str, str]:
    """ "+0.7" and "[-0.1,+1.4]" in points."""
    return signed(found.value), f"[{signed(found.low)},{signed(found.high)}]"


def matched(found: Matched, report: Report) -> tuple[str, str]:
    mark = "*" if found.out_of_reach > 0.1 * report.problems else ""
    value, interval = difference(found.difference)
    return value + mark, interval


def signed(value: float) -> str:
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
