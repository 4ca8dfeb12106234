"""What one seed's recording says, as tables of numbers: section -> row -> column -> mean with its standard error.

Accuracies and gaps are shares of 1, work and span tokens a problem. A gap is paired by problem. Here are the ways to solve problems, and how
they do at the window; `matched.py` and `price.py` compare them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...at_k import majority_at, pass_at
from ...compare import difference_interval
from ...statistics import Mean, mean, mean_share, percentile
from . import window as windows
from .record import Point, Recording

Row = dict[str, Mean]
Section = dict[str, Row]

Shares = Callable[[Point, int], list[float]]
"""`cons` or `passed`: for each problem, how often n of its tries are right."""

BUDGETS = (1500, 3000, 5000)
"""Tokens a problem at which serial tries and forking are compared."""
FORK_TRIES = "fork-tries"
RACE = "race"
"""A point and a contender: the fork beside serial searches, until one answer holds when it is checked."""
_RESAMPLES = 100
"""Of a problem's majority: what they leave to chance is small beside how problems differ."""
GOAL = 0.94
"""Accuracy whose price is asked for."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to solve problems: for each place its share of success, and what it costs."""

    name: str
    shares: Mapping[int, float]
    work: Mapping[int, float]
    span: Mapping[int, float]

    @property
    def accuracy(self) -> float:
        return math.fsum(self.shares.values()) / len(self.shares)

    @property
    def mean_work(self) -> float:
        return math.fsum(self.work.values()) / len(self.work)

    @property
    def mean_span(self) -> float:
        return math.fsum(self.span.values()) / len(self.span)

    def row(self) -> Row:
        return {
            "accuracy": known(mean_share(list(self.shares.values()))),
            "work": known(mean(list(self.work.values()))),
            "span": known(mean(list(self.span.values()))),
            "p95 span": exact(percentile(sorted(self.span.values()), 0.95)),
        }


@dataclass(frozen=True, slots=True)
class Tries:
    """Serial search in a window, again in the whole context as long as it fails, `most` times in all."""

    window: int
    most: int
    way: Way


def exact(value: float) -> Mean:
    return Mean(value, None, 1)


def known(found: Mean | None) -> Mean:
    assert found is not None, "a point has at least one problem"
    return found


def gap(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Mean:
    """Mean difference over the problems that both have, with its standard error."""
    differences = [ours[place] - theirs[place] for place in ours if place in theirs]
    interval = difference_interval(differences)
    value = math.fsum(differences) / len(differences)
    return Mean(value, interval.half_width / 1.96 if interval else None, len(differences))


def cons(point: Point, n: int) -> list[float]:
    """For each problem, how often the majority of n of its tries is right. Tries without an answer do not vote, so that
    where nothing wrong was ever claimed it is right as soon as one of them is."""
    return [
        pass_at(sum(vote > 0 for vote in votes), len(votes), n)
        if n == 1 or min(votes) >= 0
        else _majority(votes, n, seed=str(place))
        for place, votes in zip(point.places, point.votes, strict=True)
    ]


def _majority(votes: Sequence[int], n: int, *, seed: str) -> float:
    return majority_at([(str(vote) if vote else None, vote > 0) for vote in votes], [n], resamples=_RESAMPLES, seed=seed)[0]


def passed(point: Point, n: int) -> list[float]:
    """For each problem, how often one of n of its tries is right at least."""
    return [pass_at(sum(vote > 0 for vote in votes), len(votes), n) for votes in point.votes]


def at_n(point: Point, n: int) -> tuple[float, float]:
    """(cons@n, pass@n) as means over problems."""
    count = len(point.votes)
    return math.fsum(cons(point, n)) / count, math.fsum(passed(point, n)) / count


def first_try(point: Point, name: str | None = None) -> Way:
    """A point with one try a problem, or those of several that began first."""
    columns = zip(point.places, point.votes, point.work, point.spans, strict=True)
    rows = [(place, float(votes[0] > 0), work[0], span[0]) for place, votes, work, span in columns]
    return Way(name or point.name, {p: s for p, s, _, _ in rows}, {p: w for p, _, w, _ in rows}, {p: s for p, _, _, s in rows})


def several(point: Point, n: int, name: str, shares: Shares = cons) -> Way:
    """n tries one after the other, at their expected cost."""
    work = {place: n * math.fsum(work) / len(work) for place, work in zip(point.places, point.work, strict=True)}
    span = {place: n * math.fsum(span) / len(span) for place, span in zip(point.places, point.spans, strict=True)}
    return Way(name, dict(zip(point.places, shares(point, n), strict=True)), work, span)


def points_of(recording: Recording) -> dict[str, Point]:
    return {point.name: point for point in recording.points}


def forked(points: Mapping[str, Point]) -> list[Way]:
    """All ways to fork within the window, by one try."""
    return [first_try(point) for name, point in points.items() if name.startswith("fork-") and name != FORK_TRIES]


def forked_again(points: Mapping[str, Point], shares: Shares) -> list[Way]:
    """The ways to fork several times."""
    if (tries := points.get(FORK_TRIES)) is None:
        return []
    return [several(tries, n, f"{FORK_TRIES}@{n}", shares) for n in range(2, 1 + min(map(len, tries.votes)))]


def shown(name: str) -> str:
    """A way's name for a table."""
    return name.replace("-", " ")


def at_window(points: Mapping[str, Point]) -> Section:
    """Accuracy at the window, greedy."""
    rows: Section = {}
    for label, name in (
        ("serial", "serial-window"),
        ("fork, join all", "fork-all"),
        ("fork, join first", "fork-first"),
        ("race: fork, join first, beside scouts", RACE),
        ("serial before RL", "start-serial"),
        ("fork, join all, before RL", "start-fork-all"),
        ("fork, join first, before RL", "start-fork-first"),
    ):
        if (point := points.get(name)) is not None:
            rows[label] = first_try(point).row() | {
                "explored": exact(point.explored / point.tries),
                "children": exact(math.fsum(map(sum, point.children)) / point.tries if point.children else 0.0),
            }
    return rows


def sequences(points: Mapping[str, Point]) -> Iterator[Tries]:
    """The serial policy in every window up to its context, and then with 1, 2, … further tries where it has failed."""
    if (wide := points.get("serial-wide")) is None:
        return
    for found in windows.curve(wide, windows.steps(wide)):
        work = dict(zip(wide.places, map(float, found.work), strict=True))
        shares = dict(zip(wide.places, map(float, found.correct), strict=True))
        yield Tries(found.window, 1, Way("serial", shares, work, work))
    whole, context = first_try(wide), wide.setup["window"]
    yield Tries(context, 1, whole)
    if (again := points.get("serial-again")) is None:
        return
    for most in range(1, 1 + max(map(len, again.votes))):
        shares, work = dict(whole.shares), dict(whole.work)
        for place, votes, tokens in zip(again.places, again.votes, again.work, strict=True):
            shares[place] = float(any(vote > 0 for vote in votes[:most]))
            work[place] += sum(tokens[:most])
        yield Tries(context, 1 + most, Way("serial", shares, work, work))


def as_good_as(accuracy: float, tries: Sequence[Tries]) -> Tries:
    """The least work that is as accurate; the most accurate where nothing is."""
    good = [one for one in tries if one.way.accuracy >= accuracy]
    return min(good, key=lambda one: one.way.mean_work) if good else max(tries, key=lambda one: one.way.accuracy)
