"""Small multiples as SVG: a panel for each quantity, a colour for each label, lines with bands and dots. Knows nothing of training.

Light background, sized for the width of a README page. Everything that comes from outside goes through `_safe`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

COLOURS = ("#1d5fd1", "#c2410c", "#127a45", "#9333b8", "#0e7490", "#8a6100")
_INK, _SOFT, _GRID = "#16191f", "#59636f", "#e6e9ee"
_WIDTH, _PANEL, _GAP = 900, 196, 14
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 26, 24
"""Room around the plot of a panel."""
_LETTER, _KEY, _LINE = 6.6, 30, 20
"""Of the legend: width of a letter at its size, of the sign before a label, and height of a line."""
_INSET = 5
"""Of what is drawn from the sides of its plot, so that no dot covers the numbers of the axis."""
_NAME = 13
"""Least distance of the names beside lines."""
_LOG_FROM = 20.0
"""A panel that may be logarithmic is so when its largest value is that many times its least."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value with the range that it is the middle of, at `x`."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one label has in one panel."""

    label: int
    """Index among the picture's labels."""
    name: str = ""
    """Stands beside the last dot, where a label has several lines."""
    points: Sequence[Point] = ()
    dots: Sequence[Point] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    title: str
    lines: Sequence[Line]
    percent: bool = False
    """Values are shares from 0 to 1."""
    may_be_log: bool = False


def picture(panels: Sequence[Panel], labels: Sequence[str], *, across: str, caption: str, title: str = "", columns: int = 3) -> str:
    """The whole file. `across` names the horizontal axis, which all panels share; there are at most `len(COLOURS)` labels."""
    assert panels and 0 < len(labels) <= len(COLOURS), (len(panels), len(labels))
    columns = min(columns, len(panels))
    width = (_WIDTH - _GAP * (columns - 1)) / columns
    rows = math.ceil(len(panels) / columns)
    legend, depth = _legend(labels, 26 if title else 0)
    height = depth + rows * (_PANEL + _GAP) + 34
    reach = [point.x for panel in panels for line in panel.lines for point in (*line.points, *line.dots)]
    left, right = min(reach), max(reach)
    font = "system-ui, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" font-family="{font}" font-size="11.5">',
        f'<title>{_safe(title or "Training curves")}</title><rect width="{_WIDTH}" height="{height:.0f}" fill="#fff"/>',
    ]
    if title:
        parts.append(f'<text x="4" y="20" font-size="15" font-weight="600" fill="{_INK}">{_safe(title)}</text>')
    parts += legend
    for number, panel in enumerate(panels):
        x, y = number % columns * (width + _GAP), depth + number // columns * (_PANEL + _GAP)
        named = across if number + columns >= len(panels) else ""
        parts.append(f'<g transform="translate({x:.1f} {y:.1f})">')
        parts += _Plot(panel, width, left, right if right > left else left + 1).shapes(named)
        parts.append("</g>")
    parts.append(f'<text x="4" y="{height - 8:.0f}" fill="{_SOFT}">{_safe(caption)}</text></svg>')
    return "\n".join(parts) + "\n"


def _legend(labels: Sequence[str], top: float) -> tuple[list[str], float]:
    """The labels with their colours, and where they end."""
    parts, x, y = [], 4.0, top + 16.0
    for label, colour in zip(labels, COLOURS, strict=False):
        room = _KEY + _LETTER * len(label) + 18
        if x > 4 and x + room > _WIDTH:
            x, y = 4.0, y + _LINE
        parts.append(f'<path d="M{x:.1f} {y - 4:.1f}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + _KEY:.1f}" y="{y:.1f}" font-size="12.5" fill="{_INK}">{_safe(label)}</text>')
        x += room
    return parts, y + 12


