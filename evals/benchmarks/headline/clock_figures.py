"""Wall clock as tables: seconds by load, ratios to serial search, and the load at which forking stops paying."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from ...statistics import Mean, mean_share, percentile
from .figures import Section, exact, known
from .record import Timed

_SERIAL = "serial"


def wall_clock(timed: Sequence[Timed]) -> Section:
    """For each load and method: seconds, and how often as fast as serial search in its whole context it is, by median and by 95th percentile
    of the same rounds. The errors of ratios are half their range over rounds."""
    rows: Section = {}
    for load in sorted({one.at_once for one in timed}):
        here = [one for one in timed if one.at_once == load]
        serial = [one for one in here if one.name == _SERIAL]
        for name in dict.fromkeys(one.name for one in sorted(here, key=lambda one: (one.name != _SERIAL, one.name))):
            mine = [one for one in here if one.name == name]
            row = {
                "tries": exact(max(one.tries for one in mine)),
                "median ms": exact(1000 * _at(mine, 0.5)),
                "p95 ms": exact(1000 * _at(mine, 0.95)),
                "problems/s": exact(sum(len(one.seconds) for one in mine) / math.fsum(one.total_seconds for one in mine)),
                "solved": known(mean_share([float(right) for one in mine for right in one.correct])),
            }
            if name != _SERIAL and serial:
                row["faster at the median"] = _ratio(serial, mine, 0.5)
                row["faster at p95"] = _ratio(serial, mine, 0.95)
            rows[f"{load} at once · {name.replace('-', ' ')}"] = row
    return rows


def load_that_stops_paying(timed: Sequence[Timed], name: str) -> int | None:
    """The least number of problems at once from which on the median problem is not solved earlier by forking; None when there is none."""
    stops: int | None = None
    for load in sorted({one.at_once for one in timed}, reverse=True):
        serial = [one for one in timed if one.at_once == load and one.name == _SERIAL]
        mine = [one for one in timed if one.at_once == load and one.name == name]
        if not serial or not mine or _at(serial, 0.5) > _at(mine, 0.5):
            return stops
        stops = load
    return stops


def _at(rounds: Sequence[Timed], share: float) -> float:
    return percentile(sorted(seconds for one in rounds for seconds in one.seconds), share)


def _ratio(serial: Sequence[Timed], mine: Sequence[Timed], share: float) -> Mean:
    """Median over rounds."""
    by_round = {one.round: one for one in serial}
    ratios = [_at([by_round[one.round]], share) / _at([one], share) for one in mine if one.round in by_round]
    return Mean(statistics.median(ratios), (max(ratios) - min(ratios)) / 2 if len(ratios) > 1 else None, len(ratios))
