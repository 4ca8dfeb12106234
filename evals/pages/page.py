"""The page itself: template, style and scripts of this folder put together with the runs' numbers into one file that needs no network.

All that a model wrote is data: JSON in script elements that browsers do not run, put on the page as text. The page's policy names its
script by its hash, so that no other would run even if one got in.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from orchestra.errors import ConfigError
from orchestra.trace.timeline import seconds

from ..replay.table import signed
from ..report import Report, report_of
from ..report_table import probability
from ..run import Run
from ..summary import Estimate
from .columns import problem_columns, problems_of, run_columns
from .kept_tries import KeptTries
from .pairs import graded, pairs, solved
from .safe_json import in_script
from .settings import settings_of
from .shown import Shown, shown_in

KEPT_LIMIT = 20_000_000
"""Characters of compressed tries on a page: with 10,000 rows it stays below 30 MB, which browsers open at once."""

TONES = 8
"""Colours of runs in the style; a ninth run starts again."""

_STYLES = ("base.css", "table.css", "detail.css")
_SCRIPTS = (
    "dom.js", "data.js", "scale.js", "frontier.js", "filter.js", "table.js", "compare.js", "timeline.js", "threads.js", "plan.js", "account.js",
    "detail.js", "main.js",
)  # fmt: skip


def report_page(
    runs: Sequence[Run], *, report: Report | None = None, title: str | None = None, kept_limit: int = KEPT_LIMIT
) -> str:
    """The page as HTML; arguments and errors are those of `write_report_page`."""
    return "".join(_pieces(runs, report, title, kept_limit))


def write_report_page(
    runs: Sequence[Run], path: Path, *, report: Report | None = None, title: str | None = None, kept_limit: int = KEPT_LIMIT
) -> None:
    """Write the page piece by piece, in memory that does not grow with the kept tries; an existing file is replaced at once.

    Args:
        report: what the runs come to, as `report_of` says it of their folders; None makes one with the first run as the baseline, and with
            comparisons at equal cost where there are any. Folders that are shards of one run are one run on the page.
        title: None makes one of the benchmarks' names and the number of runs.
        kept_limit: characters of compressed tries that the page may hold; the page says how many are left out.

    Raises `ConfigError` when a folder holds no run, when there is not a single row, or when `path` cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
                file.writelines(_pieces(runs, report, title, kept_limit))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {path} ({error}): make room, or choose another place for it") from error


def _pieces(runs: Sequence[Run], report: Report | None, title: str | None, kept_limit: int) -> Iterator[str]:
    if not runs:
        raise ValueError("a report needs at least one run, got none")
    report = report or report_of([run.folder for run in runs], axes=None)
    shown = shown_in(report, runs)
    kept = KeptTries(shown, kept_limit)
    script = "\n".join(_read(name) for name in _SCRIPTS)
    template = _environment().from_string(_read("report.html.j2"))
    yield from template.generate(
        title=title or _title(shown),
        report=report,
        runs=shown,
        tries_at=_estimates(report),
        settings=settings_of(shown),
        tones=[number % TONES for number in range(len(shown))],
        kept=kept,
        # Called after the kept tries have gone by, when it is known where they lie.
        data=lambda: Markup(in_script(_data(report, shown, kept))),
        style=Markup("\n".join(_read(name) for name in _STYLES)),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _data(report: Report, runs: Sequence[Shown], kept: KeptTries) -> dict[str, Any]:
    problems = problems_of(runs)
    index = {problem: number for number, problem in enumerate(problems)}
    baseline = next((number for number, run in enumerate(runs) if run.label == report.baseline), None)
    return {
        "problems": problem_columns(problems),
        "baseline": baseline,
        "runs": [
            {
                "name": run.name,
                "label": run.label,
                "tone": number % TONES,
                "summary": run.summary.model_dump(exclude={"pass_at", "maj_at"}),
                "solved": solved(problems, graded(run.rows)),
                "leftOut": kept.left_out[number],
                "rows": run_columns(run, index, kept.places[number]),
            }
            for number, run in enumerate(runs)
        ],
        "pairs": pairs(runs, baseline=baseline),
    }


def _estimates(report: Report) -> list[tuple[str, list[Estimate]]]:
    """pass@k and maj@k that were asked for, with an estimate a run."""
    columns = zip(*([*one.summary.pass_at, *one.summary.maj_at] for one in report.runs), strict=True)
    names = ["pass"] * len(report.runs[0].summary.pass_at) + ["maj"] * len(report.runs[0].summary.maj_at)
    return [(f"{name}@{column[0].k}", list(column)) for name, column in zip(names, columns, strict=True)]


def _title(runs: Sequence[Shown]) -> str:
    benchmarks = ", ".join(dict.fromkeys(run.summary.benchmark for run in runs))
    return f"{benchmarks}: {runs[0].label}" if len(runs) == 1 else f"{benchmarks}: {len(runs)} runs"


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"seconds": seconds, "count": _count, "percent": _percent, "share": _share}
    environment.filters |= {"points": _points, "probability": probability}
    return environment


def _count(value: float) -> str:
    """Whole above a hundred, else with one digit where there is one."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _points(value: float) -> str:
    """A difference of shares, in percentage points."""
    return signed(value).replace("-", "−")