class _Plot:
    """One panel at the origin."""

    def __init__(self, panel: Panel, width: float, left: float, right: float) -> None:
        self._panel = panel
        self._left, self._right = left, right
        names = max(len(line.name) for line in panel.lines)
        self._box = (_LEFT, _TOP, width - _RIGHT - (names and _LETTER * names), _PANEL - _BOTTOM)
        ends = [value for line in panel.lines for point in (*line.points, *line.dots) for value in (point.low, point.high)]
        low, high = min(ends), max(ends)
        self._log = panel.may_be_log and low > 0 and high / low > _LOG_FROM
        self._low, self._high = (low / 1.3, high * 1.3) if self._log else _room(low, high, percent=panel.percent)

    def shapes(self, across: str) -> Iterator[str]:
        left, _, right, bottom = self._box
        yield f'<text x="{left}" y="16" font-size="12.5" font-weight="600" fill="{_INK}">{_safe(self._panel.title)}</text>'
        for tick in self._ticks():
            y = self._y(tick)
            yield f'<path d="M{left} {y:.1f}H{right:.1f}" stroke="{_GRID}"/>'
            yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{_SOFT}">{self._shown(tick)}</text>'
        ticks = even_ticks(self._left, self._right, most=5)
        for tick in ticks:
            yield f'<path d="M{self._x(tick):.1f} {bottom}v4" stroke="{_SOFT}"/>'
            yield f'<text x="{self._x(tick):.1f}" y="{bottom + 17}" text-anchor="middle" fill="{_SOFT}">{short(tick)}</text>'
        yield f'<path d="M{left} {bottom}H{right:.1f}" stroke="{_SOFT}"/>'
        if across:
            yield f'<text x="{right:.1f}" y="{bottom + 30}" text-anchor="end" fill="{_SOFT}">{_safe(across)}</text>'
        for line in self._panel.lines:
            yield from self._bands(line)
        for line in self._panel.lines:
            yield from self._drawn(line)
        yield from self._names()

    def _names(self) -> Iterator[str]:
        """Beside the last dots, pushed apart where they would touch: down first, then up from the axis."""
        _, _, right, bottom = self._box
        named = sorted(
            (self._y(line.dots[-1].y) + 4, line.name, line.label) for line in self._panel.lines if line.name and line.dots
        )
        places: list[float] = []
        for y, _, _ in named:
            places.append(max(y, places[-1] + _NAME) if places else y)
        least = float(bottom)
        for number in reversed(range(len(places))):
            places[number] = least = min(places[number], least)
            least -= _NAME
        for y, (_, name, label) in zip(places, named, strict=True):
            yield f'<text x="{right + 8:.1f}" y="{y:.1f}" fill="{COLOURS[label]}">{_safe(name)}</text>'

    def _bands(self, line: Line) -> Iterator[str]:
        if any(point.low < point.high for point in line.points):
            edge = [(point.x, point.high) for point in line.points] + [(point.x, point.low) for point in reversed(line.points)]
            yield f'<path d="{self._path(edge)}Z" fill="{COLOURS[line.label]}" opacity=".16"/>'

    def _drawn(self, line: Line) -> Iterator[str]:
        colour = COLOURS[line.label]
        if len(line.points) == 1:
            yield f'<circle cx="{self._x(line.points[0].x):.1f}" cy="{self._y(line.points[0].y):.1f}" r="2" fill="{colour}"/>'
        if len(line.points) > 1:
            path = self._path([(point.x, point.y) for point in line.points])
            yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.7" stroke-linejoin="round"/>'
        if line.name:
            path = self._path([(dot.x, dot.y) for dot in line.dots])
            yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1" stroke-dasharray="3 3"/>'
        for dot in line.dots:
            x = self._x(dot.x)
            if dot.low < dot.high:
                yield f'<path d="M{x:.1f} {self._y(dot.low):.1f}V{self._y(dot.high):.1f}" stroke="{colour}" stroke-width="1.4"/>'
            yield f'<circle cx="{x:.1f}" cy="{self._y(dot.y):.1f}" r="3.6" fill="{colour}" stroke="#fff" stroke-width="1.2"/>'

    def _path(self, places: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{self._x(x):.1f} {self._y(y):.1f}" for x, y in places)

    def _x(self, value: float) -> float:
        left, _, right, _ = self._box
        return left + _INSET + (right - left - 2 * _INSET) * (value - self._left) / (self._right - self._left)

    def _y(self, value: float) -> float:
        _, top, _, bottom = self._box
        low, high = self._low, self._high
        share = math.log(value / low) / math.log(high / low) if self._log else (value - low) / (high - low)
        return bottom - (bottom - top) * share

    def _ticks(self) -> list[float]:
        return log_ticks(self._low, self._high) if self._log else even_ticks(self._low, self._high, most=5)

    def _shown(self, tick: float) -> str:
        return short(100 * tick) if self._panel.percent else short(tick)


def _room(low: float, high: float, *, percent: bool) -> tuple[float, float]:
    """What a linear panel spans: from 0 where the values come near it, and never beyond what a share can be."""
    if 0 <= low < 0.6 * high:
        low = 0.0
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    bottom, top = (low if low == 0 else low - room), high + room
    return (max(0.0, bottom), min(1.0, top)) if percent and low >= 0 and high <= 1 and bottom < 1 else (bottom, top)


def even_ticks(low: float, high: float, *, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` + 1 of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * digit for digit in (1, 2, 5, 10) if (high - low) / (power * digit) <= most)
    return [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten from `low` to `high`, thinned to six; with digits between them where there would be one at most."""
    powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    if len(powers) < 2:
        return [
            tick for power in (powers.start - 1, *powers) for digit in (1, 2, 5) if low <= (tick := digit * 10.0**power) <= high
        ]
    return [10.0**power for power in powers[:: math.ceil(len(powers) / 6)]]


def short(value: float) -> str:
    """A tick in few letters: 20k, 1.5M, 0.05, 1e-4."""
    if value and abs(value) < 0.001:
        return f"{value:.2g}".replace("e-0", "e-")
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def _safe(text: str) -> str:
    """XML has no place for control characters, not even escaped."""
    return html.escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))
