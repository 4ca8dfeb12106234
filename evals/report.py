"""What a run's rows say, as numbers and as a table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel
from rich import box
from rich.table import Table

from orchestra.countdown.attempt import label
from orchestra.errors import ConfigError

from .samples import Sample, read_samples
from .statistics import accuracy as accuracy_of
from .statistics import mean


class Summary(BaseModel):
    """Means over the rows of one run. Rows with an engine error are counted and otherwise left out."""

    run: str
    method: str
    problems: int
    tries: int
    """Rows that were scored; `problems` times the epochs when nothing is missing."""
    correct: int
    errors: int
    accuracy: float | None
    accuracy_error: float | None
    """One standard error, over problems."""
    work: float | None
    span: float | None
    parallelism: float | None
    """Mean over problems of work / span."""
    cached_share: float | None
    """Share of all prompt tokens that came from the prefix cache."""
    wasted_share: float | None
    """Share of sampled tokens that belonged to cancelled threads."""
    children: float | None
    explored: float | None
    """Operations whose result the model wrote, a problem."""
    wall_seconds: float | None
    """Median, at the concurrency of the run."""
    at_once: int | None
    """Problems that ran at once; None when rows of several concurrencies are mixed."""


def summarise(folder: Path) -> Summary:
    """The summary of one run folder. Raises `ConfigError` when there is no run in it."""
    try:
        config = json.loads((folder / "config.json").read_text())
        method = label(config["experiment"]["method"], config["experiment"]["join"])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"{folder} holds no run (no config.json): give a folder that `orchestra eval … --out` wrote") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / 'config.json'} is damaged: {error}") from error
    return summary_of(list(read_samples(folder)), run=str(folder), method=method)


def summary_of(samples: Sequence[Sample], *, run: str, method: str) -> Summary:
    good = [sample for sample in samples if sample.error is None]

    def average(value: Callable[[Sample], float]) -> float | None:
        result = mean([value(sample) for sample in good])
        return result.value if result else None

    tries: dict[str, list[bool]] = {}
    for sample in good:
        tries.setdefault(sample.problem, []).append(sample.correct)
    accuracy = accuracy_of(tries)
    work = sum(sample.work for sample in good)
    prompts = sum((sample.cached or 0) + (sample.prefilled or 0) for sample in good)
    known = all(sample.cached is not None for sample in good)
    concurrency = {sample.at_once for sample in good}
    return Summary(
        run=run,
        method=method,
        problems=len(tries),
        tries=len(good),
        correct=sum(sample.correct for sample in good),
        errors=len(samples) - len(good),
        accuracy=accuracy.value if accuracy else None,
        accuracy_error=accuracy.error if accuracy else None,
        work=average(lambda s: s.work),
        span=average(lambda s: s.span),
        parallelism=average(lambda s: s.work / s.span if s.span else 1.0),
        cached_share=sum(sample.cached or 0 for sample in good) / prompts if prompts and known else None,
        wasted_share=sum(sample.wasted for sample in good) / work if work else None,
        children=average(lambda s: s.children),
        explored=average(lambda s: s.explored),
        wall_seconds=statistics.median(sample.wall_seconds for sample in good) if good else None,
        at_once=concurrency.pop() if len(concurrency) == 1 else None,
    )


def table(summaries: Sequence[Summary], *, recorded: Mapping[str, Summary] | None = None) -> Table:
    """Summaries side by side, 80 columns wide. With `recorded`, the accuracies of a larger run by method, the rows are a handful of problems:
    they show counts ("7 of 8") in place of percentages, and the recorded accuracy beside them."""
    columns: list[tuple[str, Callable[[Summary], str]]] = [
        ("accuracy %", accuracy),
        ("work", lambda s: number(s.work)),
        ("span", lambda s: number(s.span)),
        ("par.", lambda s: number(s.parallelism, 1)),
        ("children", lambda s: number(s.children, 1)),
        ("cached", lambda s: share(s.cached_share)),
        ("wasted", lambda s: share(s.wasted_share)),
        ("wall s", lambda s: number(s.wall_seconds, 2)),
    ]
    if recorded is not None:
        columns[0] = ("correct", lambda s: f"{s.correct} of {s.tries}")
        columns.append(("recorded %", lambda s: accuracy(recorded[s.method]) if s.method in recorded else "–"))
    view = Table(header_style="bold", caption_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    view.add_column("method", overflow="ellipsis", no_wrap=True, max_width=18)
    for heading, value in columns:
        # Numbers are never cut short: in a narrow terminal the names are.
        width = max(len(text) for text in (heading, *map(value, summaries)))
        view.add_column(heading, justify="right", no_wrap=True, min_width=width)
    for summary in summaries:
        view.add_row(summary.method, *(value(summary) for _, value in columns))
    view.caption = caption(summaries)
    return view


def caption(summaries: Sequence[Summary]) -> str:
    """What the columns mean, and what the reader must know about these rows."""
    sizes = sorted({summary.problems for summary in summaries})
    loads = sorted({summary.at_once for summary in summaries if summary.at_once is not None})
    epochs = {round(summary.tries / summary.problems) for summary in summaries if summary.problems} - {1}
    lines = [
        "work, span: tokens sampled in all, on the critical path · par.: work/span",
        f"problems: {' / '.join(map(str, sizes))}"
        + (f" × {' / '.join(map(str, sorted(epochs)))} tries" if epochs else "")
        + " · wall s: median a problem"
        + (f", {' / '.join(map(str, loads))} at once" if loads else ""),
    ]
    if errors := sum(summary.errors for summary in summaries):
        lines.append(f"{errors} rows with engine errors are left out; the same eval command runs them again")
    return "\n".join(lines)


def accuracy(summary: Summary) -> str:
    """Percent ± one standard error."""
    if summary.accuracy is None:
        return "–"
    return f"{100 * summary.accuracy:.1f} ± {100 * (summary.accuracy_error or 0):.1f}"


def number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
