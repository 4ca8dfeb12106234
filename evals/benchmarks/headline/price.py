"""What an accuracy of `GOAL` costs: by forking in the window, and by serial search with its whole context.

The forking of a row was chosen for all seeds (`choice.py`); the serial searches are chosen on the test problems, which favours them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .choice import Choices
from .figures import GOAL, RACE, Section, Way, as_good_as, exact, first_try, forked, sequences
from .record import Point

LEAST_WORK = "fork in the window, least work · "
LEAST_SPAN = "fork in the window, least span · "
"""How the labels of their rows begin; the forking follows."""


def price_of_goal(points: Mapping[str, Point], choices: Choices) -> Section:
    """The rows of a way that is accurate enough, or of the most accurate one where none is: a row of its own, so that means over seeds are
    of one thing."""
    rows: Section = {}
    ways = {way.name: way for way in forked(points)}
    chosen = {LEAST_WORK: choices.least_work, LEAST_SPAN: choices.least_span}
    if choices.least_work is None:
        chosen = {"fork in the window, most accurate · ": choices.most_accurate}
    for label, name in chosen.items():
        if name is not None and name in ways:
            rows[label + choices.label(name)] = ways[name].row()
    second = choices.least_work or choices.most_accurate
    if second is not None and second in ways and "serial-window" in points:
        both = _then(first_try(points["serial-window"]), ways[second])
        rows[f"serial, then fork if it fails, in the window · {choices.label(second)}"] = both.row()
    if RACE in points:
        rows["race of fork, join first, and scouts, in the window"] = first_try(points[RACE]).row()
    if serial := list(sequences(points)):
        wanted = {"serial, unlimited window": GOAL}
        if ways:
            wanted["serial, unlimited window, as accurate as the best fork"] = max(way.accuracy for way in ways.values())
        for label, accuracy in (*wanted.items(), ("serial, unlimited window, most accurate", math.inf)):
            best = as_good_as(accuracy, serial)
            if best.way.accuracy >= accuracy or math.isinf(accuracy):
                rows[label] = best.way.row() | {"window": exact(best.window), "tries": exact(best.most)}
    return rows


def _then(first: Way, second: Way) -> Way:
    """`second` only where `first` has no answer, which the search itself says."""
    places = [place for place in first.shares if place in second.shares]
    failed = {place: not first.shares[place] for place in places}
    return Way(
        f"{first.name}, then {second.name}",
        {place: second.shares[place] if failed[place] else first.shares[place] for place in places},
        {place: first.work[place] + (second.work[place] if failed[place] else 0) for place in places},
        {place: first.span[place] + (second.span[place] if failed[place] else 0) for place in places},
    )
