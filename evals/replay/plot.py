"""The frontier as SVG: accuracy against tokens and against span, with the curve of plain majorities and every policy by name.

Everything that comes from outside (names of pools and policies) goes through `_safe`. Colours are CSS properties, so that the page's light and
dark schemes apply; `STYLE` defines them for a picture that stands alone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .labels import LINE, Box, Label, place, wrapped
from .results import Matched, Point, Report, Row
from .table import percent, plus_minus, signed, tokens

Axis = Literal["tokens", "span"]

WIDTH, HEIGHT = 460, 380
_PLOT = Box(42, 30, WIDTH - 12, HEIGHT - 40)
_COLOURS = 12
_DIGITS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (6, (1, 1.5, 2, 3, 4, 5, 6, 8)),
    (20, (1, 2, 3, 5)),
    (400, (1, 2, 5)),
    (math.inf, (1,)),
)
"""Ticks in each decade, by how far the axis reaches."""
_MARKED = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

STYLE = """
svg { --card: #fff; --ink: #16191f; --soft: #59636f; --grid: #e6e9ee; --band: #dfe6f2; --curve: #6f7f99;
  --c0: #1d5fd1; --c1: #c2410c; --c2: #127a45; --c3: #9333b8; --c4: #b3261e; --c5: #0e7490; --c6: #8a6100; --c7: #be185d;
  --c8: #4d7c0f; --c9: #4f46e5; --c10: #78716c; --c11: #9f5f4b; }
@media (prefers-color-scheme: dark) {
  svg { --card: #161a21; --ink: #e7eaef; --soft: #9fa9b7; --grid: #272e38; --band: #263247; --curve: #8d9db8;
    --c0: #7eb0ff; --c1: #ff9147; --c2: #4fce8f; --c3: #d29bf0; --c4: #ff8078; --c5: #5cc8e0; --c6: #e0b84a; --c7: #ff8ab8;
    --c8: #a5d64f; --c9: #a5a8ff; --c10: #b8b0a8; --c11: #d9a08c; }
}
"""
SHAPES = """
.frontier text { font: 10.5px system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: var(--ink); }
.frontier .axis, .frontier .count { fill: var(--soft); } .frontier .heading { font-size: 13px; font-weight: 600; }
.frontier .count { font-size: 9px; } .frontier .rule { stroke: var(--grid); } .frontier .band { fill: var(--band); opacity: .6; }
.frontier .curve { fill: none; stroke: var(--curve); stroke-width: 1.6; } .frontier .dot { fill: var(--curve); }
.frontier .leader { stroke: var(--soft); stroke-width: .7; opacity: .7; } .frontier .bar { stroke: var(--c); stroke-width: 1.4; opacity: .45; }
.frontier .kin { fill: none; stroke: var(--c); stroke-width: 1; opacity: .5; } .frontier .mark { fill: var(--c); stroke: var(--card); }
.frontier .base { fill: var(--card); stroke: var(--c); stroke-width: 2; }
.frontier .name { fill: var(--c); paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; }
"""


def frontier_svg(report: Report) -> str:
    """Both panels, one above the other, as a file of its own."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT}" width="{2 * WIDTH}" height="{4 * HEIGHT}">'
        f"<title>{_safe(report.pool)}: accuracy against tokens and span</title><style>{STYLE}{SHAPES}</style>"
        f'<rect width="{WIDTH}" height="{2 * HEIGHT}" style="fill: var(--card)"/>'
        f'{panel(report, "tokens")}<g transform="translate(0 {HEIGHT})">{panel(report, "span")}</g></svg>\n'
    )


def panel(report: Report, axis: Axis) -> str:
    """The shapes of one panel, `WIDTH` × `HEIGHT`, for an `<svg>` or a `<g>`; they need `SHAPES` and the colours of `STYLE`."""
    return "".join(_Panel(report, axis).shapes())


def colours(report: Report) -> dict[str, int]:
    """A colour for each policy: one for those that differ in their `n` alone."""
    kins: dict[str, int] = {}
    return {row.policy: kins.setdefault(kin(row.policy), len(kins)) % _COLOURS for row in report.rows}


def kin(spec: str) -> str:
    """What policies have in common that differ in their number of traces alone."""
    name, colon, options = spec.partition(":")
    return name + colon + ",".join(option for option in options.split(",") if not option.strip().startswith("n="))


@dataclass(frozen=True, slots=True)
class _Mark:
    """A policy as a point."""

    row: Row
    x: float
    y: float
    low: float
    high: float
    colour: int


class _Panel:
    def __init__(self, report: Report, axis: Axis) -> None:
        self._report = report
        self._axis: Axis = axis
        costs = [getattr(row, axis).value for row in report.rows]
        self._left, self._right = _around(costs)
        curve = [point for point in report.curve if self._left <= getattr(point, axis) <= self._right]
        heights = [row.accuracy.value for row in report.rows] + [point.accuracy.value for point in curve]
        room = max(0.03, 0.4 * (max(heights) - min(heights)))
        self._bottom, self._top = max(0.0, min(heights) - room), min(1.0, max(heights) + room)
        shades = colours(report)
        self._marks = [self._mark(row, shades[row.policy]) for row in report.rows]

    def shapes(self) -> Iterator[str]:
        clip = f"plot-{self._axis}"
        yield f'<g class="frontier"><clipPath id="{clip}"><rect x="{_PLOT.left}" y="{_PLOT.top}" '
        yield f'width="{_PLOT.right - _PLOT.left}" height="{_PLOT.bottom - _PLOT.top}"/></clipPath>'
        title = "all sampled tokens a problem" if self._axis == "tokens" else "tokens on the critical path"
        yield f'<text class="heading" x="{_PLOT.left}" y="18">Accuracy (%) against {title}</text>'
        yield from self._grid()
        yield f'<g clip-path="url(#{clip})">'
        yield from self._curve()
        yield from self._kinships()
        for mark in self._marks:
            yield f'<line class="bar" style="--c: var(--c{mark.colour})" x1="{mark.x:.1f}" x2="{mark.x:.1f}" y1="{mark.low:.1f}" y2="{mark.high:.1f}"/>'
        yield "</g>"
        counts = list(self._counts())
        for x, y, text in counts:
            yield f'<text class="count" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'
        yield from self._names([Box(x - 6, y - 8, x + 6, y + 2) for x, y, _ in counts])
        yield "</g>"

    def _mark(self, row: Row, colour: int) -> _Mark:
        found: Matched = row.at_tokens if self._axis == "tokens" else row.at_span
        # The interval of the difference to the majority at the same cost, laid around the policy's own accuracy.
        low = row.accuracy.value + found.difference.low - found.difference.value
        high = row.accuracy.value + found.difference.high - found.difference.value
        return _Mark(row, self._x(getattr(row, self._axis).value), self._y(row.accuracy.value), self._y(low), self._y(high), colour)

    def _x(self, cost: float) -> float:
        share = math.log(max(cost, 0.1) / self._left) / math.log(self._right / self._left)
        return _PLOT.left + share * (_PLOT.right - _PLOT.left)

    def _y(self, accuracy: float) -> float:
        return _PLOT.bottom - (accuracy - self._bottom) / (self._top - self._bottom) * (_PLOT.bottom - _PLOT.top)

    def _at(self, point: Point) -> tuple[float, float]:
        return self._x(getattr(point, self._axis)), self._y(point.accuracy.value)

    def _grid(self) -> Iterator[str]:
        for tick in even_ticks(100 * self._bottom, 100 * self._top):
            y = self._y(tick / 100)
            yield f'<line class="rule" x1="{_PLOT.left}" x2="{_PLOT.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text class="axis" x="{_PLOT.left - 6}" y="{y + 3.5:.1f}" text-anchor="end">{tick:g}</text>'
        for tick in log_ticks(self._left, self._right):
            x = self._x(tick)
            yield f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{_PLOT.top}" y2="{_PLOT.bottom}"/>'
            yield f'<text class="axis" x="{x:.1f}" y="{_PLOT.bottom + 15}" text-anchor="middle">{short(tick)}</text>'
        yield f'<text class="axis" x="{_PLOT.right}" y="{_PLOT.bottom + 31}" text-anchor="end">tokens, logarithmic · grey: plain majority of 1, 2, 4 … traces</text>'

    def _curve(self) -> Iterator[str]:
        points = self._report.curve
        upper = [(self._x(getattr(p, self._axis)), self._y(p.accuracy.value + 1.96 * (p.accuracy.error or 0))) for p in points]
        lower = [(self._x(getattr(p, self._axis)), self._y(p.accuracy.value - 1.96 * (p.accuracy.error or 0))) for p in points]
        yield f'<path class="band" d="{_path([*upper, *reversed(lower)])}Z"><title>majority: 95 % interval over problems</title></path>'
        yield f'<path class="curve" d="{_path([self._at(point) for point in points])}"/>'
        for point in points:
            x, y = self._at(point)
            yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.2"><title>majority of {point.traces}: {percent(point.accuracy.value)} '
            yield f"{plus_minus(point.accuracy)} %, {tokens(point.tokens)} tokens, span {tokens(point.span)}</title></circle>"

    def _counts(self) -> Iterator[tuple[float, float, str]]:
        """Numbers below the curve's points, as long as they stand apart."""
        last = -math.inf
        for point in self._report.curve:
            x, y = self._at(point)
            hidden = any(abs(mark.x - x) < 11 and -5 < mark.y - y < 20 for mark in self._marks)
            if (
                point.traces in _MARKED
                and _PLOT.left <= x <= _PLOT.right
                and y + 12 <= _PLOT.bottom
                and x - last > 14
                and not hidden
            ):
                last = x
                yield x, y + 12, str(point.traces)

    def _kinships(self) -> Iterator[str]:
        kins: dict[str, list[_Mark]] = {}
        for mark in self._marks:
            kins.setdefault(kin(mark.row.policy), []).append(mark)
        for marks in kins.values():
            if len(marks) > 1:
                line = _path(sorted((mark.x, mark.y) for mark in marks))
                yield f'<path class="kin" style="--c: var(--c{marks[0].colour})" d="{line}"/>'

    def _names(self, taken: Sequence[Box]) -> Iterator[str]:
        points = [(mark.x, mark.y, wrapped(_safe_text(mark.row.policy), 24, most=2)) for mark in self._marks]
        bars = [Box(mark.x - 1, mark.high, mark.x + 1, mark.low) for mark in self._marks]
        labels = place(points, _PLOT, taken=taken, avoided=[*self._curve_boxes(), *bars])
        for mark, label in zip(self._marks, labels, strict=True):
            yield f'<g style="--c: var(--c{mark.colour})"><title>{_safe(_told(mark.row))}</title>'
            yield from _named(mark, label, base=mark.row.policy == self._report.baseline)
            yield "</g>"

    def _curve_boxes(self) -> Iterator[Box]:
        places = [self._at(point) for point in self._report.curve]
        for (x1, y1), (x2, y2) in pairwise(places):
            for step in range(6):
                x, y = x1 + (x2 - x1) * step / 6, y1 + (y2 - y1) * step / 6
                yield Box(x - 3, y - 3, x + 3, y + 3)


def _named(mark: _Mark, label: Label, *, base: bool) -> Iterator[str]:
    box = label.box
    if label.far:
        x, y = min(max(mark.x, box.left), box.right), min(max(mark.y, box.top), box.bottom)
        yield f'<line class="leader" x1="{mark.x:.1f}" y1="{mark.y:.1f}" x2="{x:.1f}" y2="{y:.1f}"/>'
    yield f'<circle class="{"base" if base else "mark"}" cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="4.5"/>'
    anchor, x = (
        ("start", box.left)
        if box.left >= mark.x
        else ("end", box.right)
        if box.right <= mark.x
        else ("middle", (box.left + box.right) / 2)
    )
    for number, line in enumerate(label.lines):
        yield f'<text class="name" x="{x:.1f}" y="{box.top + 9.5 + LINE * number:.1f}" text-anchor="{anchor}">{html.escape(line)}</text>'


def _told(row: Row) -> str:
    same_tokens, same_span = row.at_tokens.difference, row.at_span.difference
    return (
        f"{row.policy}: {percent(row.accuracy.value)} {plus_minus(row.accuracy)} %, {tokens(row.tokens.value)} tokens, "
        f"span {tokens(row.span.value)}; to the majority at the same tokens {signed(same_tokens.value)} "
        f"[{signed(same_tokens.low)}, {signed(same_tokens.high)}], at the same span {signed(same_span.value)} "
        f"[{signed(same_span.low)}, {signed(same_span.high)}] points"
    )


def _around(costs: Sequence[float]) -> tuple[float, float]:
    low, high = max(0.5, min(costs)), max(0.5, *costs)
    room = max(1.5, (high / low) ** 0.25)
    return low / room, high * room


def even_ticks(low: float, high: float) -> list[float]:
    """At most nine, at round distances."""
    step = next((step for step in (0.5, 1, 2, 5, 10, 20) if (high - low) / step <= 8), 20)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers, fewer of each decade the more decades there are."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = next(digits for reach, digits in _DIGITS if high / low < reach)
    return [tick for decade in decades for digit in digits if low <= (tick := digit * 10.0**decade) <= high]


def short(tick: float) -> str:
    """With k for thousands and M for millions."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if tick >= size:
            return f"{tick / size:g}{unit}"
    return f"{tick:g}"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _safe(text: str) -> str:
    return html.escape(_safe_text(text))


def _safe_text(text: str) -> str:
    """XML has no place for control characters, not even escaped."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
