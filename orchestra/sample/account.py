"""The ledger of waste: what a sample's tokens went into, and what they and the time cost."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Account:
    """Counts are tokens unless they say otherwise. Sampled tokens are kept + aborted + probe + judge + summary, each counted once."""

    kept: int = 0
    """Sampled by traces that ended by themselves."""
    aborted: int = 0
    """Sampled by traces that were ended before."""
    overshoot: int = 0
    """Upper bound on what the engine may have sampled after aborts and never reported; not part of `work`."""
    probe: int = 0
    """Sampled to make traces answer early."""
    judge: int = 0
    """Sampled by judges."""
    judge_read: int = 0
    """Prompt tokens that judges read, by whatever model: most of a judge's cost. Not part of `work`, `prefill` or `cached`."""
    summary: int = 0
    """Sampled by traces that only condense others."""
    prefill: int | None = 0
    """Prompt tokens of all requests that had to be computed; None when an engine does not say."""
    cached: int | None = 0
    """Prompt tokens of the same requests that came from the prefix cache."""
    span: int = 0
    """Sampled tokens on the critical path: the longest chain of traces and judges in which each began after the other's end, as far as the
    policy was told of them. Probes run beside the traces that they ask."""
    seconds: float = 0.0
    """From the problem to the answer, on the engine's clock; in a replay, decoding steps."""
    launched: int = 0
    finished: int = 0
    failed: int = 0
    """Traces; launched - finished - failed were aborted."""

    @property
    def work(self) -> int:
        return self.kept + self.aborted + self.probe + self.judge + self.summary

    @property
    def wasted(self) -> int:
        return self.aborted


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What running costs, in units of the worth of a right answer."""

    kilotoken: float = 0.0
    """Of a thousand sampled tokens, whoever samples them."""
    second: float = 0.0
    """Of a second of waiting on the run's clock (in a replay: of a decoding step)."""

    def __post_init__(self) -> None:
        for name in ("kilotoken", "second"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` must be a number of at least 0, got {getattr(self, name)}")

    def of(self, *, tokens: float, seconds: float) -> float:
        return self.kilotoken * tokens / 1000 + self.second * seconds
