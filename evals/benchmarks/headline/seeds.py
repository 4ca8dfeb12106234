"""From the recordings of several training seeds to one result: each seed's sections, and their means.

The error of a mean over seeds is the mean of the seeds' errors: all seeds are measured on the same problems, so that two seeds do not make
the problems more. How much training itself scatters is to be seen from the seeds' own numbers, which are always shown beside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...statistics import Mean
from .breakdown import by_children, five_numbers, temperatures
from .choice import Choices, choices_of
from .clock_figures import wall_clock
from .figures import Row, Section, at_window, points_of
from .matched import matched_span, matched_work
from .price import price_of_goal
from .record import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The numbers of a seed, or means over seeds."""

    name: str
    sections: dict[str, Section]


def results_of(recordings: Sequence[Recording]) -> list[Result]:
    """One a seed. How to fork is chosen once for all of them."""
    choices = choices_of(recordings)
    return [_result(recording, choices) for recording in recordings]


def _result(recording: Recording, choices: Choices) -> Result:
    points = points_of(recording)
    sections = {
        "window": at_window(points),
        "matched work": matched_work(points, choices),
        "matched span": matched_span(points),
        "price": price_of_goal(points, choices),
        "wall clock": wall_clock(recording.timed),
        "children": by_children(points),
        "five numbers": five_numbers(points),
        "temperatures": temperatures(points),
    }
    return Result(name=f"seed {recording.seed}", sections={name: section for name, section in sections.items() if section})


def merged(results: Sequence[Result]) -> Result:
    """Means over the seeds that have a number. Rows of one name are of one thing: what differs between seeds has rows of different names."""
    names = dict.fromkeys(name for result in results for name in result.sections)
    return Result(
        name="mean",
        sections={name: _section([result.sections[name] for result in results if name in result.sections]) for name in names},
    )


def _section(sections: Sequence[Section]) -> Section:
    rows = dict.fromkeys(row for section in sections for row in section)
    return {row: _row([section[row] for section in sections if row in section]) for row in rows}


def _row(rows: Sequence[Row]) -> Row:
    columns = dict.fromkeys(column for row in rows for column in row)
    return {column: mean_of([row[column] for row in rows if column in row]) for column in columns}


def mean_of(values: Sequence[Mean]) -> Mean:
    errors = [value.error for value in values if value.error is not None]
    return Mean(
        math.fsum(value.value for value in values) / len(values),
        math.fsum(errors) / len(errors) if len(errors) == len(values) else None,
        sum(value.count for value in values),
    )
