"""The aims of the headline, and what was reached of each, in words for a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...statistics import Mean
from .figures import GOAL
from .seeds import Result

Unit = Literal["points", "tokens", "times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A number that was to be reached: at least, or at most."""

    title: str
    paper: str
    aim: float
    unit: Unit
    get: Callable[[Result], Mean | None]
    at_most: bool = False

    def missed_by(self, reached: float) -> float | None:
        """None when it was reached."""
        short = reached - self.aim if self.at_most else self.aim - reached
        return short if short > 0 else None


def _cell(section: str, row: str, column: str) -> Callable[[Result], Mean | None]:
    return lambda result: result.sections.get(section, {}).get(row, {}).get(column)


def _largest_gap(result: Result) -> Mean | None:
    """Of the ways to fork, the one whose gap at its span is widest."""
    return max((row["gap"] for row in result.sections.get("matched span", {}).values()), key=lambda gap: gap.value, default=None)


def _best_fork(result: Result) -> Mean | None:
    rows = result.sections.get("window", {})
    found = [rows[name]["accuracy"] for name in ("fork, join all", "fork, join first") if name in rows]
    return max(found, key=lambda accuracy: accuracy.value, default=None)


def _price(row: str, column: str) -> Callable[[Result], Mean | None]:
    """Infinite where nothing is accurate enough."""

    def get(result: Result) -> Mean | None:
        found = result.sections.get("price", {}).get(row)
        if found is None:
            return None
        return found[column] if found["accuracy"].value >= GOAL else Mean(math.inf, None, 1)

    return get


AIMS: tuple[Aim, ...] = (
    Aim(
        title="accuracy where serial has 57–60 %, same window, greedy, with ≤ 13M parameters",
        paper="83.4 (serial 60.0)",
        aim=0.98,
        unit="points",
        get=_best_fork,
    ),
    *(
        Aim(
            title=f"gap to cons@n of window-limited serial at {budget} tokens a problem",
            paper="66.6 → 80.1",
            aim=0.20,
            unit="points",
            get=_cell("matched work", budget, "gap to cons@n"),
        )
        for budget in ("1,500", "3,000", "5,000")
    ),
    Aim(
        title="gap at matched span, same window",
        paper="57.3 → 75–80",
        aim=0.35,
        unit="points",
        get=_largest_gap,
    ),
    Aim(
        title="work at ≥ 94 % accuracy in that window",
        paper="16.7k at 83.4",
        aim=1500,
        unit="tokens",
        get=_price("fork in the window, least work", "work"),
        at_most=True,
    ),
    Aim(
        title="span at ≥ 94 % accuracy",
        paper="–",
        aim=250,
        unit="tokens",
        get=_price("fork in the window, least span", "span"),
        at_most=True,
    ),
    Aim(
        title="faster than serial with an unlimited window at equal accuracy, median, one at a time",
        paper="–",
        aim=1.7,
        unit="times",
        get=_cell("wall clock", "1 at once · fork first", "faster at the median"),
    ),
    Aim(
        title="the same at the 95th percentile",
        paper="–",
        aim=5,
        unit="times",
        get=_cell("wall clock", "1 at once · fork first", "faster at p95"),
    ),
)


def number(value: float, unit: Unit) -> str:
    if math.isinf(value):
        return "not reached"
    match unit:
        case "points":
            return f"{100 * value:.1f}"
        case "tokens":
            return f"{value:,.0f}"
        case "times":
            return f"{value:.2f}×"


def with_error(found: Mean, unit: Unit) -> str:
    return number(found.value, unit) + (f" ± {number(found.error, unit)}" if found.error is not None else "")


def aims_table(merged: Result, seeds: Sequence[Result]) -> list[list[str]]:
    """Rows of [title, paper, aim, reached, each seed, missed by]."""
    rows = []
    for aim in AIMS:
        found = aim.get(merged)
        wanted = ("≤ " if aim.at_most else "≥ ") + number(aim.aim, aim.unit)
        if found is None:
            rows.append([aim.title, aim.paper, wanted, "not measured", "–", "–"])
            continue
        missed = aim.missed_by(found.value)
        each = [number(one.value, aim.unit) if (one := aim.get(seed)) is not None else "–" for seed in seeds]
        bold = f"**{with_error(found, aim.unit)}**"
        rows.append([aim.title, aim.paper, wanted, bold, ", ".join(each), "–" if missed is None else number(missed, aim.unit)])
    return rows
