"""What one seed's recording says, as tables of numbers: section -> row -> column -> mean with its standard error.

Accuracies and gaps are shares of 1, work and span tokens a problem. A gap is paired by problem. Which serial tries stand against forking is
always decided in favour of the serial policy: it gets at least as much work, or span, as it is compared with.
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

BUDGETS = (1500, 3000, 5000)
"""Tokens a problem at which serial tries and forking are compared."""
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
    """A point with one try a problem, or the first ones of several."""
    columns = zip(point.places, point.votes, point.work, point.spans, strict=True)
    rows = [(place, float(votes[0] > 0), work[0], span[0]) for place, votes, work, span in columns]
    return Way(name or point.name, {p: s for p, s, _, _ in rows}, {p: w for p, _, w, _ in rows}, {p: s for p, _, _, s in rows})


def several(point: Point, n: int, name: str, shares: Callable[[Point, int], list[float]] = cons) -> Way:
    """n tries one after the other, at their expected cost."""
    work = {place: n * math.fsum(work) / len(work) for place, work in zip(point.places, point.work, strict=True)}
    span = {place: n * math.fsum(span) / len(span) for place, span in zip(point.places, point.spans, strict=True)}
    return Way(name, dict(zip(point.places, shares(point, n), strict=True)), work, span)


def points_of(recording: Recording) -> dict[str, Point]:
    return {point.name: point for point in recording.points}


def forked(points: Mapping[str, Point]) -> list[Way]:
    """All ways to fork within the window, by one try."""
    return [first_try(point) for name, point in points.items() if name.startswith("fork-") and name != "fork-tries"]


def at_window(points: Mapping[str, Point]) -> Section:
    """Accuracy at the window, greedy."""
    rows: Section = {}
    for label, name in (
        ("serial", "serial-window"),
        ("fork, join all", "fork-all"),
        ("fork, join first", "fork-first"),
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


def matched_work(points: Mapping[str, Point]) -> Section:
    """For each budget: the best forking within it, against as many serial tries as reach it."""
    if "serial-samples" not in points or "fork-all" not in points:
        return {}
    samples = points["serial-samples"]
    one = math.fsum(map(sum, samples.work)) / samples.tries
    rows: Section = {}
    for budget in BUDGETS:
        ours, ours_pass = _best_within(budget, points, cons), _best_within(budget, points, passed)
        wanted = max(budget, ours.mean_work, ours_pass.mean_work)
        n = min(math.ceil(wanted / one), min(map(len, samples.votes)))
        theirs, theirs_pass = several(samples, n, "cons"), several(samples, n, "pass", passed)
        rows[f"{budget:,}"] = {
            "n": exact(n),
            "temperature": exact(samples.setup["temperature"]),
            "serial work": exact(theirs.mean_work),
            "cons@n": known(mean_share(list(theirs.shares.values()))),
            "pass@n": known(mean_share(list(theirs_pass.shares.values()))),
            "fork": known(mean_share(list(ours.shares.values()))),
            "fork work": exact(ours.mean_work),
            "gap to cons@n": gap(ours.shares, theirs.shares),
            "gap to pass@n": gap(ours_pass.shares, theirs_pass.shares),
        }
    return rows


def _best_within(budget: float, points: Mapping[str, Point], shares: Callable[[Point, int], list[float]]) -> Way:
    """The most accurate forking that costs at most `budget`; the cheapest when none does."""
    ways = forked(points)
    if (tries := points.get("fork-tries")) is not None:
        ways += [several(tries, n, f"fork-tries@{n}", shares) for n in range(2, 1 + min(map(len, tries.votes)))]
    affordable = [way for way in ways if way.mean_work <= budget]
    return max(affordable, key=lambda way: way.accuracy) if affordable else min(ways, key=lambda way: way.mean_work)


def matched_span(points: Mapping[str, Point]) -> Section:
    """Each forking against the better of one greedy serial try and as many in a row as are at least as long, in the same window."""
    if "serial-samples" not in points or "serial-window" not in points:
        return {}
    samples, greedy = points["serial-samples"], first_try(points["serial-window"])
    one, most = math.fsum(map(sum, samples.work)) / samples.tries, min(map(len, samples.votes))
    rows: Section = {}
    for way in forked(points):
        n = max(1, min(math.ceil(way.mean_span / one), most))
        row_of_tries, with_check = several(samples, n, "cons"), several(samples, n, "pass", passed)
        best = max((greedy, row_of_tries), key=lambda theirs: theirs.accuracy)
        rows[way.name.replace("-", " ")] = {
            "fork": way.row()["accuracy"],
            "fork span": way.row()["span"],
            "tries in a row": exact(n),
            "serial span": exact(row_of_tries.mean_span),
            "serial": known(mean_share(list(best.shares.values()))),
            "serial pass@n": known(mean_share(list(with_check.shares.values()))),
            "gap": gap(way.shares, best.shares),
            "gap to pass@n": gap(way.shares, with_check.shares),
        }
    return rows


def price_of_goal(points: Mapping[str, Point]) -> Section:
    """Least work and least span at `GOAL`, within the window and with the serial policy's whole context; the best accuracy where nothing
    reaches it."""
    rows: Section = {}
    ways = forked(points)
    if ways:
        rows["fork in the window, least work"] = _cheapest(ways, lambda way: way.mean_work).row()
        rows["fork in the window, least span"] = _cheapest(ways, lambda way: way.mean_span).row()
    if ways and "serial-window" in points:
        greedy = first_try(points["serial-window"])
        both = [_then(greedy, way) for way in ways]
        rows["serial, then fork if it fails, in the window"] = _cheapest(both, lambda way: way.mean_work).row()
    if serial := list(sequences(points)):
        for label, accuracy in (("serial, unlimited window", GOAL), ("serial, unlimited window, most accurate", math.inf)):
            best = as_good_as(accuracy, serial)
            rows[label] = best.way.row() | {"window": exact(best.window), "tries": exact(best.most)}
        if ways:
            equal = as_good_as(max(way.accuracy for way in ways), serial)
            rows["serial, unlimited window, as accurate as fork"] = equal.way.row() | {
                "window": exact(equal.window),
                "tries": exact(equal.most),
            }
    return rows


def _cheapest(ways: Sequence[Way], cost: Callable[[Way], float]) -> Way:
    good = [way for way in ways if way.accuracy >= GOAL]
    return min(good, key=cost) if good else max(ways, key=lambda way: way.accuracy)


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
