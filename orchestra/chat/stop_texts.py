"""Texts at which a reply ends, found while it comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """Cuts a text before the stop that is complete first; of two that are complete at the same character, before the longer one.

    What may be the beginning of a stop is held back, so the same text is let through however it is cut into pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if not all(stops):
            raise ValueError(f"a stop text must not be empty, got {list(stops)}")
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False
        """A stop was found; nothing more comes through."""

    def feed(self, text: str) -> str:
        """The text that is certain to come before any stop."""
        if self.stopped:
            return ""
        self._held += text
        found = [(start + len(stop), start) for stop in self._stops if (start := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._take(min(found)[1])
        return self._take(len(self._held) - max((_overlap(self._held, stop) for stop in self._stops), default=0))

    def end(self) -> str:
        """What was held back, now that no more text comes."""
        return self._take(0 if self.stopped else len(self._held))

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], "" if self.stopped else self._held[length:]
        return taken


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    return next((length for length in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:length])), 0)
