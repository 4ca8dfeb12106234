"""How sure a model was of a whole trace: the numbers that votes are weighted by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from ..engine.scores import Scores

GROUP = 2048
"""Tokens of a confidence group and of the tail (DeepConf, arXiv 2508.15260, section 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceScores:
    """Means over a trace's tokens. Confidence is minus the mean log-probability of the top candidates (nats, higher is surer), entropy that of
    the top candidates (bits, lower is surer)."""

    confidence: float
    entropy: float
    tail: float
    """Confidence of the last `GROUP` tokens."""
    lowest: float
    """Confidence of the least confident sliding group."""
    bottom: float
    """Mean confidence of the least confident tenth of the sliding groups."""
    certainty: float
    """Self-certainty over the top candidates: confidence minus log k (arXiv 2502.18581 with k in place of the vocabulary)."""

    @classmethod
    def of(cls, scores: Scores, *, group: int = GROUP) -> TraceScores | None:
        """None for a trace without tokens."""
        if not len(scores):
            return None
        groups = sorted(sliding_means(scores.confidence, group))
        tenth = groups[: max(1, len(groups) // 10)]
        mean = math.fsum(scores.confidence) / len(scores)
        tail = scores.confidence[-group:]
        return cls(
            confidence=mean,
            entropy=math.fsum(scores.entropy) / len(scores),
            tail=math.fsum(tail) / len(tail),
            lowest=groups[0],
            bottom=math.fsum(tenth) / len(tenth),
            certainty=mean - math.log(scores.top),
        )


def sliding_means(values: Sequence[float], width: int) -> list[float]:
    """The mean of each run of `width` neighbours, one mean of all when there are fewer."""
    if len(values) <= width:
        return [math.fsum(values) / len(values)] if len(values) else []
    sums = list(accumulate(values, initial=0.0))
    return [(sums[end] - sums[end - width]) / width for end in range(width, len(values) + 1)]
