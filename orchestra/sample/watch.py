"""How far a streamed trace has been told to its policy. It is asked at every token, so that it does next to nothing at most of them."""

from __future__ import annotations

from array import array

from ..engine.scores import Scores
from .policy import Needs


class Watch:
    """Counts one trace's tokens, and collects their confidences where the policy wants those."""

    __slots__ = ("_confidence", "_due", "_every", "_stride", "_told", "tokens")

    def __init__(self, needs: Needs) -> None:
        self.tokens = 0
        self._stride = needs.stride
        self._every = needs.tokens_every
        self._told = 0
        self._confidence = array("f")
        """Of the piece that is not whole yet."""
        self._due = 0
        """Tokens before which there is nothing to tell."""
        self._plan()

    def take(self, count: int, scores: Scores | None) -> bool:
        """New tokens and their scores. True when a piece or a milestone is due: then both `pieces` and `milestone` are to be asked."""
        self.tokens += count
        if scores is not None and self._stride:
            self._confidence.extend(scores.confidence)
        return self.tokens >= self._due

    def pieces(self) -> tuple[float, ...]:
        """Mean confidences of the pieces that have become whole."""
        stride, values = self._stride, self._confidence
        if not stride:
            return ()
        whole = len(values) // stride * stride
        pieces = tuple(sum(values[start : start + stride]) / stride for start in range(0, whole, stride))
        del values[:whole]
        self._plan()
        return pieces

    def milestone(self) -> int | None:
        """The last multiple of `Needs.tokens_every` that was passed, where it was not told yet."""
        if not self._every or self.tokens // self._every <= self._told:
            return None
        self._told = self.tokens // self._every
        self._plan()
        return self._told * self._every

    def _plan(self) -> None:
        dues = []
        if self._stride:
            dues.append(self.tokens + self._stride - len(self._confidence))
        if self._every:
            dues.append((self._told + 1) * self._every)
        self._due = min(dues, default=1 << 62)
