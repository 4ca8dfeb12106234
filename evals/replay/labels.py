"""Where to put the names of points in a crowded picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LINE = 12.0
_WIDTH = 6.4  # of a letter in a wide face (DejaVu Sans), in units of a picture whose text is 10.5 high
_DISTANCES = (8.0, 18.0, 30.0, 44.0, 60.0, 80.0, 105.0, 135.0)
_DIRECTIONS = (
    *((1, 0), (-1, 0), (0, -1), (0, 1), (0.8, -0.7), (0.8, 0.7), (-0.8, -0.7), (-0.8, 0.7)),
    *((0.4, -0.9), (0.4, 0.9), (-0.4, -0.9), (-0.4, 0.9)),
)
_SAME = 12.0
"""Labels closer to their point than this need no line to it."""


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: Box) -> float:
        """Area of the overlap."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True, slots=True)
class Label:
    lines: Sequence[str]
    box: Box
    far: bool
    """It lies so far from its point that a line should lead there."""


def place(
    points: Sequence[tuple[float, float, Sequence[str]]], inside: Box, *, taken: Iterable[Box] = (), avoided: Iterable[Box] = ()
) -> list[Label]:
    """A label for each `(x, y, lines)`: near its point, inside, apart from one another and from what is `taken`, and, if there is room,
    from what is `avoided`. Points from the left to the right get the first choice."""
    solid = [*taken, *(Box(x - 5, y - 5, x + 5, y + 5) for x, y, _ in points)]
    soft = list(avoided)
    labels: dict[int, Label] = {}
    for index in sorted(range(len(points)), key=lambda index: points[index][0]):
        x, y, lines = points[index]
        best = min(_candidates(x, y, lines), key=lambda candidate: _cost(candidate[0], candidate[1], inside, solid, soft))
        box, distance = best
        solid.append(box)
        labels[index] = Label(lines, box, distance > _SAME)
    return [labels[index] for index in range(len(points))]


def _candidates(x: float, y: float, lines: Sequence[str]) -> Iterable[tuple[Box, float]]:
    width, height = _WIDTH * max(map(len, lines)), LINE * len(lines)
    for distance in _DISTANCES:
        for right, down in _DIRECTIONS:
            middle_x = x + right * (distance + width / 2)
            middle_y = y + down * (distance + height / 2)
            yield Box(middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2), distance


def _cost(box: Box, distance: float, inside: Box, solid: Iterable[Box], soft: Iterable[Box]) -> float:
    outside = box.area - box.shared(inside)
    hard = sum(map(box.shared, solid))
    return distance + 40 * (outside + hard) + 0.3 * sum(map(box.shared, soft))


def pieces(spec: str) -> list[str]:
    """A policy's name in the parts between which it may be broken."""
    return re.split(r"(?<=[:,|])", spec)


def wrapped(spec: str, width: int, *, most: int | None = None) -> list[str]:
    """A policy's name on lines of `width` letters, broken after its signs, and after underscores where need be; at most `most` lines, the
    last one cut short."""
    lines = [""]
    short = [part for piece in pieces(spec) for part in ([piece] if len(piece) <= width else re.split(r"(?<=_)", piece))]
    for piece in short:
        while len(piece) > width:
            lines.append(piece[:width])
            piece = piece[width:]
        if len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    lines = [line for line in lines if line]
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][: width - 1] + "…"]
    return lines
