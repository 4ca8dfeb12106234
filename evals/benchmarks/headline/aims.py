"""The aims of the headline, and what was reached of each, in words for a table.

An aim is looked up in each seed, where it may be missed outright, and the seeds' numbers are averaged after that: a mean over seeds never
reaches what one of them has missed outright. How to fork is fixed for all seeds: by `JOIN`, or in the row (`choice.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...statistics import Mean
from .figures import GOAL, RACE, Row
from .matched import unmatched, work_row
from .price import LEAST_SPAN, LEAST_WORK
from .seeds import Result, mean_of

Unit = Literal["points", "tokens", "times"]

JOIN = "first"
"""The join of all aims that are not about a choice: the one that the forking policy was trained with."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one seed has of an aim."""

    value: Mean
    """Infinite, on the side that misses the aim, where it was missed outright."""
    note: str = ""
    """Which forking it is, or what keeps it from counting."""


Get = Callable[[Result], Found | None]
"""None where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A number that was to be reached: at least, or at most."""

    title: str
    paper: str
    aim: float
    unit: Unit
    get: Get
    at_most: bool = False

    def missed_by(self, reached: float) -> float | None:
        """None when it was reached."""
        short = reached - self.aim if self.at_most else self.aim - reached
        return short if short > 0 else None


def _cell(section: str, row: str, column: str) -> Get:
    def get(result: Result) -> Found | None:
        value = result.sections.get(section, {}).get(row, {}).get(column)
        return None if value is None else Found(value)

    return get


def _gap(row: Row, note: str) -> Found:
    """Where serial tries were too few, or forking too dear, the gap does not count."""
    if faults := unmatched(row):
        return Found(Mean(-math.inf, None, 1), ", ".join([note, *faults]) if note else ", ".join(faults))
    return Found(row["gap"], note)


def _gap_at_work(budget: int) -> Get:
    def get(result: Result) -> Found | None:
        if (section := result.sections.get("matched work")) is None:
            return None
        start = work_row(budget, "cons@n")
        for label, row in section.items():
            if label.startswith(start):
                return _gap(row, label.removeprefix(start))
        return Found(Mean(-math.inf, None, 1), "no fork costs so little")

    return get


def _gap_at_span(result: Result) -> Found | None:
    row = result.sections.get("matched span", {}).get(f"fork {JOIN}")
    return None if row is None else _gap(row, "")


def _price(start: str, column: str) -> Get:
    def get(result: Result) -> Found | None:
        if (section := result.sections.get("price")) is None or not any(label.startswith("fork") for label in section):
            return None
        for label, row in section.items():
            if label.startswith(start):
                value = row[column] if row["accuracy"].value >= GOAL else Mean(math.inf, None, 1)
                return Found(value, label.removeprefix(start))
        return Found(Mean(math.inf, None, 1), "no fork is that accurate in all seeds where it is chosen")

    return get


def _speed(way: str, row: str) -> tuple[Aim, ...]:
    return tuple(
        Aim(
            title=f"faster than serial with an unlimited window at equal accuracy, {share}, one at a time, {way}",
            paper="–",
            aim=aim,
            unit="times",
            get=_cell("wall clock", f"1 at once · {row}", f"faster at {column}"),
        )
        for share, column, aim in (("median", "the median", 1.7), ("95th percentile", "p95", 5.0))
    )


AIMS: tuple[Aim, ...] = (
    Aim(
        title=f"accuracy where serial has 57–60 %, same window, greedy, join {JOIN}, with ≤ 13M parameters",
        paper="83.4 (serial 60.0)",
        aim=0.98,
        unit="points",
        get=_cell("window", f"fork, join {JOIN}", "accuracy"),
    ),
    *(
        Aim(
            title=f"gap to cons@n of window-limited serial at {budget:,} tokens a problem",
            paper="66.6 → 80.1",
            aim=0.20,
            unit="points",
            get=_gap_at_work(budget),
        )
        for budget in (1500, 3000, 5000)
    ),
    Aim(
        title=f"gap at matched span, same window, join {JOIN}",
        paper="57.3 → 75–80",
        aim=0.35,
        unit="points",
        get=_gap_at_span,
    ),
    Aim(
        title="work at ≥ 94 % accuracy in that window",
        paper="16.7k at 83.4",
        aim=1500,
        unit="tokens",
        get=_price(LEAST_WORK, "work"),
        at_most=True,
    ),
    Aim(
        title="span at ≥ 94 % accuracy",
        paper="–",
        aim=250,
        unit="tokens",
        get=_price(LEAST_SPAN, "span"),
        at_most=True,
    ),
    *_speed(f"join {JOIN}", f"fork {JOIN}"),
)
RACES = _speed("race of fork and scouts, checked", RACE)
"""Another answer to the question of the last two."""


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


def aims_table(seeds: Sequence[Result]) -> list[list[str]]:
    """Rows of [title, paper, aim, reached (mean over seeds), each seed, missed by]; those of a race where it was timed."""
    rows = [_aim_row(aim, seeds) for aim in AIMS]
    raced = any(aim.get(seed) for aim in RACES for seed in seeds)
    return rows + [_aim_row(aim, seeds) for aim in RACES if raced]


def _aim_row(aim: Aim, seeds: Sequence[Result]) -> list[str]:
    wanted = ("≤ " if aim.at_most else "≥ ") + number(aim.aim, aim.unit)
    each = {seed.name: aim.get(seed) for seed in seeds}
    measured = {name: found for name, found in each.items() if found is not None}
    if not measured:
        return [aim.title, aim.paper, wanted, "not measured", "–", "–"]
    reached = mean_of([found.value for found in measured.values()])
    notes = "; ".join(dict.fromkeys(found.note for found in measured.values() if found.note))
    return [
        aim.title,
        aim.paper,
        wanted,
        f"**{with_error(reached, aim.unit)}**" + (f" ({notes})" if notes else ""),
        ", ".join(number(found.value.value, aim.unit) if found is not None else "–" for found in each.values()),
        _missed(aim, reached.value, {name: found.value.value for name, found in measured.items()}),
    ]


def _missed(aim: Aim, mean: float, seeds: dict[str, float]) -> str:
    """By how much the mean over seeds misses it; where the mean does not, by how much which seeds do."""
    if (missed := aim.missed_by(mean)) is not None:
        return number(missed, aim.unit)
    short = {name: missed for name, value in seeds.items() if (missed := aim.missed_by(value)) is not None}
    return ", ".join(f"{name}: {number(missed, aim.unit)}" for name, missed in short.items()) or "–"
