"""The judge seam: a question about one trace or a pair of them, answered by a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a judge is shown."""

    problem: str
    texts: tuple[str, ...]
    """Of one trace or of a pair, cut to the length that the policy asked for."""
    answers: tuple[str | None, ...]
    """Canonical; None for traces that have not ended."""
    on_lost: Callable[[int, int], None] | None = field(default=None, repr=False, compare=False)
    """Called with the tokens that were sampled and read in vain, as far as they are known, when a judge that samples is cancelled,
    fails, or says nothing that can be read. Spent tokens are counted, not forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    score: float
    """What it means is the question's affair: a probability for "same_answer", "correct" and "similar", any number for "reward"."""
    sampled: int = 0
    """Tokens sampled for it."""
    prefill: int = 0
    """Prompt tokens read for it, by whatever model."""


class Judge(Protocol):
    """Called for many groups at once. A failure (`EngineError`, `ToolError`) or a time-out (`Bench.judge_timeout_s`) means that there is no
    opinion: the score is None, and policies go on without it."""

    async def __call__(self, question: Question) -> Opinion: ...
