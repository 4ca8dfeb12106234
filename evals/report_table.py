"""A report in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from .replay.labels import wrapped
from .replay.table import signed, tokens
from .summary import Summary

_NAME = 18

Column = tuple[str, Callable[[Summary], str]]


def table(summaries: Sequence[Summary], *, recorded: Mapping[str, Summary] | None = None) -> Table:
    """Summaries side by side. With `recorded`, the accuracies of a larger run by method, the rows are a handful of problems: they show counts
    ("7 of 8") in place of percentages, and the recorded accuracy beside them."""
    columns: list[Column] = [("accuracy %", accuracy), *_costs(summaries)]
    if recorded is not None:
        columns[0] = ("correct", lambda s: f"{s.correct} of {s.tries}")
        columns.append(("recorded %", lambda s: accuracy(recorded[s.method]) if s.method in recorded else "–"))
    view = plain_table("method")
    for heading, value in columns:
        # Numbers are never cut short: in a narrow terminal the names are.
        width = max((len(line) for text in (heading, *map(value, summaries)) for line in text.split("\n")), default=0)
        view.add_column(heading, justify="right", no_wrap=True, min_width=width)
    for summary in summaries:
        view.add_row(named(summary.method), *(value(summary) for _, value in columns))
    view.caption = caption(summaries)
    return view


def accuracy_table(runs: Sequence[tuple[Summary, Text, Text]], *, compared: bool) -> Table:
    """Accuracies with intervals; where they are `compared`, beside each its difference to the baseline and how likely chance makes such a one."""
    view = plain_table("run")
    optional: list[tuple[str, Callable[[Summary], Text]]] = []
    if any(summary.score is not None for summary, _, _ in runs):
        optional.append(("score %", lambda s: two(*_apart(s.score, s.score_error))))
    if any(summary.macro_f1 is not None for summary, _, _ in runs):
        optional.append(("macro-F1 %", lambda s: two(*_apart(s.macro_f1, s.macro_f1_error))))
    differences = ["− baseline\n95 %", "p\nonly"] if compared else []
    for heading in ("problems\n× epochs", "accuracy %\n95 %", *(heading for heading, _ in optional), *differences):
        view.add_column(heading, justify="right", no_wrap=True)
    for summary, difference, chance in runs:
        view.add_row(
            named(summary.run),
            two(f"{summary.problems:,}", f"× {summary.epochs:.3g}{f', {summary.errors:,} err.' if summary.errors else ''}"),
            two(accuracy(summary), interval(summary.accuracy_low, summary.accuracy_high)),
            *(value(summary) for _, value in optional),
            *([difference, chance] if compared else []),
        )
    return view


def cost_table(summaries: Sequence[Summary]) -> Table:
    view = plain_table("run")
    columns = _costs(summaries, all_of_them=True)
    for heading, _ in columns:
        view.add_column(heading, justify="right", no_wrap=True)
    for summary in summaries:
        view.add_row(named(summary.run), *(value(summary) for _, value in columns))
    return view


def _costs(summaries: Sequence[Summary], *, all_of_them: bool = False) -> list[Column]:
    def known(value: Callable[[Summary], float | None]) -> bool:
        return any(value(summary) is not None for summary in summaries)

    columns: list[Column] = [
        ("work", lambda s: amount(s.work)),
        ("span", lambda s: amount(s.span)),
        ("par.", lambda s: number(s.parallelism, 1)),
    ]
    if all_of_them and known(lambda s: s.context):
        columns.append(("context", lambda s: amount(s.context)))
    if known(lambda s: s.threads):
        columns.append(("threads", lambda s: number(s.threads, 1)))
    if all_of_them and known(lambda s: s.explored):
        columns.append(("explored", lambda s: number(s.explored, 1)))
    columns.append(("cached", lambda s: share(s.cached_share)))
    columns.append(("wasted", lambda s: share(s.wasted_share)))
    if all_of_them:
        columns.append(("wall s\nmedian", lambda s: seconds(s.wall_seconds)))
        columns.append(("wall s\np95", lambda s: seconds(s.wall_p95)))
    else:
        columns.append(("wall s", lambda s: seconds(s.wall_seconds)))
    return columns


def caption(summaries: Sequence[Summary]) -> str:
    """What the columns mean, and what the reader must know about these rows."""
    sizes = sorted({summary.problems for summary in summaries})
    loads = sorted({summary.at_once for summary in summaries if summary.at_once is not None})
    epochs = sorted({round(summary.epochs) for summary in summaries if summary.problems} - {1})
    lines = [
        "work, span: tokens sampled in all, on the critical path · par.: work/span",
        f"problems: {' / '.join(map(str, sizes))}"
        + (f" × {' / '.join(map(str, epochs))} tries" if epochs else "")
        + " · wall s: median a problem"
        + (f", {' / '.join(map(str, loads))} at once" if loads else ""),
    ]
    if errors := sum(summary.errors for summary in summaries):
        lines.append(f"{errors} rows with engine errors are left out; the same eval command runs them again")
    return "\n".join(lines)


def plain_table(first: str) -> Table:
    view = Table(header_style="bold", caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    view.add_column(first, no_wrap=True)
    return view


def named(label: str) -> str:
    """On lines of a width that leaves room for the numbers."""
    return "\n".join(wrapped(label, _NAME))


def accuracy(summary: Summary) -> str:
    """Percent ± one standard error."""
    return estimate(summary.accuracy, summary.accuracy_error)


def estimate(value: float | None, error: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} ± {'–' if error is None else f'{100 * error:.1f}'}"


def _apart(value: float | None, error: float | None) -> tuple[str, str]:
    text = estimate(value, error)
    return text.split(" ")[0], text.partition(" ")[2]


def interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def signed_interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{signed(low)}, {signed(high)}]"


def probability(p: float) -> str:
    return "<.001" if p < 0.001 else "1" if p > 0.9995 else f"{p:.3f}".removeprefix("0")


def amount(value: float | None) -> str:
    """Tokens: "14.7k", "812", below ten with a digit more."""
    return "–" if value is None else f"{value:.1f}" if value < 10 else tokens(value)


def seconds(value: float | None) -> str:
    """Three digits."""
    return "–" if value is None else f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def two(first: str, second: str = "") -> Text:
    """A cell of two lines."""
    return Text.assemble(first, "\n", (second, "dim"))
