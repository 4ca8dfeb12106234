"""Every context window from one long run: a greedy serial search in a window is the beginning of the same search in a larger one.

So a try of `work` sampled tokens after a prompt of `prompt` is right within a window exactly if it is right at all and both fit, and has
otherwise sampled what the window leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestra.errors import ConfigError

from .record import Point

BAND = (0.57, 0.60)
"""Accuracy of the serial policy that the papers' window leaves it."""


@dataclass(frozen=True, slots=True)
class Within:
    """A point's first tries as they would be in a smaller window."""

    window: int
    correct: list[bool]
    work: list[int]

    @property
    def accuracy(self) -> float:
        return sum(self.correct) / len(self.correct)

    @property
    def mean_work(self) -> float:
        return sum(self.work) / len(self.work)


def within(point: Point, window: int) -> Within:
    """`point` must be greedy, serial, and measured in a window at least as large. The engine's batches may round differently: a run in the
    window itself can differ by a try or two."""
    setup = point.setup
    assert setup["method"] == "serial" and not setup["temperature"] and setup["window"] >= window, (setup, window)
    sizes = zip(point.votes, point.work, point.prompts, strict=True)
    tries = [(votes[0] > 0, work[0], window - prompt) for votes, work, prompt in sizes]
    return Within(window, [right and work <= room for right, work, room in tries], [min(work, room) for _, work, room in tries])


def steps(point: Point) -> list[int]:
    """The windows at which the accuracy of `point` rises, up to its own."""
    ends = {prompt + work[0] for votes, work, prompt in zip(point.votes, point.work, point.prompts, strict=True) if votes[0] > 0}
    return sorted(end for end in ends if end <= point.setup["window"])


def choose(point: Point, band: tuple[float, float] = BAND) -> int:
    """The window in which the accuracy of `point` is nearest to the middle of `band`; of several the smallest. Raises `ConfigError` when the
    policy does not reach the band in any window."""
    middle = sum(band) / 2
    windows = steps(point)
    if not windows or within(point, windows[-1]).accuracy < band[0]:
        reached = within(point, windows[-1]).accuracy if windows else 0.0
        raise ConfigError(
            f"the serial policy reaches {100 * reached:.1f} % in its whole context, and the window is where it has {100 * band[0]:.0f} %:"
            " give another --serial or --serial-beam, or name the window with --window"
        )
    return min(windows, key=lambda window: (abs(within(point, window).accuracy - middle), window))


def curve(point: Point, windows: Sequence[int]) -> list[Within]:
    return [within(point, window) for window in windows if window <= point.setup["window"]]
