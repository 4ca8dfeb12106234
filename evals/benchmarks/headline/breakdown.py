"""Looks behind the headline: by number of children, at five numbers, and over the serial policy's temperatures."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...statistics import mean_share
from . import window as windows
from .figures import Section, at_n, exact, first_try, known
from .record import Point, Recording

_MANY = 10_000
_GROUPS = ((0, 0), (1, 4), (5, 8), (9, 12), (13, 16), (17, 20), (21, 24), (25, 64), (65, 128), (129, 160), (161, _MANY))
"""Numbers of children that are looked at together."""


def by_children(points: Mapping[str, Point]) -> Section:
    """Runs that join all children, grouped by how many there were; then the dials, each with its mean number."""
    rows: Section = {}
    point = points.get("fork-all")
    if point is not None and point.children is not None:
        columns = list(zip(point.children, point.votes, point.work, strict=True))
        for low, high in _GROUPS:
            chosen = [(votes[0] > 0, work[0]) for children, votes, work in columns if low <= children[0] <= high]
            if chosen:
                rows[str(low) if low == high else f"{low} and more" if high == _MANY else f"{low}–{high}"] = {
                    "share of problems": exact(len(chosen) / len(columns)),
                    "accuracy": known(mean_share([float(right) for right, _ in chosen])),
                    "work": exact(sum(work for _, work in chosen) / len(chosen)),
                }
    for name, dial in points.items():
        if name.startswith("fork-first") and dial.children is not None:
            shown = f"dial {dial.setup['beam']} × {dial.setup['child_beam']}, join first"
            mean_children = math.fsum(map(sum, dial.children)) / dial.tries
            rows[shown] = {"children": exact(mean_children), **first_try(dial).row()}
    return rows


def five_points(recording: Recording) -> list[Point]:
    """Those of five numbers."""
    return [point for point in recording.points if point.name.startswith("five-")]


def five_numbers(points: Mapping[str, Point]) -> Section:
    """Serial and forked search of five numbers in the same windows: the first one, and its multiples."""
    serial = points.get("five-serial")
    rows: Section = {}
    forks: dict[int, list[Point]] = {}
    for name, point in points.items():
        if name.startswith("five-fork-"):
            forks.setdefault(point.setup["window"], []).append(point)
    for times, window in enumerate(sorted(forks), 1):
        if serial is None:
            continue
        if window <= serial.setup["window"]:
            alone = windows.within(serial, window)
            rows[f"serial, window × {times}"] = {
                "accuracy": known(mean_share([float(right) for right in alone.correct])),
                "work": exact(alone.mean_work),
                "span": exact(alone.mean_work),
            }
        for point in forks[window]:
            rows[f"fork, join {point.setup['join']}, window × {times}"] = first_try(point).row()
    if serial is not None:
        rows["serial, whole context"] = first_try(serial).row()
    return rows


def temperatures(points: Mapping[str, Point]) -> Section:
    """The sweep on validation problems."""
    rows: Section = {}
    for name, point in points.items():
        if name.startswith("sweep-"):
            n = len(point.votes[0])
            majority, passed = at_n(point, n)
            rows[f"{point.setup['temperature']:g}"] = {
                "one try": exact(at_n(point, 1)[1]),
                f"cons@{n}": exact(majority),
                f"pass@{n}": exact(passed),
                "work of a try": exact(math.fsum(map(sum, point.work)) / point.tries),
            }
    return rows
