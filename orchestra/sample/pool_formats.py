"""Lines of pools that others recorded, as problems of ours.

    {"branches": […]}    forced answers by length: the traces behind Parallel-Probe (arXiv 2602.03845)
    {"preds": […]}       outputs with a reward model's scores: the examples of Qwen2.5-Math's evaluation

Answers get their quick key (`orchestra.answers.quick_key`), or, where they have none, are taken as written without spaces. What the source
graded right gets the key of the gold answer, so that different forms of the right answer vote together; forms of one wrong answer may stay
apart. Where the source graded an answer wrong that has the gold one's key, the key counts: votes and grades go by one equivalence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..answers.normal import clean, quick_key
from .pool import PooledProblem, Recorded

_MAX_CHARS = 200
"""Of an answer without a quick key; a longer one is a piece of reasoning, and nobody votes with it."""
_PIECES = re.compile(r"\d|[^\W\d_]+|(?:[^\w\s]|_)+|\n+|[^\S\n]{2,}")

Count = Annotated[int, Field(ge=0)]


class _Line(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    qid: str | int
    problem: str
    gold: str


class _Branch(BaseModel):
    tokens: Count
    final: str | None
    final_correct: bool
    probes: list[str | None]


class ProbedLine(_Line):
    """Traces that were made to answer after every `probe_every` tokens."""

    probe_every: Annotated[int, Field(ge=1)]
    branches: Annotated[list[_Branch], Field(min_length=1)]

    def pooled(self, group: str) -> PooledProblem:
        gold = canonical(self.gold) or self.gold
        return PooledProblem(
            id=str(self.qid),
            text=self.problem,
            gold=gold,
            group=group,
            traces=[
                _graded(
                    branch.tokens, branch.final, branch.final_correct, gold, probes=[canonical(probe) for probe in branch.probes]
                )
                for branch in self.branches
            ],
        )


class RewardedLine(_Line):
    """Whole outputs, each with a reward model's score. Their lengths are estimates: see `estimate_tokens`."""

    preds: Annotated[list[str | None], Field(min_length=1)]
    correct: list[bool]
    rm_score: list[float]
    outputs: list[str]

    def pooled(self, group: str) -> PooledProblem:
        gold = canonical(self.gold) or self.gold
        columns = zip(self.preds, self.correct, self.rm_score, self.outputs, strict=True)
        return PooledProblem(
            id=str(self.qid),
            text=self.problem,
            gold=gold,
            group=group,
            traces=[
                _graded(estimate_tokens(output), answer, right, gold, reward=reward, text=output)
                for answer, right, reward, output in columns
            ],
        )


def estimate_tokens(text: str) -> int:
    """Tokens of `text` where nobody counted them: its words, digits, runs of signs and line breaks, which is how byte-pair tokenizers with
    single digits cut a text before they merge. A lower bound that comes close for English with formulas; rare words take more."""
    return max(1, len(_PIECES.findall(text)))


@lru_cache(maxsize=65_536)
def canonical(answer: str | None) -> str | None:
    """What an answer votes as; None for none, for "ERR" and for what is too long to be one."""
    if answer is None or answer.strip() in ("", "ERR", "None"):
        return None
    if (key := quick_key(answer)) is not None:
        return key
    text = clean(answer).replace(" ", "")
    return text if 0 < len(text) <= _MAX_CHARS else None


def _graded(
    tokens: int,
    answer: str | None,
    right: bool,
    gold: str,
    *,
    probes: Sequence[str | None] | None = None,
    reward: float | None = None,
    text: str | None = None,
) -> Recorded:
    key = gold if right else canonical(answer)
    return Recorded(tokens=tokens, answer=key, correct=key == gold, probes=probes, reward=reward, text=text)
