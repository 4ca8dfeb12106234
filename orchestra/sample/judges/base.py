"""The judge seam: a question about one trace or a pair of them, answered by a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...errors import ToolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a judge is shown."""

    problem: str
    texts: tuple[str, ...]
    """Of one trace or of a pair, cut to the length that the policy asked for."""
    answers: tuple[str | None, ...]
    """Canonical; None for traces that have not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    score: float
    """What it means is the question's affair: a probability for "same_answer", "correct" and "similar", any number for "reward"."""
    sampled: int = 0
    """Tokens sampled for it."""
    prefill: int = 0
    """Prompt tokens read for it, by whatever model."""


class NoOpinion(ToolError):
    """A judge was asked and what it said cannot be read. Its tokens were spent all the same."""

    def __init__(self, message: str, *, sampled: int = 0, prefill: int = 0) -> None:
        super().__init__(message)
        self.sampled = sampled
        self.prefill = prefill


class Judge(Protocol):
    """Called for many groups at once. A failure (`EngineError`, `ToolError`) or a time-out means that there is no opinion; policies go on
    without it."""

    async def __call__(self, question: Question) -> Opinion: ...
