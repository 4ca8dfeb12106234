"""What streamed traces have to tell, gathered until it is told: traces that decode in one step of the engine come in one event, as in a replay."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from .events import Measured, Progress


@dataclass(slots=True)
class News:
    pieces: dict[int, list[float]] = field(default_factory=dict)
    milestones: dict[int, int] = field(default_factory=dict)
    reached: dict[int, int] = field(default_factory=dict)
    """Tokens on each trace's own critical path when it last had something to tell."""

    def __bool__(self) -> bool:
        return bool(self.reached)

    def add(self, trace: int, pieces: Collection[float], milestone: int | None, reached: int) -> None:
        if pieces:
            self.pieces.setdefault(trace, []).extend(pieces)
        if milestone is not None:
            self.milestones[trace] = milestone
        self.reached[trace] = reached

    def events(self, now: float, running: Collection[int]) -> Iterator[Measured | Progress]:
        """Of the traces that still run when each event is taken."""
        if measured := {trace: tuple(pieces) for trace, pieces in sorted(self.pieces.items()) if trace in running}:
            yield Measured(now, measured)
        if passed := {trace: tokens for trace, tokens in sorted(self.milestones.items()) if trace in running}:
            yield Progress(now, passed)
