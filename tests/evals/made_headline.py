"""Points and recordings of the headline benchmark, made by hand, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestra.evals.benchmarks.headline.aims import aims_table
from orchestra.evals.benchmarks.headline.figures import Section
from orchestra.evals.benchmarks.headline.record import Point, Recording, Timed
from orchestra.evals.benchmarks.headline.seeds import merged, results_of

from orchestra.countdown.problem import Split

ORIGIN = {"date": "2026-11-22", "machine": {"gpu": "a GPU", "cores": 2}, "commit": "abc"}
VALIDATED: tuple[tuple[str, Split], ...] = (("validation-fork-first", "validation"), ("fork-first", "test"))
"""Names and splits of one way to fork."""


def point(name: str, votes: Sequence[Sequence[int]], work: Sequence[Sequence[int]] | None = None, **changes: Any) -> Point:
    """A serial point with prompts of ten tokens."""
    values: dict[str, Any] = {
        "name": name,
        "role": "serial",
        "split": "test",
        "size": 4,
        "setup": {"method": "serial", "beam": 5, "window": 1024, "temperature": 0.0},
        "places": range(len(votes)),
        "votes": votes,
        "work": work or [[100] * len(tries) for tries in votes],
        "prompts": [10] * len(votes),
        "seconds": 1.0,
    }
    return Point(**values | changes)


def forking(name: str, votes: Sequence[int], *, work: int, span: int, children: Sequence[int] = (), split: Split = "test") -> Point:
    count = len(votes)
    return point(
        name,
        [[vote] for vote in votes],
        [[work]] * count,
        role="fork",
        split=split,
        span=[[span]] * count,
        children=[[number] for number in children] or [[4]] * count,
        setup={"method": "fork", "beam": 24, "child_beam": 12, "window": 160, "temperature": 0.0, "join": "all"},
    )


def recording(points: Sequence[Point], *, seed: str = "0", window: int = 160, timed: Sequence[Timed] = ()) -> Recording:
    return Recording(seed=seed, window=window, engine="scripted", models={}, points=list(points), timed=list(timed), origin=ORIGIN)


def timed(name: str, at_once: int, seconds: Sequence[float], round: int = 0) -> Timed:
    count = len(seconds)
    return Timed(
        name=name,
        at_once=at_once,
        round=round,
        tries=1,
        window=160,
        seconds=list(seconds),
        correct=[True] * count,
        work=[10] * count,
        total_seconds=sum(seconds),
    )


def with_serial(seed: Recording) -> Recording:
    """With serial tries of 100 tokens at four problems, of which the first is solved."""
    serial: list[Point] = [
        point("serial-window", [[1], [0], [0], [0]]),
        point("serial-samples", [[1] * 60, [0] * 60, [0] * 60, [0] * 60]),
    ]
    return seed.model_copy(update={"points": [*seed.points, *serial]})


def section(name: str, *seeds: Recording) -> Section:
    return merged(results_of(seeds)).sections.get(name, {})


class Beginnings(dict[str, list[str]]):
    """Looked up by how a key begins."""

    def __missing__(self, start: str) -> list[str]:
        (found,) = (value for title, value in self.items() if title.startswith(start))
        return found


def aims(*seeds: Recording) -> Beginnings:
    """What was reached, each seed, and what is missed, by how the aim's title begins."""
    return Beginnings({row[0]: row[3:] for row in aims_table(results_of(seeds))})
