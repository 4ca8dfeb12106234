"""Lines and points over a logarithmic axis as a stand-alone SVG, with names placed beside them; colours and lettering of the replay's plots."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...replay.labels import LINE, Box, place
from ...replay.plot import SHAPES, STYLE, even_ticks, log_ticks, short

WIDTH, HEIGHT = 620, 380
_PLOT = Box(46, 34, WIDTH - 14, HEIGHT - 44)
_STYLE = """
.frontier .series { fill: none; stroke: var(--c); stroke-width: 1.8; } .frontier .dashed { stroke-dasharray: 5 4; opacity: .75; }
.frontier .whisker { stroke: var(--c); stroke-width: 1.4; opacity: .45; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points in order of x; (x, y) or (x, y, half height of its error bar)."""

    name: str
    """Empty: no name is written, as for a second seed."""
    points: Sequence[tuple[float, ...]]
    colour: int
    line: bool = True
    marks: bool = True
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    title: str
    low: float
    high: float
    logarithmic: bool = True
    marked: Sequence[float] = ()
    """Where it has ticks; by default at round numbers."""

    @property
    def ticks(self) -> Sequence[float]:
        if self.marked:
            return self.marked
        return log_ticks(self.low, self.high) if self.logarithmic else even_ticks(self.low, self.high)

    def share(self, value: float) -> float:
        if self.logarithmic:
            return math.log(max(value, self.low / 10) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def axis_around(values: Sequence[float], title: str, *, marked: Sequence[float] = (), room: float = 1.25) -> Axis:
    """A logarithmic axis for `values`, which goes on beyond the largest by the factor `room`."""
    return Axis(title=title, low=min(values) / 1.25, high=max(values) * room, marked=marked)


def chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """One panel as a file of its own."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f"<title>{html.escape(title)}</title><style>{STYLE}{SHAPES}{_STYLE}</style>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" style="fill: var(--card)"/>'
        f'<g class="frontier"><text class="heading" x="{_PLOT.left}" y="20">{html.escape(title)}</text>'
        f"{''.join(_shapes(x, y, series))}</g></svg>\n"
    )


def _shapes(x: Axis, y: Axis, series: Sequence[Series]) -> Iterator[str]:
    def at(point: Sequence[float]) -> tuple[float, float]:
        right, up = x.share(point[0]), y.share(point[1])
        return _PLOT.left + right * (_PLOT.right - _PLOT.left), _PLOT.bottom - up * (_PLOT.bottom - _PLOT.top)

    for tick in y.ticks:
        _, level = at((x.low, tick))
        yield f'<line class="rule" x1="{_PLOT.left}" x2="{_PLOT.right}" y1="{level:.1f}" y2="{level:.1f}"/>'
        yield f'<text class="axis" x="{_PLOT.left - 6}" y="{level + 3.5:.1f}" text-anchor="end">{short(tick)}</text>'
    for tick in x.ticks:
        across, _ = at((tick, y.low))
        yield f'<line class="rule" x1="{across:.1f}" x2="{across:.1f}" y1="{_PLOT.top}" y2="{_PLOT.bottom}"/>'
        yield f'<text class="axis" x="{across:.1f}" y="{_PLOT.bottom + 15}" text-anchor="middle">{short(tick)}</text>'
    yield f'<text class="axis" x="{_PLOT.right}" y="{_PLOT.bottom + 32}" text-anchor="end">{html.escape(x.title)}</text>'
    placed = [[at(point) for point in one.points] for one in series]
    for one, spots in zip(series, placed, strict=True):
        yield f'<g style="--c: var(--c{one.colour})">'
        if one.line and len(spots) > 1:
            path = "M" + "L".join(f"{across:.1f} {level:.1f}" for across, level in spots)
            yield f'<path class="series{" dashed" if one.dashed else ""}" d="{path}"/>'
        for point, (across, level) in zip(one.points, spots, strict=True) if one.marks else ():
            if len(point) == 3:
                _, top = at((point[0], min(point[1] + point[2], y.high)))
                _, bottom = at((point[0], max(point[1] - point[2], y.low)))
                yield f'<line class="whisker" x1="{across:.1f}" x2="{across:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
            yield f'<circle class="mark" cx="{across:.1f}" cy="{level:.1f}" r="4"/>'
        yield "</g>"
    yield from _names(series, placed)


def _along(spots: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Places on the line through `spots`, close enough that no name fits between them."""
    yield from spots
    for (x1, y1), (x2, y2) in pairwise(spots):
        for step in range(1, 8):
            yield x1 + (x2 - x1) * step / 8, y1 + (y2 - y1) * step / 8


def _names(series: Sequence[Series], placed: Sequence[Sequence[tuple[float, float]]]) -> Iterator[str]:
    """Beside the last point of a line, or the only one of a mark."""
    named = [(one, spots[-1]) for one, spots in zip(series, placed, strict=True) if one.name and spots]
    avoided = [
        Box(across - 4, level - 4, across + 4, level + 4)
        for one, spots in zip(series, placed, strict=True)
        for across, level in (_along(spots) if one.line else spots)
    ]
    labels = place([(*spot, [one.name]) for one, spot in named], _PLOT, avoided=avoided)
    for (one, (across, level)), label in zip(named, labels, strict=True):
        box = label.box
        if label.far:
            end_x, end_y = min(max(across, box.left), box.right), min(max(level, box.top), box.bottom)
            yield f'<line class="leader" x1="{across:.1f}" y1="{level:.1f}" x2="{end_x:.1f}" y2="{end_y:.1f}"/>'
        middle = (box.left + box.right) / 2
        anchor, left = (
            ("start", box.left) if box.left >= across else ("end", box.right) if box.right <= across else ("middle", middle)
        )
        yield f'<text class="name" style="--c: var(--c{one.colour})" x="{left:.1f}" y="{box.top + LINE - 2.5:.1f}" text-anchor="{anchor}">'
        yield f"{html.escape(one.name)}</text>"
