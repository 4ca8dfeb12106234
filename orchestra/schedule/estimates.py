"""How long calls take: learned from those that have been made, for priorities and for hedging."""

from __future__ import annotations

from collections import deque


class Durations:
    """Seconds by kind of call (a tool's name, a model's tier), over the last `memory` calls of each. May serve many runs."""

    def __init__(self, memory: int = 64) -> None:
        self._memory = memory
        self._recent: dict[str, deque[float]] = {}
        self._counts: dict[str, int] = {}
        self._sorted: dict[str, tuple[int, list[float]]] = {}
        """The recent ones in order, with the count at which they were put in order."""
        self.revision = 0
        """Grows when enough new has been learned to look at priorities again."""

    def observe(self, kind: str, seconds: float) -> None:
        recent = self._recent.get(kind)
        if recent is None:
            recent = self._recent[kind] = deque(maxlen=self._memory)
        recent.append(seconds)
        self._counts[kind] = count = self._counts.get(kind, 0) + 1
        if not count & (count - 1):  # the 1st, 2nd, 4th, 8th, …
            self.revision += 1

    def count(self, kind: str) -> int:
        """Calls seen, at most `memory`."""
        return min(self._counts.get(kind, 0), self._memory)

    def quantile(self, kind: str, share: float) -> float | None:
        """Seconds within which `share` of the calls were done; None before any is known."""
        count = self._counts.get(kind)
        if not count:
            return None
        at, ordered = self._sorted.get(kind, (0, []))
        if at != count:
            ordered = sorted(self._recent[kind])
            self._sorted[kind] = count, ordered
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def expected(self, kind: str, said: float | None = None) -> float:
        """What was `said` of this very call; else the median of its kind; else the mean of the medians of all kinds; else 1, which makes
        priorities hop counts."""
        if said is not None:
            return said
        seen = self.quantile(kind, 0.5)
        if seen is not None:
            return seen
        medians = [median for other in self._counts if (median := self.quantile(other, 0.5)) is not None]
        return sum(medians) / len(medians) if medians else 1.0
