"""Rows as columns, the form in which the page carries ten thousand of them: what is said of a problem is said once for all runs, and a
column whose values are all equal is one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..row import Row
from .safe_json import compact
from .shown import Shown

Place = tuple[int, int]
"""Where an embedded try lies: its offset and length in the page's text of kept tries."""

NAMES = (
    "epoch", "answer", "score", "flaw", "error", "status", "timed_out", "work", "span", "wasted", "unobserved", "injected", "cached",
    "prefilled", "judged", "context", "requests", "threads", "refused", "cut", "explored", "engine_seconds", "wall_seconds",
    "at_once", "retries", "facts",
)  # fmt: skip
_DIGITS = 4
"""Of seconds and scores: a tenth of a millisecond."""


def problems_of(runs: Sequence[Shown]) -> dict[str, Row]:
    """A row of each problem, in the order of the runs."""
    found: dict[str, Row] = {}
    for run in runs:
        for row in run.rows:
            found.setdefault(row.problem, row)
    return found


def problem_columns(problems: Mapping[str, Row]) -> dict[str, Any]:
    """What the page says of problems, by position."""
    return {
        "id": list(problems),
        "name": packed([row.name or row.problem for row in problems.values()]),
        "group": packed([row.group for row in problems.values()]),
        "gold": packed([_gold(row.gold) for row in problems.values()]),
    }


def run_columns(run: Shown, index: Mapping[str, int], places: Mapping[tuple[str, int], Place]) -> dict[str, Any]:
    """A run's rows. `index` is the position of each problem; `states` has a letter a row: r(ight), w(rong), e(rror)."""
    rows = run.rows
    return {
        "problem": [index[row.problem] for row in rows],
        "states": "".join(state(row) for row in rows),
        "kept": packed([places.get(row.key) for row in rows]),
        **{name: packed([_value(getattr(row, name)) for row in rows]) for name in NAMES},
    }


def state(row: Row) -> str:
    if row.error is not None:
        return "e"
    return "r" if row.correct else "w"


def packed(values: Sequence[Any]) -> Any:
    """A list, or `{"all": value}` when all are the same."""
    if values and all(value == values[0] and type(value) is type(values[0]) for value in values):
        return {"all": values[0]}
    return list(values)


def _value(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    return value or None if isinstance(value, dict) else value


def _gold(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else compact(value)
