"""The headline's pictures: accuracy against work, against span, and wall clock against load. Seeds share colours; only the first has names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from ...statistics import percentile
from .chart import Axis, Series, axis_around, chart
from .figures import RACE, Way, cons, first_try, forked, passed, points_of, sequences, several
from .record import Point, Recording

Cost = Literal["work", "span"]

_TITLES = {
    "work": ("Accuracy (%) against all sampled tokens a problem", "tokens a problem, logarithmic"),
    "span": ("Accuracy (%) against tokens on the critical path", "tokens on the critical path, logarithmic"),
}
_COLOURS = {"serial": 0, "cons": 9, "pass": 5, "fork-all": 1, "fork-first": 2, "dial": 3, "serial-then-fork": 3, RACE: 4}
_CLOCKED = {
    "serial": "serial, whole context",
    "fork-all": "fork, join all",
    "fork-first": "fork, join first",
    "serial-then-fork": "serial, then fork",
    RACE: "race of fork and scouts",
}
_LOWEST = 0.3
"""Windows in which fewer problems are solved are left out."""


def accuracy_picture(recordings: Sequence[Recording], cost: Cost) -> str | None:
    """None when nothing in the recordings belongs there."""
    series = [one for number, recording in enumerate(recordings) for one in _accuracies(recording, cost, named=not number)]
    points = [point for one in series for point in one.points]
    if not points:
        return None
    title, x_title = _TITLES[cost]
    lowest = math.floor(min(point[1] for point in points) / 10) * 10
    x = axis_around([point[0] for point in points], x_title)
    return chart(title, x, Axis(title="%", low=max(0, lowest), high=102, logarithmic=False), series)


def _accuracies(recording: Recording, cost: Cost, *, named: bool) -> Iterator[Series]:
    points = points_of(recording)

    def name(text: str) -> str:
        return text if named else ""

    if tries := [one for one in sequences(points) if one.way.accuracy >= _LOWEST]:
        shown = [one.way for one in tries[:: max(1, len(tries) // 40)] + tries[-1:]]
        curve = [(way.mean_work, 100 * way.accuracy) for way in shown]
        yield Series(name=name("serial, every window"), points=curve, colour=_COLOURS["serial"], marks=False)
    if (samples := points.get("serial-samples")) is not None and cost == "work":
        for word, shares in (("cons", cons), ("pass", passed)):
            ways = [several(samples, n, word, shares) for n in _doubling(samples)]
            line = [(way.mean_work, 100 * way.accuracy) for way in ways]
            yield Series(name=name(f"serial {word}@n, in the window"), points=line, colour=_COLOURS[word], dashed=word == "pass")
    if (serial := points.get("serial-window")) is not None:
        yield _single(first_try(serial), cost, name("serial, in the window"), _COLOURS["serial"])
    for way in forked(points):
        label = way.name.replace("fork-", "fork, join ", 1).replace("first-", "first, ")
        yield _single(way, cost, name(label), _COLOURS.get(way.name, _COLOURS["dial"]))
    if (race := points.get(RACE)) is not None:
        yield _single(first_try(race), cost, name(_CLOCKED[RACE]), _COLOURS[RACE])


def _doubling(point: Point) -> list[int]:
    most = min(map(len, point.votes))
    return [2**power for power in range(most.bit_length()) if 2**power <= most]


def _single(way: Way, cost: Cost, name: str, colour: int) -> Series:
    row = way.row()
    error = 100 * (row["accuracy"].error or 0.0)
    return Series(name=name, points=[(row[cost].value, 100 * way.accuracy, error)], colour=colour, line=False)


def clock_picture(recordings: Sequence[Recording]) -> str | None:
    """Median (solid) and 95th percentile (dashed) of the seconds of a problem; None when nothing was timed."""
    series = [one for number, recording in enumerate(recordings) for one in _clocks(recording, named=not number)]
    points = [point for one in series for point in one.points]
    if not points:
        return None
    loads = sorted({point[0] for point in points})
    x = axis_around(loads, "problems at once, logarithmic · solid: median, dashed: 95th percentile", marked=loads, room=4)
    y = axis_around([point[1] for point in points], "ms")
    return chart("Milliseconds until a problem is solved, one GPU", x, y, series)


def _clocks(recording: Recording, *, named: bool) -> Iterator[Series]:
    loads = sorted({one.at_once for one in recording.timed})
    for method, label in _CLOCKED.items():
        for share, dashed in ((0.5, False), (0.95, True)):
            points = []
            for load in loads:
                seconds = [s for one in recording.timed if one.name == method and one.at_once == load for s in one.seconds]
                if seconds:
                    points.append((load, 1000 * percentile(sorted(seconds), share)))
            shown = label if named and not dashed else ""
            yield Series(name=shown, points=points, colour=_COLOURS[method], dashed=dashed, marks=not dashed)
